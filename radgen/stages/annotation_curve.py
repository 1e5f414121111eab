"""Sum up the points of the annotation curve: Dice against the number of annotations, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.cohort.settings import StructureSettings
from radgen.errors import InputError
from radgen.labels.settings import AnnotationCurveSettings
from radgen.provenance import input_digest, read_manifest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1


def run(
    *,
    points: tuple[Path, ...],
    point_manifests: tuple[Path, ...],
    source: str,
    table: Path,
    manifest: Path,
    annotation_curve: AnnotationCurveSettings,
    structures: StructureSettings,
) -> None:
    """Write one row per measure, kind of annotation, number of annotations and structure, over all seeds.

    Parameters
    ----------
    points, point_manifests
        Tables of all points and the manifests beside them, in the same order.
    source
        Name of the generator.
    table
        `radgen.benchmark.annotation_curve.CURVE_SCHEMA`; the same as CSV beside it.
    manifest
        Beside it; its notes say who annotated.
    annotation_curve, structures
        Settings.

    Raises
    ------
    InputError
        A point cannot be read.
    """
    import pandas as pd
    import pyarrow.csv

    from radgen.benchmark.annotation_curve import sum_up
    from radgen.imageset.core import write_table
    from radgen.provenance import atomic_path

    rows = pd.concat([_point(path) for path in points], ignore_index=True)
    curve = sum_up(
        rows, structures.names, samples=annotation_curve.bootstrap_samples, confidence=annotation_curve.confidence
    )
    write_table(table, curve)
    csv = table.with_suffix(".csv")
    with atomic_path(csv) as temporary:
        pyarrow.csv.write_csv(curve, temporary)
    write_manifest(
        manifest,
        what=what_part(
            stage="annotation_curve",
            version=VERSION,
            settings={
                "source": source,
                "annotation_curve": as_plain(annotation_curve),
                "structures": list(structures.names),
            },
            inputs={path.name: input_digest(path) for path in points},
            seed=annotation_curve.seed,
        ),
        outputs={"table": table, "csv": csv},
        saw_patients=saw_patients_of(*point_manifests),
        notes={"annotator": read_manifest(point_manifests[0])["run"]["notes"].get("annotator"), "points": len(points)},
    )
    for row in curve.to_pylist():
        if row["structure"] == "all":
            _say(
                f"annotation-curve {source}: {row['count']} {row['arm']}, {row['measure']}: Dice {row['dice']:.3f} "
                f"[{row['lower']:.3f}, {row['upper']:.3f}]"
            )


def _point(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        msg = f"{path}: not a readable point of the curve ({error}); run annotation-curve-point again"
        raise InputError(msg) from error


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
