"""Up-filter, activation and down-filter of one layer, as matrix products over just the pixels that are needed.

A filter before or after a change of rate is a banded matrix along each axis: x becomes U x U^T. Rows and columns that
no later pixel depends on are left out.

Source: Karras et al. 2021, section 3.1 (filtered nonlinearities) and appendix D (alignment of the grids).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.gan.aliasfree.filters import lowpass, radial_lowpass, separable_parts
from radgen.gan.aliasfree.schedule import TAPS_PER_SAMPLE, Layer

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """Rows `start` to `stop` (not included) of a map; columns are the same."""

    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.stop - self.start

    def __or__(self, other: Span) -> Span:
        """Return the smallest span around both."""
        return Span(min(self.start, other.start), max(self.stop, other.stop))

    def inside(self, outer: Span) -> slice:
        """Return the slice that takes this span out of a map of the rows `outer`."""
        return slice(self.start - outer.start, self.stop - outer.start)


@dataclass(frozen=True)
class Resampling:
    """The matrices of one layer between its convolution and its output.

    Attributes
    ----------
    up
        [inner, conv]: to the rate at which the activation works.
    down
        Pairs of [out, inner], vertical and horizontal, whose products are summed; one where the filter is separable.
    conv
        The rows of the (full) convolution's result that are needed.
    """

    up: Matrix
    down: tuple[tuple[Matrix, Matrix], ...]
    conv: Span


def resampling(layer: Layer, wanted: Span) -> Resampling:
    """Return the matrices that give the wanted rows of a layer's output.

    The convolution's result has kernel - 1 rows more than its input: zeros around the map count (a full convolution).
    """
    up_taps = TAPS_PER_SAMPLE * layer.up
    down_taps = TAPS_PER_SAMPLE * layer.down
    conv_size = layer.in_size + layer.kernel - 1
    inner_size = (layer.out_size - 1) * layer.down + down_taps
    rise = lowpass(up_taps, layer.in_cutoff, layer.in_half_width, layer.inner_rate) * layer.up
    # Both maps have one centre; a sample stands for the middle of its pixel.
    before = (inner_size + up_taps - 1 - conv_size * layer.up + layer.up) // 2
    taps = np.arange(conv_size) * layer.up + before - np.arange(inner_size)[:, None]
    up = _band(rise, taps)
    steps = np.arange(inner_size) - np.arange(wanted.start, wanted.stop)[:, None] * layer.down
    fall = (down_taps, layer.out_cutoff, layer.out_half_width, layer.inner_rate)
    if layer.radial:
        pairs = [(_band(a, steps), _band(b, steps)) for a, b in separable_parts(radial_lowpass(*fall))]
    else:
        pairs = [(_band(lowpass(*fall), steps),) * 2]
    inner = Span(wanted.start * layer.down, (wanted.stop - 1) * layer.down + down_taps)
    up = up[inner.start : inner.stop]
    used = np.flatnonzero(up.any(axis=0))
    conv = Span(int(used[0]), int(used[-1]) + 1)
    cut = slice(inner.start, inner.stop)
    return Resampling(up[:, conv.start : conv.stop], tuple((a[:, cut], b[:, cut]) for a, b in pairs), conv)


def _band(values: Matrix, taps: NDArray[np.int64]) -> Matrix:
    """Return the matrix whose entry is the filter's value at a tap number, zero outside."""
    inside = (taps >= 0) & (taps < len(values))
    return np.where(inside, values[np.clip(taps, 0, len(values) - 1)], 0.0)
