"""Tables of an audit: what was measured, and which images are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.imageset.core import ImageSet
from radgen.safety.comparisons import View

ALL = "all"  # every comparison together

MEASURES_SCHEMA = pa.schema(
    [
        pa.field("comparison", pa.string()),  # pixels | whole | parts | a network's name | all
        pa.field("measure", pa.string()),
        pa.field("role", pa.string()),  # synthetic | control: held-out real images | a kind of planted copies
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("n", pa.int64()),  # images behind the value
        pa.field("reason", pa.string()),  # why a value is missing
    ]
)
IMAGES_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string()),
        pa.field("class_name", pa.string()),
        pa.field("kept", pa.bool_()),
        pa.field("why", pa.string()),  # why it is dropped
        pa.field("closeness", pa.float64()),  # score in units of its limit; below 1 is a near copy
        pa.field("comparison", pa.string()),  # that gives this score
        pa.field("nearest_image_id", pa.string()),  # the training image by that comparison
        pa.field("nearest_patient", pa.string()),  # its patient's key
        pa.field("mirrored", pa.bool_()),  # how the image resembles it
        pa.field("down_px", pa.int16()),  # of 64
        pa.field("right_px", pa.int16()),
    ]
)


@dataclass(frozen=True)
class Measure:
    """One row of MEASURES_SCHEMA."""

    comparison: str
    measure: str
    role: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None


def measures_table(measures: Sequence[Measure]) -> pa.Table:
    """Return measures as a table of MEASURES_SCHEMA; six digits, because the rest depends on the number of threads."""
    rows = [asdict(measure) for measure in measures]
    for row in rows:
        row.update({name: _rounded(row[name]) for name in ("value", "low", "high")})
    return pa.Table.from_pylist(rows, schema=MEASURES_SCHEMA)


def release_table(
    synthetic: ImageSet,
    *,
    closeness: NDArray[np.float64],
    comparison: Sequence[str],
    views: Sequence[View],
    nearest_ids: NDArray[np.object_],
    nearest_patients: NDArray[np.object_],
    distances: Mapping[str, NDArray[np.float64]],
    least: Mapping[str, float],
) -> pa.Table:
    """Return a row of IMAGES_SCHEMA for each synthetic image, by image id: kept, or dropped and why.

    Parameters
    ----------
    synthetic
        The set.
    closeness, comparison, views
        From the comparison by which each image is most like a copy.
    nearest_ids, nearest_patients
        Of the training image it finds.
    distances
        To the nearest training image by every comparison.
    least
        Least distance that the policy asks for, by comparison.
    """
    rows = []
    for row, (image_id, class_name) in enumerate(
        zip(synthetic.column("image_id"), synthetic.column("class_name"), strict=True)
    ):
        reasons = [f"near copy by {comparison[row]}"] if closeness[row] < 1 else []
        reasons += [
            f"{name} {distances[name][row]:.3g} is nearer than {limit:g}"
            for name, limit in sorted(least.items())
            if distances[name][row] < limit
        ]
        rows.append(
            {
                "image_id": image_id,
                "class_name": class_name,
                "kept": not reasons,
                "why": "; ".join(reasons) or None,
                "closeness": _rounded(float(closeness[row])),
                "comparison": comparison[row],
                "nearest_image_id": nearest_ids[row],
                "nearest_patient": nearest_patients[row],
                "mirrored": views[row].mirrored,
                "down_px": views[row].down,
                "right_px": views[row].right,
            }
        )
    return pa.Table.from_pylist(rows, schema=IMAGES_SCHEMA).sort_by("image_id")


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")
