"""How far annotators agree who painted the same images: Dice of each label, for each pair of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.annotation.merge import Painted
from radgen.annotation.schema import Label

AGREEMENT_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("label_id", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("annotator_a", pa.string(), nullable=False),
        pa.field("annotator_b", pa.string(), nullable=False),
        pa.field("pixels_a", pa.int64(), nullable=False),
        pa.field("pixels_b", pa.int64(), nullable=False),
        pa.field("dice", pa.float64()),  # null where neither painted the label
    ]
)


def agreement_table(by_image: Mapping[str, Sequence[Painted]], labels: Sequence[Label]) -> pa.Table:
    """Return a row for each image, label and pair of annotators (columns of AGREEMENT_SCHEMA)."""
    rows = [
        {
            "image_id": image_id,
            "label_id": label.id,
            "label": label.name,
            "annotator_a": one.who,
            "annotator_b": other.who,
            "pixels_a": int(np.count_nonzero(one.mask == label.id)),
            "pixels_b": int(np.count_nonzero(other.mask == label.id)),
            "dice": dice(one.mask == label.id, other.mask == label.id),
        }
        for image_id, painted in sorted(by_image.items())
        for one, other in combinations(sorted(painted, key=lambda item: item.who), 2)
        for label in labels
        if label.id != 0
    ]
    return pa.Table.from_pylist(rows, schema=AGREEMENT_SCHEMA)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float | None:
    """Return 2 |A and B| / (|A| + |B|); None where both are empty (Dice 1945).

    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    size = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / size if size else None


def mean_agreement(table: pa.Table) -> dict[str, dict[str, Any]]:
    """Return by label the mean Dice and of how many pairs of masks it is the mean; pairs without the label left out."""
    found: dict[str, list[float]] = {}
    for row in table.to_pylist():
        if row["dice"] is not None:
            found.setdefault(row["label"], []).append(row["dice"])
    return {label: {"dice": float(np.mean(values)), "pairs": len(values)} for label, values in found.items()}
