"""Join the shards of slices into one index, and stop if they are not enough to work with."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.settings import ClassSettings, CohortSettings, LimitSettings
from radgen.provenance import input_digest, read_manifest, saw_patients_of, what_part, write_manifest

VERSION = 3


def run(
    *,
    parts: tuple[Path, ...],
    part_manifests: tuple[Path, ...],
    rejects_parts: tuple[Path, ...],
    qc_parts: tuple[Path, ...],
    index: Path,
    rejects: Path,
    qc: Path,
    near_duplicates: Path,
    manifest: Path,
    cohort: CohortSettings,
    classes: ClassSettings,
    limit: LimitSettings,
) -> None:
    """Write one index, one table of rejects and one of checks over all shards; pixels stay where they are.

    Parameters
    ----------
    parts, part_manifests, rejects_parts, qc_parts
        Of the shards: index parts in the index's folder or below it, manifests, rejects, and quality checks.
    index, rejects, qc
        The joined tables.
    near_duplicates
        Pairs of nearly equal images whose series are in different splits.
    manifest
        Beside the index.
    cohort, classes, limit
        Sections of the config: what the cohort must be is asked again, now that pixels were read.

    Raises
    ------
    InputError
        A part cannot be read, lies outside the index's folder, or rejects have different columns.
    CohortError
        Too many series could not be read, or a class has too few images in a split.
    """
    from radgen.imageset.core import images_path, write_table
    from radgen.imageset.gather import join_index, join_tables
    from radgen.imaging.across_splits import near_duplicates as across_splits
    from radgen.imaging.enough import check_class_images, check_unreadable_share
    from radgen.imaging.qc import join_qc

    refused = join_tables(rejects_parts)
    series = sum(read_manifest(path)["run"]["notes"]["series"] for path in part_manifests)
    check_unreadable_share(refused, series, cohort.max_refused_fraction)
    # A limit takes patients from a cohort that was enough as a whole, and promises no minimum.
    if limit.patients is None:
        check_class_images(parts, classes.names, cohort)
    images = join_index(parts, index)
    write_table(rejects, refused)
    join_qc(qc_parts, qc)
    pairs, compared = across_splits(index)
    write_table(near_duplicates, pairs)
    pixels = [images_path(path.with_name(path.name.removesuffix(".index.parquet"))) for path in parts]
    inputs = {
        f"{path.parent.name}/{path.name}": input_digest(path) for path in (*parts, *pixels, *rejects_parts, *qc_parts)
    }
    write_manifest(
        manifest,
        # The settings decide whether this stops, not what it writes.
        what=what_part(stage="slices_gather", version=VERSION, settings={}, inputs=inputs),
        outputs={"index": index, "rejects": rejects, "qc": qc, "near_duplicates": near_duplicates},
        saw_patients=saw_patients_of(*part_manifests),
        notes={"parts": len(parts), "images": images}
        | {"images_compared": compared, "near_duplicates_across_splits": pairs.num_rows},
    )
    _say(f"slices: {images} images of {len(parts)} shards")
    if pairs.num_rows:
        _say(
            f"slices: {pairs.num_rows} pairs of nearly the same image in different splits, of {compared} images "
            f"compared; see {near_duplicates.name}, and give such patients one group in group_table"
        )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
