"""Random frozen mixing of feature maps, across channels and then across scales.

Without it a discriminator looks at few, strongly speaking channels of the coarse maps; mixed, every channel carries a
part of all of them.

Source: Sauer et al. 2021, "Projected GANs converge faster", section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.seeds import derive_seed

SUM_GAIN = 2**-0.5  # the sum of two maps of equal variance keeps that variance


class Mixing(nn.Module):
    """Mix channels of each map by a 1 x 1 convolution, then add maps from coarse to fine.

    A mixed map has twice the side of the map it comes from. All weights are normal with variance 1 / inputs, drawn on
    the CPU. They are buffers and kept in the state: heads are of use only with the very mixing they were trained on,
    which should not hang on a later library drawing the same numbers from a seed.

    Heads are not normalised, so each map is first brought to a root mean square of about one.

    Parameters
    ----------
    channels
        Channels of the maps, finest first.
    magnitudes
        Root mean square of each map.
    width
        Channels of the finest mixed map; the coarser have 2, 4, 8 times as many before scales are mixed.
    seed
        Of the weights.
    """

    def __init__(self, channels: Sequence[int], magnitudes: Sequence[float], width: int, seed: int) -> None:
        super().__init__()
        widths = [width << level for level in range(len(channels))]
        # A map leaves with the channels of the next finer one, to which it is added.
        self.channels = (widths[0], *widths[:-1])
        for level, (inputs, middle, outputs) in enumerate(zip(channels, widths, self.channels, strict=True)):
            across = _random(middle, inputs, seed, "channels", level) / magnitudes[level]
            self.register_buffer(f"across_channels_{level}", across)
            self.register_buffer(f"across_scales_{level}", _random(outputs, middle, seed, "scales", level))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Mix maps [n, c, h, w], finest first; each comes back with twice its side, or exactly the next finer one's."""
        mixed = [F.conv2d(x, self.get_buffer(f"across_channels_{level}")) for level, x in enumerate(maps)]
        height, width = mixed[0].shape[2:]
        sizes = [(2 * height, 2 * width), *(x.shape[2:] for x in mixed[:-1])]
        out: list[Tensor] = []
        for level in reversed(range(len(mixed))):
            x = (mixed[level] + out[-1]) * SUM_GAIN if out else mixed[level]
            # A 1 x 1 convolution without bias and linear upsampling may change places: a quarter of the sums.
            x = F.conv2d(x, self.get_buffer(f"across_scales_{level}"))
            out.append(F.interpolate(x, size=sizes[level], mode="bilinear", align_corners=False))
        return out[::-1]


def _random(outputs: int, inputs: int, seed: int, kind: str, level: int) -> Tensor:
    random = torch.Generator().manual_seed(derive_seed("projected", seed, kind, level))
    return torch.randn(outputs, inputs, 1, 1, generator=random) / math.sqrt(inputs)
