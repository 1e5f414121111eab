"""Between the source grid of a slice and the square stored picture: exact geometry, area averages, nearest labels.

NumPy only, because the segmentation benchmark uses it to bring predictions back to the source grid.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Steps this close to 1 are 1: over 4,096 pixels they differ by less than a hundredth of a pixel.
SAME_STEP = 2e-6

Weights = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One axis: stored pixel i has its centre at source pixel `offset` + i * `step`.

    Parameters
    ----------
    stored, source
        Numbers of pixels.
    offset, step
        In source pixels; 0 is the centre of the first source pixel.
    """

    stored: int
    source: int
    offset: float
    step: float

    @property
    def is_identity(self) -> bool:
        """Whether stored and source pixels are the same."""
        return self.step == 1 and self.offset == 0 and self.stored == self.source


@dataclass(frozen=True)
class Geometry:
    """The two axes of a stored slice; made from an index row by `of_row`, put into one by `columns`."""

    rows: Axis
    cols: Axis

    @property
    def is_identity(self) -> bool:
        """Whether stored and source pixels are the same."""
        return self.rows.is_identity and self.cols.is_identity

    def columns(self) -> dict[str, int | float]:
        """Return the geometry as columns of the image-set index."""
        return {
            "source_rows": self.rows.source,
            "source_cols": self.cols.source,
            "offset_row": self.rows.offset,
            "step_row": self.rows.step,
            "offset_col": self.cols.offset,
            "step_col": self.cols.step,
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any], stored: tuple[int, int]) -> Geometry:
        """Read the geometry of an index row; `stored` is the stored picture's (height, width)."""
        return cls(
            Axis(stored[0], int(row["source_rows"]), float(row["offset_row"]), float(row["step_row"])),
            Axis(stored[1], int(row["source_cols"]), float(row["offset_col"]), float(row["step_col"])),
        )


def fit_axis(stored: int, source: int, step: float, centre: float) -> Axis:
    """Place an axis so that the stored picture's middle lies at source pixel `centre`.

    At step 1 (to within `SAME_STEP`) the place is rounded to whole pixels, so that pixels are copied, not interpolated.
    """
    step = 1.0 if abs(step - 1) < SAME_STEP else step
    offset = centre - step * (stored - 1) / 2
    return Axis(stored, source, float(np.floor(offset + 0.5)) if step == 1 else float(offset), float(step))


def resize_image(grey: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Bring a slice to the stored grid: float32 [rows, cols] to [H, W]; outside the slice lies 0.

    Where pixels grow, each stored pixel is the average of the source area it covers; where they shrink, values are
    interpolated linearly. Plain sums in a fixed order, so the bytes do not depend on threads.
    """
    if geometry.is_identity:
        return grey
    rows = _along_rows(grey, geometry.rows)
    return np.ascontiguousarray(_along_rows(np.ascontiguousarray(rows.T), geometry.cols).T)


def resize_mask(mask: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Bring labels to the stored grid by nearest pixel: [rows, cols] to [H, W]; outside the slice lies 0."""
    return _pick(mask, _nearest_source(geometry.rows), _nearest_source(geometry.cols))


def to_source(stored: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """Bring a stored mask or stored probabilities back to the source grid.

    Parameters
    ----------
    stored
        Labels, integers [..., H, W]: the nearest stored pixel is taken. Probabilities, floats [..., H, W]: values are
        interpolated linearly. Outside the stored picture lies 0.
    geometry
        Of the slice's index row.

    Returns
    -------
    The same dtype, [..., source rows, source columns]. Labels stored by `resize_mask` come back in the nearest sense:
    unchanged where step <= 1, and storing them once more gives the stored mask again where step >= 1.
    """
    rows, cols = _inverse(geometry.rows), _inverse(geometry.cols)
    if stored.dtype.kind in "iub":
        return _pick(stored, _nearest_source(rows), _nearest_source(cols))
    lines = _linear_back(np.moveaxis(stored, -2, -1), rows)
    return _linear_back(np.moveaxis(lines, -1, -2), cols)


def _inverse(axis: Axis) -> Axis:
    return Axis(axis.source, axis.stored, -axis.offset / axis.step, 1 / axis.step)


def _nearest_source(axis: Axis) -> Indices:
    """Source pixel of each stored pixel, -1 outside; halves go up, after a rounding that forgives float noise."""
    position = np.round(axis.offset + axis.step * np.arange(axis.stored), 6)
    index = np.floor(position + 0.5).astype(np.int64)
    return np.where((index >= 0) & (index < axis.source), index, -1)


def _pick(array: NDArray[Any], rows: Indices, cols: Indices) -> NDArray[Any]:
    picked = array[..., np.maximum(rows, 0)[:, None], np.maximum(cols, 0)[None, :]]
    return np.where((rows[:, None] >= 0) & (cols[None, :] >= 0), picked, np.zeros((), array.dtype))


def _along_rows(image: NDArray[np.float32], axis: Axis) -> NDArray[np.float32]:
    """Resample the first axis: out[i] = sum over taps of weight[tap, i] * image[index[tap, i]]."""
    indices, weights = _taps(axis)
    out: NDArray[np.float32] = image[indices[0]] * weights[0][:, None]
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        out += image[index] * weight[:, None]
    return out


@functools.lru_cache(maxsize=64)
def _taps(axis: Axis) -> tuple[Indices, Weights]:
    """Indices and weights [taps, stored] of an axis; weights outside the source are 0."""
    centres = axis.offset + axis.step * np.arange(axis.stored)
    if axis.step > 1:  # the overlap of each source pixel [r - 1/2, r + 1/2] with the stored pixel's extent
        first = np.floor(centres - axis.step / 2 + 0.5)
        taps = np.arange(int(np.ceil(axis.step)) + 1)[:, None] + first
        low, high = centres - axis.step / 2, centres + axis.step / 2
        overlap = np.minimum(taps + 0.5, high) - np.maximum(taps - 0.5, low)
        weights = np.maximum(overlap, 0) / axis.step
    else:  # linear between the two nearest centres; half a pixel beyond the outer centres the edge value holds
        inside = _nearest_source(axis) >= 0
        place = np.clip(centres, 0, axis.source - 1)
        taps = np.floor(place) + np.arange(2)[:, None]
        weights = np.maximum(1 - np.abs(place - taps), 0) * inside
    weights = np.where((taps >= 0) & (taps < axis.source), weights, 0)
    used = np.flatnonzero(weights.max(axis=1) > 0) if weights.any() else np.zeros(1, dtype=np.int64)
    indices = np.clip(taps, 0, axis.source - 1).astype(np.int64)
    return indices[used], weights[used].astype(np.float32)


def _linear_back(values: NDArray[Any], axis: Axis) -> NDArray[Any]:
    """Interpolate the last axis linearly at the centres of `axis`; 0 outside."""
    centres = axis.offset + axis.step * np.arange(axis.stored)
    inside = _nearest_source(axis) >= 0
    place = np.clip(centres, 0, axis.source - 1)
    left = np.minimum(np.floor(place).astype(np.int64), max(axis.source - 2, 0))
    right = np.minimum(left + 1, axis.source - 1)
    share = (place - left).astype(values.dtype)
    mixed = values[..., left] * (1 - share) + values[..., right] * share
    return np.asarray(mixed * inside.astype(values.dtype))
