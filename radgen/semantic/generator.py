"""The generator of semantic synthesis: residual blocks whose maps are scaled and shifted pixel by pixel by the labels.

The label map, one-hot, and noise beside it enter at every scale (Park et al. 2019, "SPADE", section 3.1; Sushko et al.
2021, "OASIS", section 3.3: noise of three dimensions). Beside their noise of pixels and of whole images some of it
changes slowly over an image: coils and exposures do, and from white noise a network hardly learns it.

Maps are normalised image by image, in groups of channels, where the papers normalise over the batch: an image is then
a function of its own map, noise and the weights alone, the parts of a batch give what the whole gives, and there are no
running statistics that an averaged network would lack.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.semantic.layers import SpectralConv, double, haar, inverse_haar
from radgen.semantic.settings import SIDE_STEP_PX, SemanticNetworkSettings

LEAK = 0.2
GROUP_CHANNELS = 16
REGIONS = 4  # points of smooth noise along each side
UNLABELLED = -1


@dataclass(frozen=True)
class SemanticShape:
    """What rebuilds a generator: sides in pixels, channels of images, number of labels, sizes of the network.

    Raises
    ------
    ConfigError
        A side is no multiple of 32, or there are no labels.
    """

    height: int
    width: int
    image_channels: int
    labels: int
    networks: SemanticNetworkSettings

    def __post_init__(self) -> None:
        if (
            self.height < SIDE_STEP_PX
            or self.width < SIDE_STEP_PX
            or self.height % SIDE_STEP_PX
            or self.width % SIDE_STEP_PX
        ):
            msg = (
                f"images of {self.height} x {self.width} pixels: both sides must be multiples of {SIDE_STEP_PX}; "
                "crop or pad them, or choose another slices.size_px"
            )
            raise ConfigError(msg)
        if self.labels < 1 or self.image_channels < 1:
            msg = f"labels and image_channels must be above 0, not {self.labels} and {self.image_channels}"
            raise ConfigError(msg)

    @property
    def noise_length(self) -> int:
        """Normal numbers that one image takes."""
        sizes = self.networks
        return sizes.image_noise + sizes.region_noise * REGIONS**2 + sizes.pixel_noise * self.height * self.width


def one_hot(maps: Tensor, labels: int) -> Tensor:
    """Turn ids int64 [n, H, W] into float32 [n, labels, H, W]; an unlabelled pixel is zero in every channel."""
    known = F.one_hot(maps.clamp(min=0), labels).permute(0, 3, 1, 2)
    return known.float() * (maps != UNLABELLED)[:, None]


class Modulation(nn.Module):
    """Normalise maps without weights, then scale and shift them pixel by pixel by what the labels say.

    Source: Park et al. 2019, SPADE, equation 1, with normalisation image by image.
    """

    def __init__(self, channels: int, condition_channels: int, hidden: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(condition_channels, hidden, 3, padding=1)
        self.scale_shift = nn.Conv2d(hidden, 2 * channels, 3, padding=1)
        self._groups = max(1, channels // GROUP_CHANNELS) if channels % GROUP_CHANNELS == 0 else 1

    def read(self, condition: Tensor) -> Tensor:
        """Map a condition [n, c, h, w] to [n, hidden, h, w]: what is modulated has no part in it."""
        return F.relu(self.shared(condition))

    def forward(self, x: Tensor, read: Tensor) -> Tensor:
        """Map [n, channels, h, w] and what was read to [n, channels, h, w]."""
        scale, shift = self.scale_shift(read).chunk(2, dim=1)
        normal = self.normalise(x).to(scale.dtype)
        return torch.addcmul(normal + shift, normal, scale)

    def normalise(self, x: Tensor) -> Tensor:
        """Give each group of channels of each image mean 0 and variance 1."""
        return F.group_norm(x, self._groups)


class ModulatedBlock(nn.Module):
    """Two modulated convolutions beside a shortcut, on pixels or on Haar coefficients.

    Source: Park et al. 2019, SPADE, figure 4; George et al. 2023, USIS-Wavelet, section 2 (modulation of coefficients
    in the image domain).

    Parameters
    ----------
    inputs, outputs
        Channels of images; coefficients have four times as many.
    condition_channels, hidden
        Of the modulation.
    wavelet
        Whether maps are Haar coefficients.
    """

    def __init__(self, inputs: int, outputs: int, condition_channels: int, hidden: int, *, wavelet: bool) -> None:
        super().__init__()
        middle, bands = min(inputs, outputs), 4 if wavelet else 1
        self._wavelet = wavelet
        self.first_modulation = Modulation(inputs, condition_channels, hidden)
        self.first = SpectralConv(bands * inputs, bands * middle)
        self.second_modulation = Modulation(middle, condition_channels, hidden)
        self.second = SpectralConv(bands * middle, bands * outputs)
        self.shortcut_modulation = self.shortcut = None
        if inputs != outputs:
            self.shortcut_modulation = Modulation(inputs, condition_channels, hidden)
            self.shortcut = SpectralConv(bands * inputs, bands * outputs, size=1, bias=False)

    def forward(self, x: Tensor, beside: Tensor, read: Sequence[Tensor]) -> Tensor:
        """Map the main path's and the shortcut's maps, and what each modulation read, to the sum of both."""
        y = self.first(F.leaky_relu(self._modulate(self.first_modulation, x, read[0]), LEAK))
        y = self.second(F.leaky_relu(self._modulate(self.second_modulation, y, read[1]), LEAK))
        if self.shortcut is not None and self.shortcut_modulation is not None:
            beside = self.shortcut(self._modulate(self.shortcut_modulation, beside, read[2]))
        total: Tensor = y + beside
        return total

    def _modulate(self, modulation: Modulation, x: Tensor, read: Tensor) -> Tensor:
        if not self._wavelet:
            modulated: Tensor = modulation(x, read)
            return modulated
        return haar(modulation(inverse_haar(x), read))


class SemanticGenerator(nn.Module):
    """Paint images on label maps.

    Parameters
    ----------
    shape
        Sides, channels, labels and sizes.
    """

    def __init__(self, shape: SemanticShape) -> None:
        super().__init__()
        self.shape = shape
        sizes = shape.networks
        condition = shape.labels + sizes.image_noise + sizes.region_noise + sizes.pixel_noise
        # Coefficients of the full scale lie at half of it: one doubling less.
        channels = sizes.generator_channels[:-1] if sizes.wavelet else sizes.generator_channels
        self._bands = 4 if sizes.wavelet else 1
        self.start = nn.Conv2d(condition, self._bands * channels[0], 3, padding=1)
        pairs = itertools.pairwise((*channels, max(1, channels[-1] // 2)))
        self.blocks = nn.ModuleList(
            ModulatedBlock(a, b, condition, sizes.modulation_channels, wavelet=sizes.wavelet) for a, b in pairs
        )
        last, size = max(1, channels[-1] // 2), 1 if sizes.wavelet else 3
        self.paint = nn.Conv2d(self._bands * last, self._bands * shape.image_channels, size, padding=size // 2)

    def forward(self, maps: Tensor, noise: Tensor) -> Tensor:
        """Map ids int64 [n, H, W] and noise float32 [n, noise_length] to images float32 [n, C, H, W] in [-1, 1]."""
        condition = self._condition(maps, noise)
        first, *others = self.steps
        read = (
            [modulation.read(reduced) for modulation in modulations]
            for modulations, reduced in zip(self.modulations, (every(condition, step) for step in others), strict=True)
        )
        return self.painted(self.start(every(condition, first)), read)

    @property
    def modulations(self) -> list[list[Modulation]]:
        """Those of each block: of its first and second convolution, and of its shortcut where there is one."""
        return [[one for one in block.modules() if isinstance(one, Modulation)] for block in self.blocks]

    @property
    def steps(self) -> list[int]:
        """Of how many pixels one is read, along each side: by the start, and by each block."""
        blocks = [1 << number for number in reversed(range(len(self.blocks)))]
        return [blocks[0] * (2 if self._bands > 1 else 1), *blocks]

    def painted(self, x: Tensor, read: Iterable[Sequence[Tensor]]) -> Tensor:
        """Map what the start gave, and what the modulations of each block read, to images [n, C, H, W]."""
        for number, (block, own) in enumerate(zip(self.blocks, read, strict=True)):
            beside = x
            if number:
                beside = haar(_smooth(inverse_haar(x))) if self._bands > 1 else double(x)
                x = double(x) if self._bands > 1 else beside
            x = block(x, beside, own)
        painted = self.paint(F.leaky_relu(x, LEAK)).float()
        return torch.tanh(inverse_haar(painted) if self._bands > 1 else painted)

    def _condition(self, maps: Tensor, noise: Tensor) -> Tensor:
        height, width = maps.shape[1:]
        whole, regions, pixels = split_noise(self.shape, noise)
        parts = [
            one_hot(maps, self.shape.labels),
            whole[:, :, None, None].expand(-1, -1, height, width),
            spread_out(regions, (height, width)),
            pixels,
        ]
        return torch.cat(parts, dim=1).contiguous(memory_format=torch.channels_last)


def every(condition: Tensor, step: int) -> Tensor:
    """Reduce a map to every `step`-th pixel: labels are never mixed."""
    return condition[..., step // 2 :: step, step // 2 :: step].contiguous(memory_format=torch.channels_last)


def split_noise(shape: SemanticShape, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split noise [n, noise_length] into that of images [n, c], of regions [n, c, 4, 4] and of pixels [n, c, H, W]."""
    sizes, count = shape.networks, len(noise)
    lengths = sizes.image_noise, sizes.region_noise * REGIONS**2, sizes.pixel_noise * shape.height * shape.width
    whole, regions, pixels = noise.split_with_sizes(lengths, dim=1)
    return (
        whole,
        regions.view(count, sizes.region_noise, REGIONS, REGIONS),
        pixels.view(count, sizes.pixel_noise, shape.height, shape.width),
    )


def spread_out(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Lay a smooth field through points [n, c, h, w] that reach from edge to edge."""
    if not points.shape[1]:
        return points.new_zeros(len(points), 0, *size)
    return F.interpolate(points, size, mode="bicubic", align_corners=True)


def _smooth(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def draw_noise(shape: SemanticShape, seeds: list[int]) -> Tensor:
    """Draw the noise of images by their seeds, on the CPU: float32 [n, noise_length]."""
    draws = [torch.randn(shape.noise_length, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(draws)


def spread_regions(shape: SemanticShape, noise: Tensor, factor: float) -> Tensor:
    """Multiply the slowly changing part of noise [n, noise_length]."""
    first = shape.networks.image_noise
    wider = noise.clone()
    wider[:, first : first + shape.networks.region_noise * REGIONS**2] *= factor
    return wider
