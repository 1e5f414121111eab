"""Published choices of layers per stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from radgen.errors import ConfigError
from radgen.gan.aliasfree.schedule import AliasFreeShape, Stage

STEM_RESOLUTION = 16


@dataclass(frozen=True)
class Preset:
    """Layers of the stem, of each head, and how channels are counted.

    Attributes
    ----------
    stem_layers, head_layers
        Layers of the stem and of each stage grown on it.
    channel_base, channel_max
        See `Stage`.
    """

    stem_layers: int
    head_layers: int
    channel_base: int
    channel_max: int


# 10/7 is the paper's (39 layers at 1,024 px); 7/4 its authors' advice for fewer than 50,000 or well curated images;
# tiny is for trials on a CPU. Channels are what training uses: twice the numbers on the reference's command line.
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "10/7": Preset(10, 7, 65536, 1024),
        "7/4": Preset(7, 4, 32768, 512),
        "tiny": Preset(5, 4, 512, 48),
    }
)


def chain_shape(
    preset: str,
    resolution: int,
    *,
    image_channels: int,
    classes: int,
    filters: str = "separable",
    embedding_dim: int = 320,
    z_dim: int = 64,
    w_dim: int = 512,
) -> AliasFreeShape:
    """Return the shape at a resolution: a stem of 16 pixels, then twice as many until there.

    >>> shape = chain_shape("7/4", 64, image_channels=1, classes=2)
    >>> shape.stem.resolution, [head.resolution for head in shape.heads]
    (16, [32, 64])

    Raises
    ------
    ConfigError
        The preset is unknown, or the resolution is no power of two of at least 16.
    """
    if preset not in PRESETS:
        msg = f"preset {preset!r} is unknown; give one of {', '.join(PRESETS)}"
        raise ConfigError(msg)
    if resolution < STEM_RESOLUTION or resolution & (resolution - 1):
        msg = f"a chain to {resolution} pixels; give a power of two of at least {STEM_RESOLUTION}"
        raise ConfigError(msg)
    chosen = PRESETS[preset]
    steps = (resolution // STEM_RESOLUTION).bit_length() - 1
    stages = [
        Stage(STEM_RESOLUTION << step, layers, chosen.channel_base, chosen.channel_max)
        for step, layers in enumerate([chosen.stem_layers] + [chosen.head_layers] * steps)
    ]
    return AliasFreeShape(
        image_channels,
        classes,
        stages[0],
        tuple(stages[1:]),
        filters=filters,
        z_dim=z_dim,
        w_dim=w_dim,
        embedding_dim=embedding_dim,
    )
