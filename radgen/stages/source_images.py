"""Take an image set that `radgen import-images` wrote into a study as one of its sources."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.errors import InputError
from radgen.provenance import atomic_path, input_digest, read_manifest, saw_patients_of, what_part, write_manifest

VERSION = 2


def run(
    *,
    images: Path,
    images_manifest: Path,
    source: str,
    index: Path,
    manifest: Path,
    classes: ClassSettings,
    structures: StructureSettings,
) -> None:
    """Check that classes and labels are the study's, and copy the set to where samples of every source lie.

    Parameters
    ----------
    images, images_manifest
        Index and manifest of the imported set.
    source
        Name of the source in this study.
    index, manifest
        The copy; shards lie beside it.
    classes, structures
        Of the study.

    Raises
    ------
    InputError
        The set was not imported, its classes are numbered differently, or its labels are others.
    """
    import shutil

    from radgen.imageset.core import images_path, masks_path, read_index

    what = read_manifest(images_manifest)["what"]
    if what["stage"] != "import_images":
        msg = f"{images_manifest}: made by {what['stage']}, not by an import; write it with `radgen import-images`"
        raise InputError(msg)
    # What an import has no class or no mask for, no arm reads.
    for found, wanted, kind, option in (
        (what["settings"]["classes"], classes.names, "classes", "--class-names"),
        (what["settings"]["structures"], structures.names, "labels", "--structures"),
    ):
        if found:
            _check_names(images, tuple(found), wanted, kind, option)
    index.parent.mkdir(parents=True, exist_ok=True)
    outputs = {}
    for shard in sorted(set(read_index(images).column("shard").to_pylist())):
        for path_of in (images_path, masks_path):
            old, new = path_of(images.parent / shard), path_of(index.parent / shard)
            if old.is_file():
                with atomic_path(new) as temporary:
                    shutil.copyfile(old, temporary)
                outputs[new.name] = new
    with atomic_path(index) as temporary:
        shutil.copyfile(images, temporary)
    write_manifest(
        manifest,
        what=what_part(
            stage="source_images",
            version=VERSION,
            settings={
                "source": source,
                "imported_as": what["settings"]["source"],
                "structures": what["settings"]["structures"],
            },
            inputs={"images": input_digest(images), "images_manifest": input_digest(images_manifest)},
        ),
        outputs=outputs | {"index": index},
        saw_patients=saw_patients_of(images_manifest),
        notes={"ancestry": what["settings"]["ancestry"]},
    )
    print(f"source-images {source}: {len(outputs)} files of images and masks", flush=True)  # noqa: T201 - goes to the log


def _check_names(images: Path, found: tuple[str, ...], wanted: tuple[str, ...], what: str, option: str) -> None:
    """Refuse names in another order: their numbers are what networks learn."""
    if found != wanted:
        msg = (
            f"{images.parent}: {what} are {', '.join(found) or 'none'}, but the study's are "
            f"{', '.join(wanted) or 'none'}; import it again with {option} {' '.join(wanted)}"
        )
        raise InputError(msg)
