"""Masks judged by a segmenter that never saw the generator, and what generated nodules teach one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.imageset.core import ImageSet
from radgen.labels.segmenter import Segmenter, predict
from radgen.labels.settings import AnnotatorSettings
from radgen.labels.teach import teach_segmenter
from radgen.seeds import random_generator

LABELS = ("nodule",)
INSIDE = 128
"""Cover from which a pixel counts as nodule."""


class Outlined:
    """Images and label masks in memory, as teaching a segmenter reads them.

    Parameters
    ----------
    images
        uint8 [n, C, H, W].
    covers
        uint8 [n, H, W]; 255 is whole.
    """

    def __init__(self, images: NDArray[np.uint8], covers: NDArray[np.uint8]) -> None:
        self._images = images
        self._masks = (covers >= INSIDE).astype(np.uint8)

    @classmethod
    def of(cls, images: ImageSet, rows: NDArray[np.int64]) -> Outlined:
        """Read rows of an image set whose masks are covers."""
        return cls(images.images(rows), images.masks(rows))

    def __len__(self) -> int:
        return len(self._images)

    def __add__(self, other: Outlined) -> Outlined:
        images = np.concatenate([self._images, other._images])
        return Outlined(images, np.concatenate([self._masks, other._masks]) * np.uint8(255))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        channels, height, width = self._images.shape[1:]
        return int(channels), int(height), int(width)

    def images(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images uint8 [n, C, H, W]."""
        return self._images[positions]

    def masks(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return label masks uint8 [n, H, W]: 1 is nodule."""
        return self._masks[positions]


@dataclass(frozen=True)
class DiceScore:
    """A mean over patients and its interval."""

    mean: float
    low: float
    high: float
    patients: int


def teach(
    outlined: Outlined, settings: AnnotatorSettings, device: torch.device, say: Callable[[str], None]
) -> Segmenter:
    """Teach a segmenter on outlined nodules."""
    return teach_segmenter(outlined, np.arange(len(outlined)), LABELS, settings, device=device, say=say)


def dice_of(segmenter: Segmenter, outlined: Outlined, device: torch.device) -> NDArray[np.float64]:
    """Return Dice of painted and given masks, float64 [n]; 1 where both are empty."""
    everything = np.arange(len(outlined))
    given = outlined.masks(everything).astype(bool)
    painted = predict(segmenter, outlined.images(everything), device).astype(bool)
    both = (given & painted).sum(axis=(1, 2))
    sizes = given.sum(axis=(1, 2)) + painted.sum(axis=(1, 2))
    found: NDArray[np.float64] = np.divide(2.0 * both, sizes, out=np.ones(len(outlined)), where=sizes > 0)
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
