"""Random changes of grey images and their masks, drawn anew for every image from one generator of random numbers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.labels.settings import AnnotatorSettings

BLUR_CHANCE = 0.3  # generated images are often a little softer than real ones


def augment(
    images: Tensor, masks: Tensor, settings: AnnotatorSettings, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Shift, scale, turn, shade, blur and roughen images; masks follow the geometry. Sides are never swapped.

    Parameters
    ----------
    images
        Float32 [n, C, H, W] in [-1, 1].
    masks
        int64 [n, H, W] of label ids.
    settings
        How far each change may go.
    random
        Source of all random numbers, on the CPU.

    Returns
    -------
    images, masks
        Same shapes and types.
    """
    grid = _grid(images, settings, random)
    # Black lies at 0 here, so that what comes in from outside is black.
    moved = F.grid_sample((images + 1) / 2, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    painted = F.grid_sample(masks[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return _shade(moved, settings, random) * 2 - 1, painted[:, 0].round().long()


def _uniform(count: int, reach: float, random: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=random) * 2 - 1) * reach


def _grid(images: Tensor, settings: AnnotatorSettings, random: torch.Generator) -> Tensor:
    count = len(images)
    angle = _uniform(count, math.radians(settings.rotation_degrees), random)
    height = torch.exp(_uniform(count, settings.scale, random))
    width = torch.exp(_uniform(count, settings.scale, random))
    shift = torch.stack([_uniform(count, 2 * settings.shift, random) for _ in range(2)], dim=1)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([cosine * width, -sine * height, sine * width, cosine * height], dim=1).view(count, 2, 2)
    theta = torch.cat([turn, shift[:, :, None]], dim=2).to(images.device)
    return F.affine_grid(theta, [count, 1, *images.shape[-2:]], align_corners=False)


def _shade(images: Tensor, settings: AnnotatorSettings, random: torch.Generator) -> Tensor:
    """Change gamma, contrast, brightness, sharpness and noise of images in [0, 1]."""
    count, device = len(images), images.device

    def per_image(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1).to(device)

    gamma = per_image(torch.exp(_uniform(count, settings.contrast, random)))
    gain = per_image(1 + _uniform(count, settings.contrast, random))
    offset = per_image(_uniform(count, settings.contrast / 4, random))
    soften = per_image(
        (torch.rand(count, generator=random) < BLUR_CHANCE).float() * torch.rand(count, generator=random)
    )
    level = per_image(torch.rand(count, generator=random) * settings.noise)
    noise = torch.randn(images.shape, generator=random).to(device)
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    changed = (images + soften * (soft - images)).clamp_min(0) ** gamma * gain + offset * (images > 0)
    return (changed + level * noise).clamp(0, 1)
