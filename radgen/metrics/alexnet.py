"""Perceptual distance of image pairs in AlexNet's features: LPIPS where its learnt weights are given.

Source: Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", equation 1.
Files are those of torchvision's AlexNet and of LPIPS' linear layers; nothing is ever fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import CheckpointError, InputError
from radgen.gan.projected.backbones import IMAGENET_MEAN, IMAGENET_STD
from radgen.gan.projected.weights import read_weights

# torchvision's number of each convolution, kernel [out, in, height, width], stride, padding; whether it pools before.
LAYERS = (
    (0, (64, 3, 11, 11), 4, 2, False),
    (3, (192, 64, 5, 5), 1, 2, True),
    (6, (384, 192, 3, 3), 1, 1, True),
    (8, (256, 384, 3, 3), 1, 1, False),
    (10, (256, 256, 3, 3), 1, 1, False),
)
LEAST_PX = 31  # smaller sides leave nothing after two poolings
PAIRS = 16  # pairs at once


class AlexNetDistance:
    """Distance of pairs: maps of five layers, scaled to unit length at each place, squared difference.

    Parameters
    ----------
    alexnet
        File of torchvision's AlexNet.
    lpips
        File of LPIPS' learnt weight of each channel of each layer; without it all channels count alike, and the
        distance is called `alexnet_distance` instead of `lpips`.
    device
        Where it works.

    Raises
    ------
    CheckpointError
        A file cannot be read, lacks a tensor, or holds one of another shape.
    """

    def __init__(self, alexnet: Path, lpips: Path | None, device: torch.device) -> None:
        self.name = "alexnet_distance" if lpips is None else "lpips"
        self._device = device
        state = read_weights(alexnet)
        self._kernels = [
            (
                _tensor(state, f"features.{number}.weight", kernel, alexnet).to(device),
                _tensor(state, f"features.{number}.bias", kernel[:1], alexnet).to(device),
            )
            for number, kernel, *_ in LAYERS
        ]
        self._weights = [torch.ones(1, kernel[0], 1, 1, device=device) for _, kernel, *_ in LAYERS]
        if lpips is not None:
            learnt = read_weights(lpips)
            self._weights = [
                _tensor(learnt, f"lin{place}.model.1.weight", tuple(one.shape), lpips).to(device)
                for place, one in enumerate(self._weights)
            ]
        self._mean, self._std = (
            torch.tensor(one, device=device)[:, None, None] for one in (IMAGENET_MEAN, IMAGENET_STD)
        )

    @torch.no_grad()
    def between(self, one: NDArray[np.uint8], two: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the distance of each pair of images uint8 [n, C, H, W]: float32 [n].

        Raises
        ------
        InputError
            Images have neither 1 nor 3 channels, or are too small.
        """
        if one.shape[1] not in {1, 3} or min(one.shape[2:]) < LEAST_PX:
            msg = f"images of {one.shape[1:]}: AlexNet takes 1 or 3 channels and sides of at least {LEAST_PX} pixels"
            raise InputError(msg)
        starts = range(0, len(one), PAIRS)
        found = [self._part(one[start : start + PAIRS], two[start : start + PAIRS]) for start in starts]
        return torch.cat([torch.zeros(0), *found]).numpy()

    def _part(self, one: NDArray[np.uint8], two: NDArray[np.uint8]) -> Tensor:
        total = torch.zeros(len(one), device=self._device)
        x, y = self._shown(one), self._shown(two)
        for (kernel, bias), weight, (_, _, stride, padding, pools) in zip(
            self._kernels, self._weights, LAYERS, strict=True
        ):
            x, y = (
                F.relu(F.conv2d(F.max_pool2d(side, 3, 2) if pools else side, kernel, bias, stride, padding))
                for side in (x, y)
            )
            difference = (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square()
            total += (difference * weight).sum(dim=1).mean(dim=(1, 2))
        return total.cpu()

    def _shown(self, images: NDArray[np.uint8]) -> Tensor:
        """Show grey images as three equal colours."""
        shown = torch.from_numpy(images).to(self._device).float() / 255
        return (shown.expand(-1, 3, -1, -1) - self._mean) / self._std


def _tensor(state: Mapping[str, Tensor], name: str, shape: tuple[int, ...], path: Path) -> Tensor:
    found = state.get(name)
    if found is None or tuple(found.shape) != shape:
        told = "no such tensor" if found is None else f"one of shape {tuple(found.shape)}"
        msg = (
            f"{path}: {name} of shape {shape} is needed, and there is {told}; give torchvision's alexnet, or the "
            "linear layers of LPIPS for it"
        )
        raise CheckpointError(msg)
    return found.float()
