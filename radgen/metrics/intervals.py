"""Bootstrap intervals of scores: patients are drawn where images have one, images where they have none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from radgen.metrics.distances import NOBODY

Rows = NDArray[np.int64]
NORMAL_975 = 1.959964


def _alone(patients: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give images of NOBODY a number of their own."""
    return np.where(patients == NOBODY, patients.max(initial=0) + 1 + np.arange(len(patients)), patients)


def drawn_rows(patients: NDArray[np.int64], rng: np.random.Generator) -> Rows:
    """Draw as many patients as there are, with replacement, and return the rows of their images; NOBODY is one image.

    Parameters
    ----------
    patients
        Patient numbers int64 [n].
    rng
        Draws.
    """
    alone = _alone(patients)
    order = np.argsort(alone, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(alone[order]) != 0])
    groups = np.split(order, starts[1:])
    return np.concatenate([groups[place] for place in rng.integers(0, len(groups), len(groups))])


def mean_interval(
    values: NDArray[np.floating], patients: NDArray[np.int64], rng: np.random.Generator, resamples: int
) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of the mean of values float [n] over draws of patients."""
    means = [float(values[drawn_rows(patients, rng)].mean()) for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def distance_interval(
    distance: Callable[[Rows, Rows], float],
    value: float,
    patients: tuple[NDArray[np.int64], NDArray[np.int64]],
    rng: np.random.Generator,
    resamples: int,
) -> tuple[float, float]:
    """Return a normal bootstrap interval of a distance between two sets: value -/+ 1.96 standard errors, not below 0.

    Drawing with replacement makes sets less varied, so that drawn distances lie above the measured one and their
    percentiles would not hold it; their spread is right. Source: Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, section 12.2.

    Parameters
    ----------
    distance
        From rows of both sets.
    value
        Of all rows.
    patients
        Patient numbers int64 of both sets.
    rng, resamples
        Draws, and how many.
    """
    found = [distance(drawn_rows(patients[0], rng), drawn_rows(patients[1], rng)) for _ in range(resamples)]
    return _normal(value, float(np.std(found, ddof=1)))


def linear_interval(
    value: float, pulls: tuple[NDArray[np.float64], ...], patients: tuple[NDArray[np.int64], ...]
) -> tuple[float, float]:
    """Return what `distance_interval` tends to with many images, without a draw: patients' pulls add up to its spread.

    Source: the infinitesimal jackknife, Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 21.3,
    over groups of images.

    Parameters
    ----------
    value
        The distance.
    pulls
        Of each set: the distance's derivative by the weight of each image, float64 [n], mean 0.
    patients
        Patient numbers int64 [n] of each set.
    """
    variance = 0.0
    for pull, patient in zip(pulls, patients, strict=True):
        sums = np.bincount(np.unique(_alone(patient), return_inverse=True)[1], pull) / len(pull)
        variance += float(np.square(sums).sum()) * len(sums) / max(1, len(sums) - 1)
    return _normal(value, variance**0.5)


def _normal(value: float, error: float) -> tuple[float, float]:
    return max(0.0, value - NORMAL_975 * error), value + NORMAL_975 * error
