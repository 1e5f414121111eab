"""Join the parts of an image set into one index."""

from __future__ import annotations

from pathlib import Path

from radgen.provenance import SawPatients, input_digest, saw_patients_of, what_part, write_manifest

VERSION = 1


def run(*, parts: tuple[Path, ...], part_manifests: tuple[Path, ...], index: Path, manifest: Path) -> None:
    """Write one index over all parts; pixels stay where they are.

    Parameters
    ----------
    parts
        Index parts, each in the index's folder or below it.
    part_manifests
        Manifests of the parts: their patients are united.
    index
        The joined index.
    manifest
        Beside the index.

    Raises
    ------
    InputError
        A part cannot be read or lies outside the index's folder.
    """
    from radgen.imageset.gather import join_index

    images = join_index(parts, index)
    inputs = {f"{path.parent.name}/{path.name}": input_digest(path) for path in parts}
    what = what_part(stage="gather", version=VERSION, settings={}, inputs=inputs)
    saw = saw_patients_of(*part_manifests) if part_manifests else SawPatients()
    notes = {"parts": len(parts), "images": images}
    write_manifest(manifest, what=what, outputs={"index": index}, saw_patients=saw, notes=notes)
    _say(f"gather: {images} images of {len(parts)} parts")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
