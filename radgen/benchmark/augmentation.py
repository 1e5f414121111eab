"""Classical augmentation: always on, the same kinds in every arm; each image by its own draw."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from radgen.benchmark.training_settings import ArmTrainingSettings

# What the strong augmentation adds and widens: kinds in common use, at sizes that leave an image readable. A cut-out
# hides a square of the image.
STRONGER = 2.0
ROTATION_DEGREES = 20.0
GAMMA = 0.4
NOISE = 0.1
CUTOUT = 0.25


@dataclass(frozen=True)
class Augmentation:
    """Largest change of each kind.

    Attributes
    ----------
    shift, scale
        As shares of the image's width.
    intensity
        Of brightness and contrast, as a share of the range.
    mirror
        Whether left and right may change places.
    rotation_degrees, gamma, noise, cutout
        Of the strong augmentation; 0 leaves a kind out. Noise is a standard deviation as a share of the range, the side
        of a cut-out a share of the width.
    """

    shift: float
    scale: float
    intensity: float
    mirror: bool
    rotation_degrees: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0

    @classmethod
    def of(cls, settings: ArmTrainingSettings, kind: str = "standard", strength: float = 1.0) -> Self:
        """Return the standard or the strong one of a study, `strength` times as much of all of it."""
        plain = cls(settings.shift, settings.scale, settings.intensity, settings.mirror)
        factor = strength if kind == "standard" else STRONGER * strength
        wide = replace(
            plain, shift=factor * plain.shift, scale=min(factor * plain.scale, 0.9), intensity=factor * plain.intensity
        )
        if kind == "standard":
            return wide
        return replace(
            wide,
            rotation_degrees=ROTATION_DEGREES * strength,
            gamma=min(GAMMA * strength, 0.9),
            noise=NOISE * strength,
            cutout=min(CUTOUT * strength, 0.9),
        )


def move(
    images: Tensor, masks: Tensor | None, how: Augmentation, generator: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """Shift, zoom, mirror and turn; the border is repeated outwards, masks follow with the nearest label.

    Parameters
    ----------
    images
        float32 [n, C, H, W].
    masks
        int64 [n, 1, H, W], or None.
    how, generator
        How much at most, and the draws.
    """
    count = len(images)
    zoom = 1 + generator.uniform(-how.scale, how.scale, count)
    side = np.where(generator.random(count) < 0.5, -1.0, 1.0) if how.mirror else np.ones(count)
    away = 2 * generator.uniform(-how.shift, how.shift, (count, 2))  # the grid spans 2 units
    angle = np.zeros(count)
    if how.rotation_degrees:
        angle = np.radians(generator.uniform(-how.rotation_degrees, how.rotation_degrees, count))
    theta = np.zeros((count, 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = zoom * side * np.cos(angle), -zoom * np.sin(angle)
    theta[:, 1, 0], theta[:, 1, 1] = zoom * side * np.sin(angle), zoom * np.cos(angle)
    theta[:, :, 2] = away
    place = torch.from_numpy(theta).float().to(images.device)
    grid = F.affine_grid(place, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if masks is not None:
        nearest = F.grid_sample(masks.float(), grid, mode="nearest", padding_mode="border", align_corners=False)
        masks = nearest.round().long()
    return moved, masks


def shade(images: Tensor, how: Augmentation, generator: np.random.Generator) -> Tensor:
    """Change contrast, brightness and, where strong, gamma, noise and a hidden square; images float32 [n, C, H, W]."""
    count, size = len(images), images.shape[-1]

    def drawn(limit: float) -> Tensor:
        values = generator.uniform(-limit, limit, (count, 1, 1, 1))
        return torch.from_numpy(values).float().to(images.device)

    if how.gamma:
        grey = ((images + 1) / 2).clamp(0, 1)
        images = 2 * grey ** torch.exp(drawn(math.log1p(how.gamma))) - 1
    images = images * (1 + drawn(how.intensity)) + 2 * drawn(how.intensity)
    if how.noise:
        share = generator.uniform(0, 2 * how.noise, (count, 1, 1, 1))
        noise = share * generator.standard_normal(images.shape)
        images = images + torch.from_numpy(noise).float().to(images.device)
    if how.cutout:
        images = images.clone()
        sides = (generator.uniform(0, how.cutout, count) * size).astype(int)
        for number, side in enumerate(sides):
            row, column = generator.integers(0, size - side + 1, 2)
            images[number, :, row : row + side, column : column + side] = -1.0
    return images
