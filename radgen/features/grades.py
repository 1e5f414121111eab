"""Known amounts of blur and noise, which a self-supervised network learns to read off an image."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.features.settings import ViewSettings

# Half of the images stay as they are in each respect, so that the network knows what untouched looks like.
TOUCHED = 0.5


def degrade(images: Tensor, settings: ViewSettings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blur and roughen images by random amounts.

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
        Float [n, C, H, W] in [-1, 1]; float [n, 2], the amounts of blur and noise as shares of the largest.
    """
    count = len(images)
    draws = torch.rand(count, 4, generator=generator)
    touched = (draws[:, :2] < TOUCHED).float()
    grades = (touched * draws[:, 2:] ** 1.5).to(images.device)  # small amounts more often: they are harder to see
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    blurry = gaussian_blur(images, grades[:, 0] * settings.grade_blur_px, settings.grade_blur_px)
    deviation = 2 * settings.grade_noise * grades[:, 1].view(count, 1, 1, 1)  # the full range is 2
    return (blurry + deviation * noise).clamp(-1, 1), grades


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
