"""Why a slice, or all slices of a series, are not stored: a reason to count, the figure that shows it, a sentence."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pyarrow as pa

from radgen.errors import InputError

# One row per refused slice; slice_index is null where the whole series is refused. Series are named by keyed hashes.
REJECTS_SCHEMA = pa.schema(
    [
        pa.field("series_key", pa.string(), nullable=False),
        pa.field("file_id", pa.string()),  # of the file to blame, where it is one
        pa.field("split", pa.string(), nullable=False),
        pa.field("slice_index", pa.int32()),
        pa.field("stage", pa.string(), nullable=False),  # as in the cohort's rejects: always "slices" here
        pa.field("reason", pa.string(), nullable=False),
        pa.field("figure", pa.float64()),  # what was measured
        pa.field("limit", pa.float64()),  # what would have been allowed
        pa.field("sentence", pa.string(), nullable=False),
    ]
)


class Reason(StrEnum):
    """The kinds of refusal that pixels decide; files that cannot be read bring the reader's reason."""

    # Whole series.
    NOT_FINITE = "not-finite"
    FLAT_SERIES = "flat-series"
    NO_MASK = "no-mask"
    # Single slices.
    ALMOST_EMPTY = "almost-empty"
    FLAT = "flat"
    DUPLICATE = "duplicate-slice"
    NEAR_DUPLICATE = "near-duplicate-slice"
    AMBIGUOUS = "ambiguous-class"
    BEYOND_FIELD = "beyond-field-of-view"


class RefusedError(InputError):
    """A slice or a series is not stored; it becomes a row of the rejects table and the run goes on.

    Parameters
    ----------
    reason
        The kind of refusal.
    sentence
        What is wrong, with both values and without identifiers.
    figure, limit
        What was measured, and what would have been allowed.
    """

    def __init__(self, reason: Reason, sentence: str, figure: float | None = None, limit: float | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.figure = figure
        self.limit = limit

    def row(self, series_key: str, split: str, slice_index: int | None) -> dict[str, Any]:
        """Return a row of REJECTS_SCHEMA."""
        row = reject_row(series_key, split, str(self.reason), self.sentence)
        return row | {"slice_index": slice_index, "figure": self.figure, "limit": self.limit}


def reject_row(series_key: str, split: str, reason: str, sentence: str) -> dict[str, Any]:
    """Return a row of REJECTS_SCHEMA for a whole series."""
    return {"series_key": series_key, "split": split, "stage": "slices", "reason": reason, "sentence": sentence}
