"""How far apart images of one class lie: real ones say it, and generated ones are asked for no less.

A discriminator judges images one by one and forgives a generator that makes good pictures of few kinds. Here the
generator's loss holds what it lacks: at several scales, the mean distance between generated images of a class, as a
share of that between real ones. Images that lie far enough apart pay nothing, so nothing is driven beyond the data.

Source: Mao et al. 2019, "Mode seeking generative adversarial networks", section 3.2, for asking distances of a
generator; the bound by the distances of real images is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FINEST_PX = 4  # squares of so many pixels a side are compared: what is finer is the discriminator's to judge
SMALLEST_MAP = 4
MEMORY_IMAGES = 800  # images in which the mean of real distances forgets all but a third
NEVER = 0.0
TINY = 1e-6


class Variety(nn.Module):
    """Running mean distances between real images of one class, and what generated images lack of them.

    Parameters
    ----------
    resolution
        Height and width of the images in pixels.

    Attributes
    ----------
    real
        Buffer, float32 [scales]: mean distance of real images, finest scale first; 0 before the first step.
    """

    real: Tensor

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self._sizes_px = sizes_px(resolution)
        self.register_buffer("real", torch.full((len(self._sizes_px),), NEVER))

    def distances(self, images: Tensor, class_ids: Tensor) -> Tensor:
        """Return the mean distance of images [n, C, H, W] to others of their class, [scales]; 0 without any."""
        same = class_ids[:, None] == class_ids[None]
        same = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
        if not same.any():
            return images.new_zeros(len(self._sizes_px))
        found = []
        for size in self._sizes_px:
            coarse = F.avg_pool2d(images.float(), size).flatten(1)
            apart = ((coarse[:, None] - coarse[None]).square().sum(dim=2) + TINY).sqrt()
            found.append(apart[same].mean())
        return torch.stack(found)

    def lacking(self, distances: Tensor) -> Tensor:
        """Return the mean over scales of the share of real distances that is lacking; 0 before real ones are known."""
        known = self.real > NEVER
        return (F.relu(1 - distances / self.real.clamp_min(TINY)) * known).mean()

    def noted(self, distances: Tensor) -> dict[str, Tensor]:
        """Return distances of real images under the names by which `remember` finds them."""
        return {f"apart_{size:03d}px": value.detach() for size, value in zip(self._sizes_px, distances, strict=True)}

    def remember(self, losses: Mapping[str, float], batch_size: int) -> None:
        """Move the running means towards the distances noted among a step's losses."""
        names = [f"apart_{size:03d}px" for size in self._sizes_px]
        if names[0] not in losses or losses[names[0]] == 0:
            return
        found = torch.tensor([losses[name] for name in names], device=self.real.device)
        share = min(1.0, batch_size / MEMORY_IMAGES)
        self.real.copy_(torch.where(self.real > NEVER, self.real.lerp(found, share), found))


def sizes_px(resolution: int) -> tuple[int, ...]:
    """Return the sides of the squares that are compared: 4, 8, ... pixels, as long as 4 x 4 of them fill an image.

    >>> sizes_px(64)
    (4, 8, 16)
    """
    finest = min(FINEST_PX, max(1, resolution // SMALLEST_MAP))
    steps = (resolution // SMALLEST_MAP // finest).bit_length()
    return tuple(finest << step for step in range(steps))
