"""Masks judged by a segmenter that never saw the generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.labels.segmenter import Segmenter, predict
from radgen.labels.settings import AnnotatorSettings
from radgen.labels.teach import Labelled, teach_segmenter
from radgen.seeds import random_generator

LABELS = ("nodule",)


@dataclass(frozen=True)
class DiceScore:
    """A mean over patients and its interval."""

    mean: float
    low: float
    high: float
    patients: int


def teach(
    images: Labelled,
    rows: NDArray[np.int64],
    settings: AnnotatorSettings,
    device: torch.device,
    say: Callable[[str], None],
) -> Segmenter:
    """Teach a segmenter on outlined nodules."""
    return teach_segmenter(images, rows, LABELS, settings, device=device, say=say)


def dice_of(
    segmenter: Segmenter, images: Labelled, rows: NDArray[np.int64], device: torch.device
) -> NDArray[np.float64]:
    """Return Dice of painted and given masks, float64 [n]; 1 where both are empty."""
    given = images.masks(rows).astype(bool)
    painted = predict(segmenter, images.images(rows), device).astype(bool)
    both = (given & painted).sum(axis=(1, 2))
    sizes = given.sum(axis=(1, 2)) + painted.sum(axis=(1, 2))
    found: NDArray[np.float64] = np.divide(2.0 * both, sizes, out=np.ones(len(rows)), where=sizes > 0)
    return found


def by_patient(
    values: NDArray[np.float64], patients: NDArray[np.object_], samples: int, seed: int, *, confidence: float = 0.95
) -> DiceScore:
    """Average a score over each patient's images, then over patients; the interval draws patients again."""
    names = sorted(set(patients.tolist()))
    means = np.array([values[patients == name].mean() for name in names])
    drawn = random_generator("dice interval", seed).integers(len(means), size=(samples, len(means)))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means[drawn].mean(axis=1), [tail, 100 - tail])
    return DiceScore(float(means.mean()), float(low), float(high), len(names))
