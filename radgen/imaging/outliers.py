"""Slices from which the body mask removed unusually much: a couch like no other, or a patient in part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# An outlier lies three times the middle half's spread above it (Tukey's outer fence), and is worth a look at all.
FENCE = 3.0
LEAST = 0.1
LISTED = 50


class RemovedTissue:
    """Collects what each slice of a shard lost to the body mask; holds three numbers for each slice."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, str, int]] = []

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take the index rows of one series; slices without a share are passed over."""
        self._seen += [
            (row["removed_tissue_fraction"], row["series"], row["slice_index"])
            for row in rows
            if row["removed_tissue_fraction"] is not None
        ]

    def notes(self) -> dict[str, Any]:
        """Return the median share, the limit, how many slices lie beyond it, and the worst `LISTED` of them."""
        if not self._seen:
            return {"median": None, "limit": None, "beyond": 0, "outliers": []}
        low, median, high = np.percentile([share for share, _, _ in self._seen], [25, 50, 75]).tolist()
        limit = max(LEAST, high + FENCE * (high - low))
        beyond = sorted((one for one in self._seen if one[0] > limit), key=lambda one: (-one[0], *one[1:]))
        return {
            "median": round(median, 6),
            "limit": round(limit, 6),
            "beyond": len(beyond),
            "outliers": [
                {"series": series, "slice_index": index, "removed_tissue_fraction": round(share, 6)}
                for share, series, index in beyond[:LISTED]
            ],
        }
