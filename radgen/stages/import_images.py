"""Make an image set of synthetic images that another tool made: pictures or NIfTI, with masks or without."""

from __future__ import annotations

import re
from pathlib import Path

from radgen.errors import ConfigError, InputError
from radgen.provenance import digest_file, digest_json, read_manifest, what_part, write_manifest

VERSION = 1
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def run(
    *,
    pictures: Path,
    name: str,
    out: Path,
    masks: Path | None = None,
    classes: Path | None = None,
    class_names: tuple[str, ...] = (),
    structures: tuple[str, ...] = (),
    ancestry: Path | None = None,
    window: tuple[float, ...] = (),
    channels: str = "auto",
    workers: int = 1,
) -> None:
    """Write the image set, a table of which file became which image, and a manifest of kind `imported`.

    Parameters
    ----------
    pictures
        The folder of images; its sub-folders name classes.
    name
        Of the source, as in the studies that use it.
    out
        Folder of the image set; new, empty, or an earlier import of this name, which is replaced.
    masks
        A folder of the same paths: pictures whose numbers are label ids, or NIfTI.
    classes
        CSV table of file and class, instead of sub-folders.
    class_names
        Classes in the order of their ids, as the study has them; sorted without.
    structures
        Names of mask labels, from 1.
    ancestry
        A declaration of the patients behind the images (`radgen.imports.ancestry`); without one they are unknown, and
        no benchmark arm can claim a setting.
    window
        Two intensities that are black and white, for images of more than 8 bits.
    channels
        auto (as the first image), grey or colour.
    workers
        Processes that read.

    Raises
    ------
    ConfigError, InputError, AncestryError, StorageError
        An option is impossible; a file is unfit, which the message names; the declaration is; the disk is full.
    """
    from radgen.export.folder import swapped_folder
    from radgen.imports.ancestry import read_declaration, unknown_ancestry
    from radgen.imports.found import find_images
    from radgen.imports.write import CHANNELS, Recipe, write_images

    check_name(name)
    _check_options(window, structures, masks)
    if channels not in CHANNELS:
        msg = f"--channels {channels}: give one of {', '.join(CHANNELS)}"
        raise ConfigError(msg)
    check_out(out, name)
    statement, saw = (None, unknown_ancestry(name)) if ancestry is None else read_declaration(ancestry)
    found = find_images(pictures, masks, classes)
    order = _class_order(sorted({item.class_name for item in found if item.class_name is not None}), class_names)
    recipe = Recipe(name, order, structures, (window[0], window[1]) if window else None, channels)
    files = {"images": {item.name: digest_file(item.image) for item in found}}
    files["masks"] = {item.name: digest_file(item.mask) for item in found if item.mask is not None}
    with swapped_folder(out) as draft:
        written = write_images(draft, found, masks, recipe, workers)
        labels = structures or _numbered(out, written.labels)
        settings = {
            "kind": "imported",
            "source": name,
            "classes": list(order),
            "structures": list(labels),
            "window": list(window),
            "channels": channels,
            "ancestry": "unknown" if statement is None else f"declared: {statement}",
        }
        write_manifest(
            draft / "manifest.json",
            what=what_part(
                stage="import_images",
                version=VERSION,
                settings=settings,
                inputs={kind: digest_json(digests) for kind, digests in files.items()},
            ),
            outputs={file.name: file for file in written.files},
            saw_patients=saw,
            notes={"images": len(found), "shape": list(written.shape), "black_and_white_masks": written.white_masks},
        )
    size = " x ".join(map(str, written.shape))
    _say(
        f"import-images {name}: {len(found)} images of {size}, {len(order)} classes, labels {', '.join(labels) or '-'}"
    )
    if written.white_masks:
        _say(f"{written.white_masks} masks are black and white: white is label 1, {labels[0]}")
    _say(f"ancestry {settings['ancestry']}" + ("; no arm can claim a setting" if statement is None else ""))


def check_name(name: str) -> None:
    """Refuse a source's name that ids and file names could not begin with."""
    if not NAME.fullmatch(name) or name == "real":
        msg = f"--name {name!r}: give small letters, digits, _ and -, 32 at most, and not real"
        raise ConfigError(msg)


def _check_options(window: tuple[float, ...], structures: tuple[str, ...], masks: Path | None) -> None:
    if window and (len(window) != 2 or not window[0] < window[1]):
        msg = f"--window {' '.join(f'{value:g}' for value in window)}: give two values, the lower (black) first"
        raise ConfigError(msg)
    names = ("background", *structures)
    if len(set(names)) < len(names) or (structures and masks is None):
        msg = f"--structures {' '.join(structures)}: give --masks too, and each label a name of its own"
        raise ConfigError(msg)


def check_out(out: Path, name: str, stage: str = "import_images") -> None:
    """Refuse a folder that holds anything but an earlier import of this name by this stage."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    manifest = out / "manifest.json"
    what = read_manifest(manifest)["what"] if out.is_dir() and manifest.is_file() else {}
    if what.get("stage") != stage or what["settings"]["source"] != name:
        msg = f"{out}: holds something else than an earlier import of {name}; name a new folder"
        raise InputError(msg)
    known = {"manifest.json", *what["outputs"]} | ({"private"} if stage == "import_maps" else set())
    strange = sorted(path.name for path in out.iterdir() if path.name not in known)
    if strange:
        msg = (
            f"{out}: {strange[0]!r} was not written by the earlier import of {name}; move it away, or name a new folder"
        )
        raise InputError(msg)


def _class_order(present: list[str], given: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in present if given and name not in given]
    if unknown or len(set(given)) < len(given):
        wrong = f"images are of class {unknown[0]!r}" if unknown else "a name occurs twice"
        msg = f"--class-names {' '.join(given)}: {wrong}; name every class once, as the study does"
        raise ConfigError(msg)
    return given or tuple(present)


def _numbered(out: Path, labels: set[int]) -> tuple[str, ...]:
    largest = max(labels, default=0)
    gaps = sorted(set(range(1, largest + 1)) - labels)
    if gaps:
        msg = (
            f"{out}: masks hold labels up to {largest}, but none holds {gaps[0]}; name all of them with --structures, "
            "or number them without a gap"
        )
        raise InputError(msg)
    return tuple(f"label_{number}" for number in range(1, largest + 1))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's progress
