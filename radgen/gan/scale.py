"""Images at another resolution: what a stage of a growing generator is shown, and how its images are looked at.

Both ways go by whole factors: means of squares of pixels down, bilinear up. Real and generated images that are compared
have come the same way.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import ConfigError


def coarsened(images: Tensor, px: int) -> Tensor:
    """Return images [n, C, H, W] at px x px pixels by means over squares; the same images where they have that size.

    Raises
    ------
    ConfigError
        The size is no whole part of the images'.
    """
    factor, rest = divmod(images.shape[-1], px)
    if rest or factor < 1:
        msg = f"images of {images.shape[-1]} pixels cannot be shown at {px}; choose a size that divides theirs"
        raise ConfigError(msg)
    return images if factor == 1 else F.avg_pool2d(images, factor)


def enlarged(images: Tensor, px: int) -> Tensor:
    """Return images [n, C, H, W] bilinearly enlarged to px x px pixels; the same images where they have that size."""
    if images.shape[-1] == px:
        return images
    return F.interpolate(images, size=(px, px), mode="bilinear", align_corners=False)


def as_seen_at(images: NDArray[np.uint8], px: int) -> NDArray[np.uint8]:
    """Return stored images uint8 [n, C, H, W] coarsened to px and enlarged again to their own size."""
    if images.shape[-1] == px:
        return images
    return enlarged_grey(_grey(coarsened(torch.from_numpy(images).float(), px)), images.shape[-1])


def enlarged_grey(images: NDArray[np.uint8], px: int) -> NDArray[np.uint8]:
    """Return stored images uint8 [n, C, H, W] enlarged to px x px pixels."""
    return images if images.shape[-1] == px else _grey(enlarged(torch.from_numpy(images).float(), px))


def _grey(images: Tensor) -> NDArray[np.uint8]:
    return images.round().clamp(0, 255).to(torch.uint8).numpy()
