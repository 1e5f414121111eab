"""A frozen feature network that turns images in [-1, 1] into maps at falling scales."""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.features.network import BLOCK, to_network
from radgen.gan.projected.backbones import Backbone, Colours

LEAST_MAP_PX = 2  # a map of one place has lost where things are
PROBE_IMAGES, PROBE_PX = 16, 4
LEAST_MAGNITUDE = 1e-6


class FeatureMaps(nn.Module):
    """Maps of a frozen network.

    Its weights become buffers outside the state, so that neither an optimiser nor a saved state sees them: a state is
    of use with the same weights file alone, whose digest is kept as a fact. It stays in evaluation whatever the
    discriminator around it is set to.

    Of all levels whose map has at least 2 x 2 places the first is passed over if there are more than asked for, and the
    next ones are taken: large images are seen from a quarter of their side down, small ones from half.

    Parameters
    ----------
    backbone
        The network; its modules are taken over and changed.
    image_channels, resolution
        Of the images.
    scales
        Maps at most.
    input_px
        Side to which images are resized; 0 for their own, or the one the network accepts.

    Attributes
    ----------
    digest
        Of the network's weights.
    shapes
        Channels, height and width of each map, finest first.
    magnitudes
        Root mean square of each map on smooth random pictures: a trained network's maps may differ a hundredfold.

    Raises
    ------
    ConfigError
        The images are too small, or have neither one nor three channels.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, backbone: Backbone, image_channels: int, resolution: int, *, scales: int, input_px: int = 0
    ) -> None:
        super().__init__()
        self.digest = backbone.digest
        self.input_px = _side(backbone, resolution, input_px)
        self.levels = backbone.levels
        scale, shift = torch.ones(1), torch.zeros(1)
        self.marks_inside = False
        if backbone.mean and image_channels == 1:
            self.marks_inside = fold_grey(self.levels, backbone.mean, backbone.std)
        elif backbone.mean and image_channels == len(backbone.mean):
            mean, std = torch.tensor(backbone.mean), torch.tensor(backbone.std)
            scale, shift = 0.5 / std, (0.5 - mean) / std
        elif backbone.mean:
            msg = f"images have {image_channels} channels, but a network of colour images takes 1 or 3; use the encoder"
            raise ConfigError(msg)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", shift[:, None, None])
        freeze(self)
        self.train(mode=False)
        self._choose(image_channels, scales)
        self.magnitudes = self._magnitudes(image_channels, resolution)

    def _choose(self, image_channels: int, scales: int) -> None:
        self._first, self._count = 0, self.levels.count
        shapes = self._shapes(image_channels)
        usable = sum(1 for _, height, width in shapes if min(height, width) >= LEAST_MAP_PX)
        if usable == 0:
            msg = f"images of {self.input_px} pixels leave the feature network no map of 2 x 2 places; set input_px"
            raise ConfigError(msg)
        self._first = min(1, max(0, usable - scales))
        self._count = min(usable, self._first + scales)
        self.shapes = tuple(shapes[self._first : self._count])

    @torch.no_grad()
    def _shapes(self, image_channels: int) -> list[tuple[int, int, int]]:
        maps = self(torch.zeros(1, image_channels, self.input_px, self.input_px))
        return [(x.shape[1], x.shape[2], x.shape[3]) for x in maps]

    @torch.no_grad()
    def _magnitudes(self, image_channels: int, resolution: int) -> tuple[float, ...]:
        random = torch.Generator().manual_seed(0)
        noise = torch.rand(PROBE_IMAGES, image_channels, PROBE_PX, PROBE_PX, generator=random) * 2 - 1
        pictures = F.interpolate(noise, size=(resolution, resolution), mode="bilinear", align_corners=False)
        return tuple(max(LEAST_MAGNITUDE, float(x.square().mean().sqrt())) for x in self(pictures))

    def train(self, mode: bool = True) -> FeatureMaps:
        """Stay in evaluation."""
        super().train(mode=False)
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images [n, C, H, W] in [-1, 1] to maps [n, c, h, w], finest first. Gradients pass through."""
        x = images
        if x.shape[2:] != (self.input_px, self.input_px):
            x = F.interpolate(
                x, size=(self.input_px, self.input_px), mode="bilinear", antialias=x.shape[2] > self.input_px
            )
        if len(self.scale) > 1:
            x = x * self.scale + self.shift
        if self.marks_inside:
            x = torch.cat([x, torch.ones_like(x)], dim=1)
        x = x.contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = self.levels(x, self._count)[self._first :]
        return maps

    @torch.no_grad()
    def pooled(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the coarsest map's mean over places, float32 [n, c], of images uint8 [n, C, H, W], in even blocks."""
        block = np.zeros((BLOCK, *images.shape[1:]), np.uint8)
        out = np.empty((len(images), self.shapes[-1][0]), np.float32)
        for start in range(0, len(images), BLOCK):
            part = images[start : start + BLOCK]
            block[: len(part)] = part
            block[len(part) :] = 0
            means = self(to_network(block, self.scale.device))[-1].float().mean(dim=(2, 3))
            out[start : start + len(part)] = means[: len(part)].cpu().numpy()
        return out


def _side(backbone: Backbone, resolution: int, input_px: int) -> int:
    side = input_px or backbone.fixed_px or resolution
    if backbone.fixed_px and side != backbone.fixed_px:
        msg = f"input_px is {side}, but the feature network accepts {backbone.fixed_px} alone; set input_px: 0"
        raise ConfigError(msg)
    if side < backbone.least_px:
        msg = (
            f"images of {side} pixels, but the feature network needs {backbone.least_px}; "
            f"set input_px to {backbone.least_px} or more"
        )
        raise ConfigError(msg)
    return side


def fold_grey(network: nn.Module, mean: Colours, std: Colours) -> bool:
    """Make a colour network's first convolution take grey images in [-1, 1] as they are.

    A grey level x gives every colour c the number a_c x + b_c, with a = 0.5 / std and b = (0.5 - mean) / std. So the
    kernels, weighted by a, are summed over colours; weighted by b, they act on a plane of ones. That plane, and not a
    bias, is what keeps the border right, where a convolution pads its normalised input with zeros.

    Returns
    -------
    bool
        Whether the plane of ones is needed: not where every mean is 0.5.

    Raises
    ------
    ConfigError
        The network does not begin with a convolution of three channels.
    """
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None or first.in_channels != len(mean) or first.groups != 1:
        msg = (
            f"the feature network does not begin with a convolution of {len(mean)} channels; use another or the encoder"
        )
        raise ConfigError(msg)
    kernels = first.weight.detach().double()
    factors = [[0.5 / deviation for deviation in std]]
    if any(value != 0.5 for value in mean):
        factors.append([(0.5 - value) / deviation for value, deviation in zip(mean, std, strict=True)])
    weights = torch.tensor(factors, dtype=torch.float64)  # [1 or 2, 3]
    folded = torch.einsum("ochw,gc->oghw", kernels, weights)
    first.weight = nn.Parameter(folded.to(first.weight.dtype), requires_grad=False)
    first.in_channels = len(factors)
    return len(factors) > 1


def freeze(network: nn.Module) -> None:
    """Make every parameter and buffer a buffer that is not part of the state: no gradient, no optimiser, no copy."""
    for module in network.modules():
        tensors = list(itertools.chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False)))
        for name, value in tensors:
            module._parameters.pop(name, None)
            module.register_buffer(name, value.detach(), persistent=False)
