"""How far apart images of one class lie: real ones say it, and generated ones are asked for no less.

A discriminator judges images one by one and forgives a generator that makes good pictures of few kinds. Here the
generator's loss holds what it lacks: at several scales, the mean logarithm of the distance between generated images of
a class, below that between real ones. Images that lie far enough apart pay nothing, so nothing is driven beyond the
data. Logarithms, because two pictures that are nearly the same lower the mean and an outlier hardly raises it: a mean
of distances was met by making outliers.

Source: Mao et al. 2019, "Mode seeking generative adversarial networks", section 3.2, for asking distances of a
generator; logarithms and the bound by real images are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FINEST_PX = 4  # squares of so many pixels a side are compared: what is finer is the discriminator's to judge
SMALLEST_MAP = 4
MEMORY_IMAGES = 800  # images in which the mean of real distances forgets all but a third
PAIRS = "log_apart_pairs"  # share of a step's parts with two images of a class
TINY = 1e-6  # of a squared distance: keeps the slope of equal images finite


class Variety(nn.Module):
    """Running mean log distances between real images of one class, and what generated images lack of them.

    Parameters
    ----------
    resolution
        Height and width of the images in pixels.

    Attributes
    ----------
    real
        Buffer, float32 [scales]: mean log distance of real images, finest scale first.
    known
        Buffer: 0 before the first step, then 1.
    """

    real: Tensor
    known: Tensor

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self._sizes_px = sizes_px(resolution)
        self.register_buffer("real", torch.zeros(len(self._sizes_px)))
        self.register_buffer("known", torch.tensor(0.0))

    def distances(self, images: Tensor, class_ids: Tensor) -> Tensor | None:
        """Return the mean log distance of images [n, C, H, W] to others of their class, [scales]; None without any."""
        same = class_ids[:, None] == class_ids[None]
        same = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
        if not same.any():
            return None
        found = []
        for size in self._sizes_px:
            coarse = F.avg_pool2d(images.float(), size).flatten(1)
            squares = (coarse[:, None] - coarse[None]).square().sum(dim=2)
            found.append(0.5 * (squares[same] + TINY).log().mean())
        return torch.stack(found)

    def lacking(self, images: Tensor, class_ids: Tensor) -> Tensor:
        """Return the mean over scales of what log distances lack; 0 before real ones are known, or without any."""
        distances = self.distances(images, class_ids)
        if distances is None:
            return images.sum() * 0
        return F.relu(self.real - distances).mean() * self.known

    def noted(self, images: Tensor, class_ids: Tensor) -> dict[str, Tensor]:
        """Return log distances of real images, and whether there were any, as `remember` reads them off losses.

        Every part of a batch gives the same names: without two images of a class, what is remembered.
        """
        distances = self.distances(images, class_ids)
        found = self.real if distances is None else distances.detach()
        pairs = found.new_tensor(0.0 if distances is None else 1.0)
        return dict(zip(self._names, found, strict=True)) | {PAIRS: pairs}

    def remember(self, losses: Mapping[str, float], batch_size: int) -> None:
        """Move the running means towards the distances noted among a step's losses, means over its parts."""
        pairs = losses.get(PAIRS, 0.0)
        if pairs == 0:
            return
        noted = torch.tensor([losses[name] for name in self._names], device=self.real.device)
        found = (noted - (1 - pairs) * self.real) / pairs  # the mean over the parts that had pairs
        self.real.lerp_(found, min(1.0, batch_size / MEMORY_IMAGES) if self.known else 1.0)
        self.known.fill_(1)

    @property
    def _names(self) -> list[str]:
        return [f"log_apart_{size:03d}px" for size in self._sizes_px]


def sizes_px(resolution: int) -> tuple[int, ...]:
    """Return the sides of the squares that are compared: 4, 8, ... pixels, as long as 4 x 4 of them fill an image.

    >>> sizes_px(64)
    (4, 8, 16)
    """
    finest = min(FINEST_PX, max(1, resolution // SMALLEST_MAP))
    steps = (resolution // SMALLEST_MAP // finest).bit_length()
    return tuple(finest << step for step in range(steps))
