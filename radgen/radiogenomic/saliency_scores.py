"""Whether gene saliency finds the genes that were planted, and whether a share of small p-values is chance's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ranks from 1 on, equal values sharing their mean rank."""
    order = np.argsort(values, kind="stable")
    _, first, counts = np.unique(values[order], return_index=True, return_counts=True)
    shared = np.repeat(first + (counts + 1) / 2, counts)
    result = np.empty(len(values))
    result[order] = shared
    return result


def area_under_roc(scores: NDArray[np.floating], planted: NDArray[np.bool_]) -> float:
    """Return the chance that a planted gene has a higher score than another, equal scores counting half.

    Parameters
    ----------
    scores
        [genes], such as the mean absolute derivative of a feature by each gene.
    planted
        bool [genes]; some are and some are not.

    Raises
    ------
    ValueError
        All genes are of one kind, or a score is NaN.

    Notes
    -----
    The Mann-Whitney statistic: J. A. Hanley and B. J. McNeil, Radiology 143 (1982), 29-36.
    """
    inside = int(planted.sum())
    outside = len(planted) - inside
    if len(scores) != len(planted) or not inside or not outside or np.isnan(scores).any():
        msg = (
            f"{len(scores)} scores ({int(np.isnan(scores).sum())} of them NaN) for {inside} planted and {outside} "
            "other genes; give one number for each gene, and genes of both kinds"
        )
        raise ValueError(msg)
    return float((ranks(scores)[planted].sum() - inside * (inside + 1) / 2) / (inside * outside))


def binomial_bounds(trials: int, chance: float, confidence: float = 0.99) -> tuple[int, int]:
    """Return the fewest and the most successes that chance explains.

    Each tail beyond the bounds has at most half of 1 - confidence: `binomial_bounds(20, 0.05)` is what 20 shuffles may
    show of p < .05 when there is nothing to find.

    Parameters
    ----------
    trials
        At least 1.
    chance
        Of success in each, 0 to 1.
    confidence
        Above 0 and below 1.

    Examples
    --------
    >>> binomial_bounds(20, 0.05)
    (0, 4)
    """
    if trials < 1 or not 0 <= chance <= 1 or not 0 < confidence < 1:
        msg = (
            f"{trials} trials, chance {chance:g}, confidence {confidence:g}; give 1 or more, a chance from 0 to 1 "
            "and a confidence between them"
        )
        raise ValueError(msg)
    tail = (1 - confidence) / 2
    masses = [math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(trials + 1)]
    below = np.concatenate([[0.0], np.cumsum(masses)])  # P(successes < k)
    above = np.concatenate([np.cumsum(masses[::-1])[::-1], [0.0]])  # P(successes >= k)
    low = max(k for k in range(trials + 1) if below[k] <= tail)
    high = min(k for k in range(trials + 1) if above[k + 1] <= tail)
    return low, high
