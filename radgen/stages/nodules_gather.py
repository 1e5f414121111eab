"""Join the shards of nodule patches into one image set of nodules and one of healthy backgrounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import CohortError
from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1


def run(
    *,
    parts: tuple[Path, ...],
    background_parts: tuple[Path, ...],
    patches_parts: tuple[Path, ...],
    rejects_parts: tuple[Path, ...],
    part_manifests: tuple[Path, ...],
    index: Path,
    backgrounds: Path,
    patches: Path,
    rejects: Path,
    manifest: Path,
) -> None:
    """Write both indices and the joined side tables; pixels stay where they are.

    Parameters
    ----------
    parts, background_parts, patches_parts, rejects_parts, part_manifests
        Of the shards.
    index, backgrounds
        The image sets.
    patches, rejects
        The joined side tables.
    manifest
        Beside the index.

    Raises
    ------
    InputError
        A part cannot be read.
    CohortError
        No training patient has both a nodule patch and a healthy one.
    """
    from radgen.imageset.core import images_path, masks_path, read_index, write_table
    from radgen.imageset.gather import join_index, join_tables

    refused = join_tables(rejects_parts)
    write_table(rejects, refused)
    write_table(patches, join_tables(patches_parts))
    join_index(parts, index)
    join_index(background_parts, backgrounds)
    nodules, healthy = read_index(index), read_index(backgrounds)
    both = _patients(nodules) & _patients(healthy)
    if not both:
        msg = (
            f"no training patient has nodule and healthy patches: {len(_patients(nodules))} have the first, "
            f"{len(_patients(healthy))} the second; {rejects.name} holds {refused.num_rows} reasons"
        )
        raise CohortError(msg)
    stems = [path.with_name(path.name.removesuffix(".index.parquet")) for path in parts]
    behind = [path.with_name(path.name.removesuffix(".index.parquet")) for path in background_parts]
    pixels = [place(stem) for stem in stems for place in (images_path, masks_path)] + [images_path(s) for s in behind]
    tables = (*parts, *background_parts, *patches_parts, *rejects_parts)
    inputs = {f"{path.parent.name}/{path.name}": input_digest(path) for path in (*tables, *pixels)}
    write_manifest(
        manifest,
        what=what_part(stage="nodules_gather", version=VERSION, settings={}, inputs=inputs),
        outputs={"index": index, "backgrounds": backgrounds, "patches": patches, "rejects": rejects},
        saw_patients=saw_patients_of(*part_manifests),
        notes={"nodules": nodules.num_rows, "backgrounds": healthy.num_rows, "rejects": refused.num_rows},
    )
    print(  # noqa: T201 - a stage's progress goes to its log
        f"nodules: {nodules.num_rows} nodule patches, {healthy.num_rows} healthy ones, {refused.num_rows} rejects; "
        f"{len(both)} training patients have both",
        flush=True,
    )


def _patients(index: pa.Table) -> set[str]:
    """Return the training patients of an image set."""
    rows = zip(index.column("split").to_pylist(), index.column("patient").to_pylist(), strict=True)
    return {patient for split, patient in rows if split == "train"}
