"""The same layers faster, where no gradient is wanted on a CPU: fewer products, and buffers that serve every image.

Maps are [n, h, w, c] here, so that every product runs along channels.

Source: Lavin & Gray 2016, "Fast algorithms for convolutional neural networks": F(4 x 4, 3 x 3), four times fewer
products than the sum over nine places.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.gan.layers import LEAK

TILE = 4  # output rows and columns of a tile
REACH = 6  # its input rows and columns
CHUNK = 64  # channels whose maps at the inner rate fit a processor's cache
# Interpolation at 0, 1, -1, 2, -2 and infinity.
INPUT = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
KERNEL = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
OUTPUT = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


@functools.cache
def _both_axes(matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    one = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(one, one).float()


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve maps [n, h, w, inputs] with kernels [outputs, inputs, 3, 3] without padding, by tiles."""
    count, height, width, inputs = x.shape
    outputs = weight.shape[0]
    down, across = (-(-(side - 2) // TILE) for side in (height, width))
    x = F.pad(x, (0, 0, 0, across * TILE + 2 - width, 0, down * TILE + 2 - height))
    tiles = x.unfold(1, REACH, TILE).unfold(2, REACH, TILE).permute(4, 5, 0, 1, 2, 3)
    seen = _both_axes(INPUT) @ tiles.reshape(REACH * REACH, -1)
    kernels = _both_axes(KERNEL) @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    made = torch.bmm(seen.view(REACH * REACH, -1, inputs), kernels.view(REACH * REACH, inputs, outputs))
    made = _both_axes(OUTPUT) @ made.view(REACH * REACH, -1)
    made = made.view(TILE, TILE, count, down, across, outputs).permute(2, 3, 0, 4, 1, 5)
    return made.reshape(count, down * TILE, across * TILE, outputs)[:, : height - 2, : width - 2]


def filtered_rectifier(x: Tensor, up: Tensor, vertical: Tensor, horizontal: Tensor, clamp: float) -> Tensor:
    """Upsample, rectify, clamp and downsample maps [n, h, w, c], one image after another.

    Parameters
    ----------
    x
        Maps.
    up
        [inner, h].
    vertical, horizontal
        [parts, out, inner].
    clamp
        Largest magnitude at the inner rate.
    """
    count, height, width, channels = x.shape
    inner, size = up.shape[0], vertical.shape[1]
    out = x.new_empty(count, size, size, channels)
    for start in range(0, channels, CHUNK):
        some = min(CHUNK, channels - start)
        rows = x.new_empty(inner, width * some)
        fine = x.new_empty(inner, inner, some)
        less = x.new_empty(size, inner * some)
        made = x.new_empty(size, size, some)
        for image, target in zip(x[..., start : start + some], out[..., start : start + some], strict=True):
            torch.mm(up, image.reshape(height, width * some), out=rows)
            torch.bmm(up.expand(inner, -1, -1), rows.view(inner, width, some), out=fine)
            F.leaky_relu_(fine, LEAK).clamp_(-clamp, clamp)
            for number, (first, second) in enumerate(zip(vertical, horizontal, strict=True)):
                torch.mm(first, fine.view(inner, -1), out=less)
                torch.bmm(second.expand(size, -1, -1), less.view(size, inner, some), out=made)
                if number == 0:
                    target.copy_(made)
                else:
                    target.add_(made)
    return out
