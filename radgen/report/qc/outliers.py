"""Which series stand out from the others of their modality and archive: robust scores of a few figures.

The score of a figure is its distance from the group's median in robust standard deviations, 1.4826 times the median
absolute deviation. A floor under that deviation keeps a group that hardly varies from making outliers of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# A group with fewer series has no usual value.
FEWEST = 8
NORMAL = 1.4826


@dataclass(frozen=True)
class Measure:
    """One figure by which series are compared.

    Parameters
    ----------
    column
        Of `QcTable.series`.
    words
        Its name for a reader.
    unit
        "%" for shares of 1.
    floor
        The smallest deviation that counts as one standard deviation, in the figure's unit, or as a share of the
        group's median where `relative`.
    is_ratio
        Whether twice and half as much are equally far: the score is then of logarithms, and `floor` of a ratio.
    relative
        Whether `floor` is a share of the group's median.
    """

    column: str
    words: str
    unit: str
    floor: float
    is_ratio: bool = False
    relative: bool = False


MEASURES = (
    Measure("removed_fraction", "removed share", "%", 0.02),
    Measure("removed_tissue_most", "tissue removed from a slice", "%", 0.03),
    Measure("clipped_fraction", "clipped share", "%", 0.01),
    Measure("kept_median", "median intensity", "", 0.05, relative=True),
    Measure("pixel_mm", "pixel size", "mm", 0.05, is_ratio=True),
    Measure("spacing_slice_mm", "distance between slices", "mm", 0.05, is_ratio=True),
    Measure("n_slices", "number of slices", "", 0.10, is_ratio=True),
)
# HU mean the same everywhere, and their median may be near 0.
CT_MEDIAN_FLOOR_HU = 10.0


@dataclass(frozen=True)
class Finding:
    """One figure of one series that stands out."""

    measure: Measure
    value: float
    usual: float
    score: float


def find_outliers(series: pd.DataFrame, limit: float) -> dict[int, list[Finding]]:
    """Compare every series with its group.

    Parameters
    ----------
    series
        `QcTable.series`.
    limit
        Score from which a figure stands out.

    Returns
    -------
    Position to findings, highest score first; series where nothing stands out are left out.
    """
    found: dict[int, list[Finding]] = {}
    for _, members in series.groupby("group", sort=True):
        is_ct = members["modality"].iloc[0] == "CT"
        for measure in MEASURES:
            values = members[measure.column].to_numpy(dtype=float)
            floor = CT_MEDIAN_FLOOR_HU if is_ct and measure.column == "kept_median" else None
            scores, usual = robust_scores(values, measure, floor=floor)
            for place in np.flatnonzero(np.abs(scores) >= limit):
                finding = Finding(measure, float(values[place]), usual, float(scores[place]))
                found.setdefault(int(members["position"].iloc[place]), []).append(finding)
    return {position: sorted(each, key=lambda one: -abs(one.score)) for position, each in sorted(found.items())}


def robust_scores(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], measure: Measure, *, floor: float | None = None
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], float]:
    """Return the signed score of each value (0 where unknown, or in a small group) and the group's median.

    >>> scores, usual = robust_scores(np.array([1.0, 1, 1, 1, 1, 1, 1, 1, 2]), Measure("x", "x", "mm", 0.1))
    >>> float(scores[-1]), float(np.abs(scores[:-1]).max()), usual
    (10.0, 0.0, 1.0)
    """
    known = np.isfinite(values) & ((values > 0) | (not measure.is_ratio))
    if known.sum() < FEWEST:
        return np.zeros(len(values)), math.nan
    usual = float(np.median(values[known]))
    scale, centre = np.where(known, values, usual), usual
    least = (measure.floor * abs(usual) if measure.relative else measure.floor) if floor is None else floor
    if measure.is_ratio:
        scale, centre, least = np.log(scale), math.log(usual), math.log1p(measure.floor)
    spread = NORMAL * float(np.median(np.abs(scale[known] - centre)))
    return (scale - centre) / max(spread, least, 1e-12), usual


def in_order(series: pd.DataFrame, found: Mapping[int, Sequence[Finding]]) -> list[int]:
    """Return the positions of all series: those that stand out first, then those with remarks, then the rest."""
    remarked = set(series.loc[series["remarks"].map(len) > 0, "position"])
    scored = {position: abs(findings[0].score) for position, findings in found.items()}
    return sorted(
        (int(position) for position in series["position"]),
        key=lambda position: (-scored.get(position, 0.0), position not in remarked, position),
    )
