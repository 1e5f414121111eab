"""Files of a pack for each annotation tool, one module per tool, and how they are written and renewed."""

from __future__ import annotations

import json
from pathlib import Path

from radgen.annotation.packers import cvat, dicom, itksnap, label_studio, labelme, slicer
from radgen.annotation.packers.material import Material, Packer
from radgen.errors import AnnotationError
from radgen.provenance import atomic_path, digest_bytes, digest_file, write_json

PACKERS: tuple[Packer, ...] = (
    label_studio.PACKER,
    cvat.PACKER,
    labelme.PACKER,
    slicer.PACKER,
    itksnap.PACKER,
    dicom.PACKER,
)
CONTENTS_FILE = "contents.json"  # name inside the pack -> digest of each file that was written for a tool


def write_tool_files(folder: Path, material: Material) -> None:
    """Write every tool's files into a pack, in place of those of an earlier pack.

    Only files that were written here and that nobody has changed since are replaced or taken away: some tools save what
    was painted over the empty file they opened.

    Parameters
    ----------
    folder
        The pack's folder.
    material
        What goes out.

    Raises
    ------
    AnnotationError
        A file of the earlier pack was changed since.
    """
    earlier = _contents(folder)
    _refuse_painted(folder, earlier)
    (folder / CONTENTS_FILE).unlink(missing_ok=True)
    for name in earlier:
        (folder / name).unlink(missing_ok=True)
    written: dict[str, str] = {}
    for packer in PACKERS:
        for name, data in packer.files(material):
            inside = f"{packer.folder}/{name}"
            written[inside] = digest_bytes(data)
            # What lies here unlisted is a part of this very pack, left by a run that was cut off, or not ours.
            _refuse_painted(folder, {inside: written[inside]})
            with atomic_path(folder / inside) as temporary:
                temporary.write_bytes(data)
    write_json(folder / CONTENTS_FILE, written)


def tool_files(folder: Path) -> list[Path]:
    """Return the files that `write_tool_files` wrote into a pack, sorted by name, and their list."""
    return [*(folder / name for name in sorted(_contents(folder))), folder / CONTENTS_FILE]


def _contents(folder: Path) -> dict[str, str]:
    path = folder / CONTENTS_FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        listed = {str(name): str(digest) for name, digest in found.items()}
    except (OSError, ValueError, AttributeError) as error:
        msg = f"{path}: not a readable list of files ({error}); move what was painted to masks, delete it and run again"
        raise AnnotationError(msg) from error
    own = {packer.folder for packer in PACKERS}
    strange = [name for name in listed if name.count("/") != 1 or name.split("/")[0] not in own or ".." in name]
    if strange:
        msg = f"{path}: lists {strange[0]!r}, which is no file of a pack; delete {path.name} and run again"
        raise AnnotationError(msg)
    return listed


def _refuse_painted(folder: Path, earlier: dict[str, str]) -> None:
    present = (name for name in earlier if (folder / name).exists())
    painted = [name for name in present if digest_file(folder / name) != earlier[name]]
    if painted:
        rest = f" and {len(painted) - 1} more" if len(painted) > 1 else ""
        msg = (
            f"{folder / painted[0]}{rest}: changed since the pack was written, perhaps by painting; "
            f"move it to {folder / 'masks'} (or delete it) and run annotate-pack again"
        )
        raise AnnotationError(msg)
