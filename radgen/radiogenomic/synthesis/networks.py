"""Encoder, generator and discriminator of "Correlation via synthesis" (Xu et al. 2019, arXiv 1907.03728).

The encoder makes a code of a gene profile. The generator draws a nodule with that code into a healthy background. The
discriminator says whether an image is real, whether image and mask belong together, and whether both belong to a code.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.radiogenomic.synthesis.layers import GatedUpsample, MapNorm, restyle, start_weights
from radgen.radiogenomic.synthesis.settings import SIZES_PX

CODE_LEAK, FOREGROUND_LEAK = 0.2, 0.02
MOST_GENERATOR, MOST_DISCRIMINATOR = 16, 8  # times the channels of the finest maps


@dataclass(frozen=True)
class RadiogenomicShape:
    """What rebuilds the networks: side in pixels, number of genes, sizes. See `RadiogenomicSettings`.

    Raises
    ------
    ConfigError
        No network of this side.
    """

    resolution: int
    genes: int
    hidden: int
    embed_dim: int
    g_ls: int
    g_n_feat: int
    d_n_feat: int
    code_kernel: int

    def __post_init__(self) -> None:
        if self.resolution not in SIZES_PX or self.genes < 1:
            sizes = ", ".join(map(str, SIZES_PX))
            msg = (
                f"patches of {self.resolution} pixels and {self.genes} genes: a radiogenomic generator draws {sizes} "
                "pixels from at least 1 gene; choose another size_px of the patches"
            )
            raise ConfigError(msg)

    @property
    def halvings(self) -> int:
        """How often the side is halved down to the smallest maps."""
        return (self.resolution // self.code_kernel).bit_length() - 1

    @property
    def generator_channels(self) -> tuple[int, ...]:
        """Channels from the smallest scale to the full one."""
        return tuple(self.g_n_feat * min(MOST_GENERATOR, 1 << k) for k in range(self.halvings, -1, -1))

    @property
    def discriminator_channels(self) -> tuple[int, ...]:
        """Channels from half size to the smallest scale."""
        return tuple(self.d_n_feat * min(MOST_DISCRIMINATOR, 1 << k) for k in range(self.halvings))


class Encoder(nn.Module):
    """From a gene profile to a code: two layers, and neither normalisation nor dropout within.

    Codes are brought to -1 to 1, which Xu et al. do not do: codes that grew faster than the discriminator followed
    ended trainings at higher rates in numbers without bound.
    """

    def __init__(self, genes: int, hidden: int, embed_dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(genes, hidden, bias=False)
        self.second = nn.Linear(hidden, embed_dim)

    def forward(self, profiles: Tensor) -> Tensor:
        """Map standardised expression [n, genes] to codes float32 [n, embed_dim]."""
        code = self.second(F.leaky_relu(self.first(profiles), CODE_LEAK))
        return torch.tanh(code.float())


class Synthesis(nn.Module):
    """One scale: what is drawn, and a switch that says where and in which channels the background shows.

    Xu et al. take mean and deviation of a style from a map of c channels and 8 x 8 pixels that a layer makes of the
    code. What reaches the image are 2 c numbers, which a layer makes here at once, with 1/64 of the weights.

    Parameters
    ----------
    channels
        Of the maps.
    style
        Length of code and noise together.
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = MapNorm(channels)
        self.second = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.style = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, background: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Map maps [n, c, h, w] and style [n, s] to maps and switch [n, c, h, w]; 1 is the background alone."""
        drawn, switch = self.second(F.leaky_relu(self.norm(self.first(x)), FOREGROUND_LEAK)).chunk(2, dim=1)
        switch = (torch.tanh(switch) + 1) / 2
        mean, deviation = self.style(style).float().chunk(2, dim=1)
        return background * switch + restyle(drawn * (1 - switch), mean, 1 + deviation), switch


class Drawn(NamedTuple):
    """What the generator draws.

    Parameters
    ----------
    image, mask
        [n, 1, H, W] in [-1, 1]; where the mask is -1 the image is the background.
    switch
        [n, 1, H / 2, W / 2] from 0 (the genes' work) to 1 (the background's), mean over the channels of the last scale.
    """

    image: Tensor
    mask: Tensor
    switch: Tensor


class Generator(nn.Module):
    """Draw a nodule into a background.

    Parameters
    ----------
    shape
        Sizes.
    """

    def __init__(self, shape: RadiogenomicShape) -> None:
        super().__init__()
        self.shape = shape
        channels, style = shape.generator_channels, shape.embed_dim + shape.g_ls
        self.start = nn.Linear(style, 2 * channels[0] * shape.code_kernel**2)
        self.views = nn.ModuleList([nn.Conv2d(1, channels[-1], 3, padding=1), *_row(channels[-1], channels[-2::-1])])
        self.scales = nn.ModuleList(Synthesis(c, style) for c in channels[:-1])
        self.larger = nn.ModuleList(GatedUpsample(a, b) for a, b in itertools.pairwise(channels))
        self.paint = nn.Conv2d(channels[-1], 2, 3, padding=1)

    def forward(self, codes: Tensor, noise: Tensor, background: Tensor) -> Drawn:
        """Draw from codes [n, embed_dim], noise [n, g_ls] and backgrounds [n, 1, H, W] in [-1, 1]."""
        style = torch.cat([codes, noise], dim=1)
        side = self.shape.code_kernel
        x = F.glu(self.start(style), dim=1).view(len(style), -1, side, side)
        x = x.contiguous(memory_format=torch.channels_last)
        for scale, larger, view in zip(self.scales, self.larger, self._views(background), strict=True):
            x, switch = scale(x, view, style)
            x = larger(x)
        foreground, mask = torch.tanh(self.paint(x).float()).chunk(2, dim=1)
        cover = (mask + 1) / 2
        image = background * (1 - cover) + foreground * cover
        return Drawn(image, mask, switch.float().mean(dim=1, keepdim=True))

    def _views(self, background: Tensor) -> list[Tensor]:
        """Return maps of the background, smallest scale first, without those of the full one."""
        views, x = [], background
        for conv in self.views:
            x = F.leaky_relu(conv(x), CODE_LEAK)
            views.append(x)
        return views[:0:-1]


class RadiogenomicGenerator(nn.Module):
    """Encoder and generator, which learn together."""

    def __init__(self, shape: RadiogenomicShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape.genes, shape.hidden, shape.embed_dim)
        self.generator = Generator(shape)
        start_weights(self)

    def forward(self, profiles: Tensor, noise: Tensor, background: Tensor) -> Drawn:
        """Draw from profiles [n, genes], noise [n, g_ls] and backgrounds [n, 1, H, W] in [-1, 1]."""
        drawn: Drawn = self.generator(self.encoder(profiles), noise, background)
        return drawn


class Verdicts(NamedTuple):
    """What the discriminator says, each [n]; 1 is real: the image, image and mask, and both with their code."""

    image: Tensor
    pair: Tensor
    match: Tensor


class Discriminator(nn.Module):
    """Three verdicts by two rows of convolutions, one of which sees the mask beside the image.

    Parameters
    ----------
    shape
        Sizes.
    """

    def __init__(self, shape: RadiogenomicShape) -> None:
        super().__init__()
        channels, side = shape.discriminator_channels, shape.code_kernel
        self.image_rows = _row(1, channels)
        self.pair_rows = _row(2, channels)
        self.join = nn.Conv2d(channels[-1] + shape.embed_dim, channels[-1], 3, padding=1)
        self.image_head, self.pair_head, self.match_head = (nn.Conv2d(channels[-1], 1, side) for _ in range(3))
        start_weights(self)

    def judge_images(self, images: Tensor) -> Tensor:
        """Judge images [n, 1, H, W] alone: [n]."""
        verdict: Tensor = self.image_head(_through(self.image_rows, images))
        return verdict.flatten().float()

    def judge_pairs(self, images: Tensor, masks: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Judge images and masks [n, 1, H, W] without and with codes [n, embed_dim]: [n] each."""
        maps = _through(self.pair_rows, torch.cat([images, masks], dim=1))
        tiled = codes[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        joined = F.leaky_relu(self.join(torch.cat([tiled.to(maps.dtype), maps], dim=1)), CODE_LEAK)
        return self.pair_head(maps).flatten().float(), self.match_head(joined).flatten().float()

    def forward(self, images: Tensor, masks: Tensor, codes: Tensor) -> Verdicts:
        """Judge images and masks [n, 1, H, W] in [-1, 1] and codes [n, embed_dim]."""
        return Verdicts(self.judge_images(images), *self.judge_pairs(images, masks, codes))


def _row(inputs: int, channels: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise((inputs, *channels)))


def _through(row: nn.ModuleList, x: Tensor) -> Tensor:
    for conv in row:
        x = F.leaky_relu(conv(x), CODE_LEAK)
    return x


def draw_noise(shape: RadiogenomicShape, seeds: list[int]) -> Tensor:
    """Draw noise by seeds, on the CPU: float32 [n, g_ls]."""
    return torch.stack([torch.randn(shape.g_ls, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
