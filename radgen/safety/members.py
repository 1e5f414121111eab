"""Membership inference: whether a person's image lies nearer to the synthetic set because the person was in training.

The attacker has the synthetic images alone and asks of a real image how near the nearest one is.
Source: Chen et al., "GAN-Leaks: a taxonomy of membership inference attacks against generative models", 2020, the full
black-box attack (equation 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.errors import InputError


@dataclass(frozen=True)
class Asked:
    """Real images the attacker asks about: distance to the nearest synthetic image float64 [n], class, patient [n]."""

    distances: NDArray[np.float64]
    classes: NDArray[np.object_]
    patients: NDArray[np.int64]


@dataclass(frozen=True)
class Auc:
    """Area under the curve with the 2.5 and 97.5 percentiles over draws of patients."""

    value: float
    low: float
    high: float


def membership_auc(members: Asked, strangers: Asked, rng: np.random.Generator, *, resamples: int) -> Auc:
    """Return the chance that a training image lies nearer to the synthetic set than a held-out one of its class.

    0.5 when the attacker learns nothing. Only pairs of one class count: else a set that holds more of one class would
    look like a leak. Patients, not images, are drawn for the interval.

    Parameters
    ----------
    members, strangers
        Training images and held-out ones.
    rng
        Draws patients.
    resamples
        How often.

    Raises
    ------
    InputError
        A side has fewer than two patients, or no class is on both sides.
    """
    wins, pairs = _by_patient(members, strangers)
    if min(wins.shape) < 2 or pairs.sum() == 0:
        # Not named `msg`: a table shows it, so its words belong to the bytes.
        reason = f"{wins.shape[0]} training and {wins.shape[1]} held-out patients are too few for an interval"
        raise InputError(reason)
    draws = []
    for _ in range(resamples):
        mine, theirs = (rng.multinomial(count, np.full(count, 1 / count)) for count in wins.shape)
        there = mine @ pairs @ theirs
        if there > 0:
            draws.append(float(mine @ wins @ theirs / there))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Auc(float(wins.sum() / pairs.sum()), float(low), float(high))


def _by_patient(members: Asked, strangers: Asked) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count pairs of images of one class, and those the training image wins (ties half), by patient: [p, q] each."""
    mine, own = np.unique(members.patients, return_inverse=True)
    theirs = np.unique(strangers.patients)
    wins, pairs = np.zeros((len(mine), len(theirs))), np.zeros((len(mine), len(theirs)))
    for name in sorted(set(members.classes.astype(str)) & set(strangers.classes.astype(str))):
        chosen = members.classes.astype(str) == name
        of_class = strangers.classes.astype(str) == name
        for column, patient in enumerate(theirs):
            others = np.sort(strangers.distances[of_class & (strangers.patients == patient)])
            farther = len(others) - np.searchsorted(others, members.distances[chosen], side="right")
            equal_or_farther = len(others) - np.searchsorted(others, members.distances[chosen], side="left")
            np.add.at(wins[:, column], own[chosen], (farther + equal_or_farther) / 2)
            np.add.at(pairs[:, column], own[chosen], len(others))
    return wins, pairs
