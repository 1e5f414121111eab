"""Tests and intervals of differences between two arms, and what a test set is too small to tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from radgen.benchmark.statistics import Floats, Integers
from radgen.seeds import random_generator

POWER = 0.8  # of which the smallest detectable difference speaks
Score = Callable[[Floats, NDArray[np.bool_], Integers, Floats], Floats]


def sign_flip_p(differences: Floats, permutations: int, seed: str) -> float:
    """Return the two-sided p value of a mean paired difference over patients.

    Parameters
    ----------
    differences
        One per patient, float [patients]; NaN where a patient has no value in both arms.
    permutations
        Random assignments of signs: if the arms are alike, either sign is as likely for each patient.
    seed
        Of the signs.

    Returns
    -------
    float
        (1 + assignments at least as extreme) / (1 + assignments); NaN without a patient. Source: Phipson and Smyth
        2010, Permutation p-values should never be zero, equation 2.
    """
    known = differences[np.isfinite(differences)]
    if known.size == 0:
        return math.nan
    heads = random_generator("sign flips", seed).random((permutations, known.size)) < 0.5
    return _p_value(known.sum(), np.where(heads, known, -known).sum(axis=1))


def swap_p(
    one: Floats,
    two: Floats,
    truth: NDArray[np.bool_],
    patient: Integers,
    *,
    score: Score,
    permutations: int,
    seed: str,
) -> float:
    """Return the two-sided p value of a difference of a rank score such as the AUC.

    Whole patients change arms: all their images bring the other arm's probabilities. Probabilities are replaced by
    their ranks within arm, network and class first, for two networks need not share a scale.
    Source: Bandos, Rockette and Gur 2005, A permutation test sensitive to differences in areas.

    Parameters
    ----------
    one, two
        Probabilities of both arms, float [seeds, units, classes]; networks of one seed are compared.
    truth
        bool [units, classes].
    patient
        Patient number of each unit, int [units].
    score
        Of probability [units, classes], truth, patient and weights [samples, patients].
    permutations
        Random swaps.
    seed
        Of the swaps.
    """
    count = int(patient.max()) + 1
    stays = random_generator("swaps", seed).random((permutations, count)) < 0.5
    stays = np.concatenate([np.ones((1, count), dtype=bool), stays])  # row 0: as it was
    own = np.concatenate([stays, ~stays], axis=1).astype(np.float64)  # columns: patients of arm one, then of arm two
    columns, labels = np.concatenate([patient, patient + count]), np.concatenate([truth, truth])
    total = np.zeros(len(own))
    for first, second in zip(one, two, strict=False):
        both = np.concatenate([_ranks(first), _ranks(second)])
        total += score(both, labels, columns, own) - score(both, labels, columns, 1 - own)
    return _p_value(total[0], total[1:])


def _p_value(observed: float, permuted: Floats) -> float:
    if not math.isfinite(observed):
        return math.nan
    # Sums of the same numbers in another order differ in their last bits.
    extreme = np.abs(permuted[np.isfinite(permuted)]) >= abs(observed) - 1e-12
    return float((1 + extreme.sum()) / (1 + extreme.size))


def _ranks(values: Floats) -> Floats:
    """Ranks of each column scaled to (0, 1], ties sharing their mean; float [units, classes]."""
    ranks = np.empty(values.shape, dtype=np.float64)
    for number in range(values.shape[1]):
        _, inverse, counts = np.unique(values[:, number], return_inverse=True, return_counts=True)
        ranks[:, number] = (np.cumsum(counts) - (counts - 1) / 2)[inverse] / len(values)
    return ranks


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number, NaN left out.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if math.isfinite(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[place] = largest
    return adjusted


def fieller(above: Floats, below: Floats, confidence: float) -> tuple[float, float, float]:
    """Return a ratio of two estimates with its interval: the share of a gap that a gain closes.

    Parameters
    ----------
    above, below
        Gain and gap: element 0 is the estimate, the others are bootstrap replicates, whose covariance is taken.
    confidence
        Coverage.

    Returns
    -------
    ratio, lower, upper
        Both ends are NaN where the gap is not told apart from zero: the set of ratios is then no bounded interval.

    Notes
    -----
    Source: Fieller 1954, Some problems in interval estimation, with the normal quantile.
    """
    a, b = float(above[0]), float(below[0])
    kept = np.isfinite(above[1:]) & np.isfinite(below[1:])
    if b == 0 or not kept.any():
        return math.nan, math.nan, math.nan
    (aa, ab), (_, bb) = np.cov(above[1:][kept], below[1:][kept], bias=True)
    z = quantile(confidence)
    g = z * z * bb / (b * b)
    if g >= 1:
        return a / b, math.nan, math.nan
    ratio = a / b
    middle = ratio - g * (ab / bb if bb else 0.0)
    inside = aa - 2 * ratio * ab + ratio * ratio * bb - g * (aa - ab * ab / bb if bb else aa)
    half = z / abs(b) * math.sqrt(max(inside, 0.0))
    return ratio, float((middle - half) / (1 - g)), float((middle + half) / (1 - g))


def quantile(confidence: float) -> float:
    """Return the normal quantile of a two-sided interval.

    >>> round(quantile(0.95), 3)
    1.96
    """
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def detectable_difference(standard_error: float, confidence: float) -> float:
    """Return the smallest true difference that such a comparison finds in four of five studies.

    Source: Cohen 1988, Statistical Power Analysis, section 2.4: the sum of both normal quantiles times the error.

    >>> round(detectable_difference(0.01, 0.95), 3)
    0.028
    """
    return (quantile(confidence) + NormalDist().inv_cdf(POWER)) * standard_error


def patients_needed(patients: int, detectable: float, wanted: float) -> int:
    """Return how many patients would tell a wanted difference, as errors shrink with the root of their number.

    >>> patients_needed(37, 0.06, 0.03)
    148
    """
    return math.ceil(patients * (detectable / wanted) ** 2)
