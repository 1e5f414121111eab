"""The rule that chooses a study's low fraction from its real-only curve.

At the low fraction there must be something to gain: a gap to 100 % large enough to matter and sure enough to measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CurvePoint:
    """Score of one real fraction beside that of all training patients.

    Attributes
    ----------
    fraction
        Share of the training patients, in (0, 1].
    gap
        Mean score at 100 % minus mean score here; above 0 where more patients help.
    standard_error
        Of the gap, over patients and seeds.
    """

    fraction: float
    gap: float
    standard_error: float


def holds(point: CurvePoint, least_gap: float, least_standard_errors: float) -> bool:
    """Tell whether a fraction leaves a gap that is both large enough and sure enough.

    >>> holds(CurvePoint(0.1, 0.06, 0.01), 0.05, 4.0)
    True
    >>> holds(CurvePoint(0.1, 0.06, 0.02), 0.05, 4.0)
    False
    """
    return point.fraction < 1 and point.gap >= least_gap and point.gap >= least_standard_errors * point.standard_error


def choose_low(points: Sequence[CurvePoint], least_gap: float, least_standard_errors: float) -> float | None:
    """Return the largest fraction for which the rule holds, or None when it holds for none.

    >>> curve = [CurvePoint(1.0, 0, 0), CurvePoint(0.1, 0.02, 0.005), CurvePoint(0.03, 0.11, 0.012)]
    >>> choose_low(curve, 0.05, 4.0)
    0.03
    """
    fractions = [point.fraction for point in points if holds(point, least_gap, least_standard_errors)]
    return max(fractions, default=None)
