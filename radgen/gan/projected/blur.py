"""Gaussian blur of what the discriminator is shown, strong at first, so that early training is about coarse shape.

Source: Sauer et al. 2022, "StyleGAN-XL", section 3.1 (blur of the discriminator's inputs).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

REACH_SIGMAS = 3.0  # the kernel ends here; what is cut off is 0.3 % of its weight
LEAST_SIGMA_PX = 0.2  # below, the neighbours' weight is under 1e-5


def blur_sigma_px(seen_images: int, *, start_px: float, images: int) -> float:
    """Return the blur's standard deviation: `start_px` at the first image, falling on a line to 0 after `images`.

    >>> blur_sigma_px(50, start_px=2.0, images=200)
    1.5
    >>> blur_sigma_px(300, start_px=2.0, images=200)
    0.0
    """
    return start_px * max(0.0, 1 - seen_images / images) if images > 0 else 0.0


def gaussian_kernel(sigma_px: float) -> Tensor:
    """Return a sampled Gaussian float32 [2 r + 1] of sum one, r = 3 sigma rounded up."""
    reach = math.ceil(REACH_SIGMAS * sigma_px)
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = (-0.5 * (places / sigma_px).square()).exp()
    return (weights / weights.sum()).float()


def blur(images: Tensor, sigma_px: float) -> Tensor:
    """Blur images [n, C, H, W] in float32; beyond the border its grey level goes on. Gradients pass through."""
    if sigma_px < LEAST_SIGMA_PX:
        return images
    count, channels, height, width = images.shape
    kernel = gaussian_kernel(sigma_px).to(images.device)
    reach = len(kernel) // 2
    with torch.autocast(images.device.type, enabled=False):
        x = images.float().reshape(count * channels, 1, height, width)
        x = F.pad(x, [reach] * 4, mode="replicate")
        x = F.conv2d(x, kernel[None, None, :, None])
        x = F.conv2d(x, kernel[None, None, None, :])
    return x.reshape(count, channels, height, width)
