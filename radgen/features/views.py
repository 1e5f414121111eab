"""Random views of images: small shifts and changes of size, contrast, brightness and noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.features.settings import ViewSettings


def random_views(images: Tensor, settings: ViewSettings, generator: torch.Generator) -> Tensor:
    """Change each image of a batch in its own way.

    Parameters
    ----------
    images
        Float [n, C, H, W] in [-1, 1].
    settings
        How far the changes go.
    generator
        CPU generator: the draws are the same on every device.

    Returns
    -------
    Tensor
        Float [n, C, H, W] in [-1, 1].
    """
    count = len(images)
    draws = torch.rand(count, 6, generator=generator).to(images.device) * 2 - 1  # each in [-1, 1)
    moved = _move(images, draws[:, 0:2] * settings.shift, 1 + draws[:, 2] * settings.zoom)
    contrast = (1 + draws[:, 3] * settings.contrast).view(count, 1, 1, 1)
    brightness = (2 * draws[:, 4] * settings.brightness).view(count, 1, 1, 1)  # the full range is 2
    grain = (2 * draws[:, 5].abs() * settings.noise).view(count, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    # Black stays black under contrast, as air does under another window.
    return ((moved + 1) * contrast - 1 + brightness + grain * noise).clamp(-1, 1)


def _move(images: Tensor, shift: Tensor, size: Tensor) -> Tensor:
    """Shift by a share of the width [n, 2] and scale by a factor [n]; edges are continued."""
    matrix = torch.zeros(len(images), 2, 3, device=images.device)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / size
    matrix[:, :, 2] = 2 * shift  # grid_sample's axes run from -1 to 1
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
