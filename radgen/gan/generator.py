"""The residual generator: style-modulated residual blocks from 4 pixels up, one aligned feature map per scale."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.gan.layers import EqualConv, ModulatedConv, activate, clip_grey, upsample
from radgen.gan.mapping import Mapping

FIRST_SCALE = 4
IMAGE_START = 0.1  # the first images are an even grey, from which any picture is equally far
RESIDUAL_GAIN = 2**-0.5  # the sum of two maps of equal variance keeps that variance


@dataclass(frozen=True)
class GeneratorShape:
    """Everything that decides which tensors a generator holds; stored beside its weights.

    Attributes
    ----------
    resolution
        Height and width of the image in pixels, a power of two of at least 8.
    image_channels
        Channels of the image.
    classes
        Number of classes.
    z_dim, w_dim, mapping_layers
        See `GanSettings`.
    channels
        Channels at 4, 8, 16, ... pixels; the last number serves all larger scales.
    noise
        Whether noise per pixel is added.
    """

    resolution: int
    image_channels: int
    classes: int
    z_dim: int
    w_dim: int
    mapping_layers: int
    channels: tuple[int, ...]
    noise: bool

    def __post_init__(self) -> None:
        """Refuse a resolution that is not a power of two.

        Raises
        ------
        ConfigError
            With the nearest resolutions that are possible.
        """
        scales_of(self.resolution)


def scales_of(resolution: int) -> tuple[int, ...]:
    """Return 4, 8, ... up to the resolution.

    >>> scales_of(32)
    (4, 8, 16, 32)

    Raises
    ------
    ConfigError
        The resolution is not a power of two of at least 8.
    """
    if resolution < 2 * FIRST_SCALE or resolution & (resolution - 1):
        above = max(2 * FIRST_SCALE, 1 << resolution.bit_length())
        msg = (
            f"images of {resolution} pixels: the generator needs a power of two of at least 8; "
            f"set the slices' size to {above}"
        )
        raise ConfigError(msg)
    return tuple(FIRST_SCALE << step for step in range((resolution // FIRST_SCALE).bit_length()))


def channels_at(channels: tuple[int, ...], scales: tuple[int, ...]) -> tuple[int, ...]:
    """Return the channels of each scale, the last number repeated.

    >>> channels_at((96, 64), (4, 8, 16))
    (96, 64, 64)
    """
    return tuple(channels[min(place, len(channels) - 1)] for place in range(len(scales)))


def scale_name(scale: int) -> str:
    """Return the name of a scale's feature map.

    >>> scale_name(8)
    'scale_008'
    """
    return f"scale_{scale:03d}"


class StyleBlock(nn.Module):
    """Two style-modulated convolutions beside a 1 x 1 shortcut, from one scale to the next.

    Maps are scaled and projected at the small scale and upsampled then: the same sums for fewer passes over memory.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, size: int) -> None:
        super().__init__()
        self.first = ModulatedConv(inputs, outputs, w_dim)
        # Activation gain times residual gain is one.
        self.second = ModulatedConv(outputs, outputs, w_dim, size=size, gain=1.0)
        self.shortcut = EqualConv(inputs, outputs, size=1, gain=RESIDUAL_GAIN)
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, styles: tuple[Tensor, Tensor], noise: Tensor | None) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, 2h, 2w] with a style [n, w_dim] for each of the two convolutions.

        Noise [n, 1, 2h, 2w] enters the second one.
        """
        shortcut = upsample(self.shortcut(x))
        x = activate(self.first(x, styles[0]))
        noise = None if noise is None else noise * self.noise_strength
        return activate(self.second(x, styles[1], double=True, noise=noise)) + shortcut


class Generator(nn.Module):
    """Style-modulated residual generator.

    The image is the sum of one 1 x 1 projection per scale, upsampled. Features are the trunk's maps before projection.

    Source: Karras et al. 2020 (modulation, summed outputs); residual trunk as in Huang et al. 2024, "The GAN is dead".

    Parameters
    ----------
    shape
        Which tensors it holds.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.shape = shape
        self.scales = scales_of(shape.resolution)
        channels = channels_at(shape.channels, self.scales)
        self.mapping = Mapping(shape.z_dim, shape.w_dim, shape.classes, shape.mapping_layers)
        self.start = nn.Parameter(torch.randn(1, channels[0], FIRST_SCALE, FIRST_SCALE))
        self.first = ModulatedConv(channels[0], channels[0], shape.w_dim)
        self.blocks = nn.ModuleList(
            StyleBlock(inputs, outputs, shape.w_dim, size)
            for (inputs, outputs), size in zip(itertools.pairwise(channels), self.scales[1:], strict=True)
        )
        self.to_image = nn.ModuleList(
            EqualConv(count, shape.image_channels, size=1, start=IMAGE_START) for count in channels
        )

    @property
    def layers(self) -> int:
        """How many layers take a style: the first convolution, then two per block."""
        return 1 + 2 * len(self.blocks)

    @property
    def feature_channels(self) -> dict[str, int]:
        """Channels of each scale's feature map, by name, at increasing scales."""
        counts = channels_at(self.shape.channels, self.scales)
        return {scale_name(scale): count for scale, count in zip(self.scales, counts, strict=True)}

    @property
    def noise_length(self) -> int:
        """Numbers of noise that one image needs, all scales together; 0 without noise."""
        return sum(scale * scale for scale in self.scales[1:]) if self.shape.noise else 0

    def synthesise(self, w: Tensor, noise: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Make images from styles.

        Parameters
        ----------
        w
            Styles [n, w_dim] for all layers, or [n, layers, w_dim], one for each layer from the smallest scale on.
        noise
            Standard normal numbers [n, noise_length]: those of the smallest scale first.

        Returns
        -------
        images, features
            Float32 images [n, C, H, W], grey levels in [-1, 1], and each scale's map [n, c, h, w] by name.
        """
        maps = self._noise_maps(noise)
        styles = w.unbind(1) if w.ndim == 3 else (w,) * self.layers
        start = self.start.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = activate(self.first(start, styles[0]))
        image = self.to_image[0](x)
        features = {scale_name(self.scales[0]): x}
        for place, block in enumerate(self.blocks):
            x = block(x, (styles[2 * place + 1], styles[2 * place + 2]), maps[place])
            image = upsample(image) + self.to_image[place + 1](x)
            features[scale_name(self.scales[place + 1])] = x
        return clip_grey(image.float()), features

    def forward(self, z: Tensor, class_ids: Tensor, noise: Tensor) -> Tensor:
        """Make images [n, C, H, W] from latents [n, z_dim], class ids [n] and noise [n, noise_length]."""
        return self.synthesise(self.mapping(z, class_ids), noise)[0]

    def _noise_maps(self, noise: Tensor) -> list[Tensor | None]:
        if not self.shape.noise:
            return [None] * len(self.blocks)
        parts = torch.split(noise, [scale * scale for scale in self.scales[1:]], dim=1)
        return [part.reshape(-1, 1, scale, scale) for part, scale in zip(parts, self.scales[1:], strict=True)]
