"""The checks of all series as the pages read them: figures at once, histograms and pictures a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from radgen.errors import InputError
from radgen.report.study import StudyResults

# Small columns of slices/qc.parquet, held for all series.
FIGURES = (
    "series_key", "patient_key", "split", "archive", "format", "modality", "anatomy", "class_names", "n_slices",
    "n_stored", "n_refused", "refused", "rows", "cols", "spacing_slice_mm", "spacing_row_mm", "spacing_col_mm",
    "remarks", "window_low", "window_high", "clipped_fraction", "removed_fraction", "removed_tissue",
    "removed_tissue_most", "removed_tissue_slice", "minimum", "maximum", "kept_low", "kept_median", "kept_high",
)  # fmt: skip
# Large ones, read for the rows that are drawn.
COUNTS = ("series_key", "window_low", "window_high", "histogram_low", "histogram_high", "kept_counts")
PICTURES = (*COUNTS, "removed_counts", "thumbnail_slice", "before", "after")


class QcTable:
    """slices/qc.parquet of one study.

    Parameters
    ----------
    study
        Its results.

    Raises
    ------
    InputError
        The table is missing, unreadable, or lacks a column.
    """

    def __init__(self, study: StudyResults) -> None:
        self.path = study.path("slices.qc")
        try:
            self._file = pq.ParquetFile(self.path)
        except (OSError, pa.ArrowInvalid) as error:
            msg = f"{self.path}: not a readable table ({error}); run the slices stage that writes it"
            raise InputError(msg) from error
        found = self._file.schema_arrow.names
        missing = [name for name in (*FIGURES, *PICTURES) if name not in found]
        if missing:
            msg = f"{self.path}: column {missing[0]!r} is missing; run the stage that writes it again"
            raise InputError(msg)

    @cached_property
    def series(self) -> pd.DataFrame:
        """One row per series that was read, its place in the file as `position`, with a `group` to compare it in."""
        frame: pd.DataFrame = self._file.read(columns=list(FIGURES)).to_pandas()
        frame["position"] = np.arange(len(frame))
        kind = frame["modality"].where(frame["modality"] != "", frame["format"])
        frame["group"] = kind.where(frame["archive"] == "", frame["archive"] + " " + kind)
        frame["pixel_mm"] = np.sqrt(frame["spacing_row_mm"] * frame["spacing_col_mm"])
        return frame[frame["refused"].isna()].reset_index(drop=True)

    @property
    def n_refused(self) -> int:
        """Number of series refused as a whole when their pixels were read."""
        return int(self._file.metadata.num_rows) - len(self.series)

    @property
    def groups(self) -> list[str]:
        """Names of the groups, the largest first."""
        counts = self.series["group"].value_counts()
        return sorted(counts.index, key=lambda name: (-counts[name], name))

    def rows(self, positions: Sequence[int], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield some rows in the order of their positions, with one group of rows in memory at a time."""
        starts = self._starts
        wanted = np.unique(np.asarray(positions, dtype=np.int64))
        for group in range(self._file.num_row_groups):
            inside = wanted[(wanted >= starts[group]) & (wanted < starts[group + 1])] - starts[group]
            if inside.size:
                yield from self._file.read_row_group(group, columns=list(columns)).take(inside).to_pylist()

    @cached_property
    def _starts(self) -> list[int]:
        metadata = self._file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        return [0, *np.cumsum(sizes).tolist()]
