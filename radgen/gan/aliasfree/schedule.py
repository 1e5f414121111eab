"""Which layers an alias-free generator has: sizes, sampling rates, cutoffs and channels, stem and grown heads.

Frequencies are in cycles per image. A layer's map covers the image and a margin of 10 of its pixels on each side, but
for the last ones.

Source: Karras et al. 2021, section 3.2 and appendix C (flexible layer specifications); Sauer et al. 2022,
"StyleGAN-XL", section 3.2 (progressive growing).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radgen.errors import ConfigError

CRITICAL_LAYERS = 2  # at the end of a network, sampled without a margin of frequencies; dropped when it grows
FIRST_CUTOFF = 2.0
FIRST_STOPBAND = 2**2.1
LAST_STOPBAND_FACTOR = 2**0.3
MARGIN_PX = 10
TAPS_PER_SAMPLE = 6
ACTIVATION_FACTOR = 2  # the leaky rectifier works at this multiple of the sampling rate
FILTERS = ("separable", "radial")


@dataclass(frozen=True)
class Stage:
    """One stage of growth: the stem or a head.

    Attributes
    ----------
    resolution
        Height and width of this stage's image in pixels.
    layers
        Layers that this stage adds, without the Fourier input and the projection to the image.
    channel_base, channel_max
        A layer of cutoff f has channel_base / (2 f) channels, at most channel_max.
    """

    resolution: int
    layers: int
    channel_base: int = 32768
    channel_max: int = 512


@dataclass(frozen=True)
class AliasFreeShape:
    """Everything that decides which tensors an alias-free generator holds; stored beside its weights.

    Attributes
    ----------
    image_channels
        Channels of the image.
    classes
        Number of classes; 1 with `embedding_dim` 0 has no class input.
    z_dim, w_dim, embedding_dim
        Lengths of latent, style and class embedding.
    filters
        "separable" (3 x 3 convolutions) or "radial" (1 x 1 convolutions, rotation is an equivariance too).
    stem
        The first stage.
    heads
        The stages grown on it, in order.
    """

    image_channels: int
    classes: int
    stem: Stage
    heads: tuple[Stage, ...] = ()
    filters: str = "separable"
    z_dim: int = 64
    w_dim: int = 512
    embedding_dim: int = 320

    def __post_init__(self) -> None:
        """Refuse stages that do not grow, and too few layers.

        Raises
        ------
        ConfigError
            With the values and what would do.
        """
        if self.filters not in FILTERS:
            msg = f"filters must be one of {', '.join(FILTERS)}, not {self.filters!r}"
            raise ConfigError(msg)
        if self.classes < 1 or (self.embedding_dim == 0 and self.classes > 1):
            msg = f"{self.classes} classes with embeddings of length {self.embedding_dim}; give a length above 0"
            raise ConfigError(msg)
        stages = (self.stem, *self.heads)
        for stage in stages:
            if stage.layers <= CRITICAL_LAYERS:
                msg = f"a stage of {stage.layers} layers: give at least {CRITICAL_LAYERS + 1}, the last two are special"
                raise ConfigError(msg)
            if stage.resolution < 8 or stage.resolution & (stage.resolution - 1):
                msg = f"a stage of {stage.resolution} pixels; give a power of two of at least 8"
                raise ConfigError(msg)
        for one, two in itertools.pairwise(stages):
            if two.resolution <= one.resolution:
                msg = f"a head of {two.resolution} pixels on a stage of {one.resolution}; each must be larger"
                raise ConfigError(msg)

    @property
    def resolution(self) -> int:
        """Height and width of the image in pixels."""
        return (self.stem, *self.heads)[-1].resolution


@dataclass(frozen=True)
class Layer:
    """One layer's numbers.

    Attributes
    ----------
    inputs, outputs
        Channels.
    in_size, out_size
        Height and width of its maps, margins included.
    in_rate, out_rate
        Sampling rates: pixels across the image.
    in_cutoff, out_cutoff, in_half_width, out_half_width
        Cutoff frequencies and half-widths of the transition bands.
    radial
        Whether its downsampling filter is radial.
    kernel
        Height and width of the convolution kernel.
    to_image
        Whether it is the projection to the image: no filter, no activation.
    stage
        Number of the stage it belongs to, 0 being the stem.
    """

    inputs: int
    outputs: int
    in_size: int
    out_size: int
    in_rate: int
    out_rate: int
    in_cutoff: float
    out_cutoff: float
    in_half_width: float
    out_half_width: float
    radial: bool
    kernel: int
    to_image: bool
    stage: int

    @property
    def inner_rate(self) -> int:
        """Sampling rate at which the activation works."""
        return max(self.in_rate, self.out_rate) * (1 if self.to_image else ACTIVATION_FACTOR)

    @property
    def up(self) -> int:
        """Upsampling factor before the activation."""
        return self.inner_rate // self.in_rate

    @property
    def down(self) -> int:
        """Downsampling factor after it."""
        return self.inner_rate // self.out_rate


def plan(shape: AliasFreeShape) -> tuple[Layer, ...]:
    """Return the layers of a generator in order, the projection to the image last.

    >>> [layer.out_size for layer in plan(AliasFreeShape(1, 2, Stage(16, 7)))]
    [36, 36, 36, 36, 36, 36, 16, 16]
    """
    layers = _stem(shape)
    for number in range(len(shape.heads)):
        layers = [*layers[: -CRITICAL_LAYERS - 1], *_head(shape, number, layers[-CRITICAL_LAYERS - 2])]
    return tuple(layers)


def input_channels(shape: AliasFreeShape) -> int:
    """Return the number of Fourier features."""
    return _channels(shape.stem, FIRST_CUTOFF)


def _stem(shape: AliasFreeShape) -> list[Layer]:
    share = _shares(shape.stem.layers)
    cutoffs, stopbands = _bands(share, FIRST_CUTOFF, FIRST_STOPBAND, shape.stem.resolution)
    rates = _rates(stopbands, shape.stem.resolution)
    first = _Edge(cutoffs[0], max(stopbands[0], rates[0] / 2) - cutoffs[0], rates[0], _size(rates[0]))
    return _stage(shape, 0, list(zip(cutoffs, stopbands, rates, strict=True)), (first, input_channels(shape)))


def _head(shape: AliasFreeShape, number: int, last: Layer) -> list[Layer]:
    """Continue from the last layer kept, whose bands the new ones are interpolated from."""
    stage = shape.heads[number]
    first_stopband = last.out_cutoff + last.out_half_width
    cutoffs, stopbands = _bands(_shares(stage.layers), last.out_cutoff, first_stopband, stage.resolution)
    rates = [last.out_rate, *_rates(stopbands[1:], stage.resolution)]
    edge = _Edge(last.out_cutoff, last.out_half_width, last.out_rate, last.out_size)
    return _stage(shape, number + 1, list(zip(cutoffs, stopbands, rates, strict=True)), (edge, last.outputs))


@dataclass(frozen=True)
class _Edge:
    """The bands, rate and size between two layers."""

    cutoff: float
    half_width: float
    rate: int
    size: int


def _stage(
    shape: AliasFreeShape,
    number: int,
    bands: Sequence[tuple[float, float, int]],
    start: tuple[_Edge, int],
) -> list[Layer]:
    """Return a stage's layers from cutoff, stopband and rate behind each, and what lies before the first."""
    stage = (shape.stem, *shape.heads)[number]
    sizes = [_size(rate) for _, _, rate in bands[:-2]] + [stage.resolution] * 2
    edges = [start[0]] + [
        _Edge(cutoff, max(stop, rate / 2) - cutoff, rate, size)
        for (cutoff, stop, rate), size in zip(bands, sizes, strict=True)
    ]
    channels = [start[1], *(_channels(stage, cutoff) for cutoff, _, _ in bands[:-1]), shape.image_channels]
    return [
        Layer(
            inputs=channels[place],
            outputs=channels[place + 1],
            in_size=one.size,
            out_size=two.size,
            in_rate=one.rate,
            out_rate=two.rate,
            in_cutoff=one.cutoff,
            out_cutoff=two.cutoff,
            in_half_width=one.half_width,
            out_half_width=two.half_width,
            radial=shape.filters == "radial" and place < stage.layers - CRITICAL_LAYERS,
            kernel=1 if place == stage.layers or shape.filters == "radial" else 3,
            to_image=place == stage.layers,
            stage=number,
        )
        for place, (one, two) in enumerate(itertools.pairwise(edges))
    ]


def _shares(layers: int) -> list[float]:
    """Return how far each layer is on the way, on a logarithmic scale, from first to last bands."""
    return [min(place / (layers - CRITICAL_LAYERS), 1.0) for place in range(layers + 1)]


def _bands(share: list[float], cutoff: float, stopband: float, resolution: int) -> tuple[list[float], list[float]]:
    last_cutoff = resolution / 2
    last_stopband = last_cutoff * LAST_STOPBAND_FACTOR
    cutoffs = [cutoff * (last_cutoff / cutoff) ** part for part in share]
    return cutoffs, [stopband * (last_stopband / stopband) ** part for part in share]


def _rates(stopbands: Sequence[float], resolution: int) -> list[int]:
    """Return the powers of two that hold the stopbands, at most the image's own."""
    return [int(2 ** np.ceil(np.log2(min(2 * stop, resolution)))) for stop in stopbands]


def _size(rate: int) -> int:
    return rate + 2 * MARGIN_PX


def _channels(stage: Stage, cutoff: float) -> int:
    return round(min(stage.channel_base / 2 / cutoff, stage.channel_max))
