"""Known amounts of blur, noise and local contrast, which a self-supervised network learns to read off an image."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.features.settings import ViewSettings

# Half of the images stay as they are in each respect, so that the network knows what untouched looks like.
TOUCHED = 0.5
SPOT_RADII = (0.03, 0.1)  # as shares of the width


def degrade(images: Tensor, settings: ViewSettings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blur images, roughen them and put a round spot of another contrast into them, by random amounts.

    Parameters
    ----------
    images
        Float [n, C, H, W] in [-1, 1].
    settings
        The largest amounts.
    generator
        CPU generator: the draws are the same on every device.

    Returns
    -------
    images, grades
        Float [n, C, H, W] in [-1, 1]; float [n, 3], the amounts of blur, noise and spot as shares of the largest, the
        last one from -1 (darker) to 1 (brighter).
    """
    count = len(images)
    draws = torch.rand(count, 7, generator=generator)
    touched = (draws[:, :3] < TOUCHED).float()
    amounts = draws[:, 3:6] ** 1.5  # small amounts more often: they are harder to see
    amounts[:, 2] *= torch.where(draws[:, 6] < 0.5, -1.0, 1.0)
    grades = (touched * amounts).to(images.device)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    places = torch.rand(count, 3, generator=generator).to(images.device)
    spotted = _spot(images, settings.grade_spot * grades[:, 2], places)
    blurry = gaussian_blur(spotted, grades[:, 0] * settings.grade_blur_px, settings.grade_blur_px)
    deviation = 2 * settings.grade_noise * grades[:, 1].view(count, 1, 1, 1)  # the full range is 2
    return (blurry + deviation * noise).clamp(-1, 1), grades


def _spot(images: Tensor, contrast: Tensor, places: Tensor) -> Tensor:
    """Scale the grey above black inside one soft disc per image, so that air stays black.

    `contrast` is [n]; `places` [n, 3] in [0, 1) are radius, row and column.
    """
    _, _, height, width = images.shape
    radius = SPOT_RADII[0] + (SPOT_RADII[1] - SPOT_RADII[0]) * places[:, 0]
    rows = torch.linspace(0, 1, height, device=images.device).view(1, height, 1)
    columns = torch.linspace(0, 1, width, device=images.device).view(1, 1, width)
    centre = 0.15 + 0.7 * places  # within the picture's middle
    away = ((rows - centre[:, 1, None, None]) ** 2 + (columns - centre[:, 2, None, None]) ** 2).sqrt()
    disc = torch.sigmoid((radius[:, None, None] - away) * width)  # an edge about two pixels wide
    return (images + 1) * (1 + (contrast[:, None, None] * disc)[:, None]) - 1


def gaussian_blur(images: Tensor, sigmas_px: Tensor, largest_px: float) -> Tensor:
    """Blur each image with its own Gaussian; edges are continued.

    Parameters
    ----------
    images
        Float [n, C, H, W].
    sigmas_px
        Standard deviations [n]; 0 leaves an image as it is.
    largest_px
        Upper bound of them: the kernel reaches three times as far.
    """
    count, channels, height, width = images.shape
    reach = max(1, math.ceil(3 * largest_px))
    places = torch.arange(-reach, reach + 1, device=images.device).float()
    kernels = torch.exp(-0.5 * (places / sigmas_px.clamp(min=0.05).view(count, 1)) ** 2)
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    rows = images.reshape(1, count * channels, height, width)
    pad = (reach, reach)
    rows = F.conv2d(F.pad(rows, (*pad, 0, 0), mode="replicate"), kernels[:, None, None, :], groups=count * channels)
    rows = F.conv2d(F.pad(rows, (0, 0, *pad), mode="replicate"), kernels[:, None, :, None], groups=count * channels)
    return rows.view(count, channels, height, width)
