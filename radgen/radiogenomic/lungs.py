"""Where the lungs are in a chest CT, and where in them a healthy patch fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

AIR_HU = -400.0
"""Less dense is air or lung; what is joined to the border of a slice is the air around the body."""
VESSEL_MM = 6.0
"""Gaps in the lung up to twice this width are vessels (or nodules) and count as lung."""


def find_lungs(hu: NDArray[np.floating], pixel_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Return lung, vessels and nodules within it counted in, slice by slice.

    Parameters
    ----------
    hu
        [slices, rows, columns], axial, HU.
    pixel_mm
        Distance of rows, of columns.

    Returns
    -------
    array of bool
        Of the same shape; windpipe and gas of the bowel, where a slice holds them, are in it too.
    """
    reach = [max(1, round(VESSEL_MM / width)) for width in pixel_mm]
    ball = np.hypot(*np.meshgrid(*(np.arange(-n, n + 1) / n for n in reach), indexing="ij")) <= 1
    lungs = np.zeros(hu.shape, dtype=bool)
    for place, plane in enumerate(hu):
        numbers, _ = ndimage.label(plane < AIR_HU)
        border = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
        inner = (numbers > 0) & ~np.isin(numbers, border)
        closed = ndimage.binary_closing(np.pad(inner, reach[0] + reach[1]), ball)
        size = reach[0] + reach[1]
        lungs[place] = ndimage.binary_fill_holes(closed[size:-size, size:-size])
    return lungs


def share_of_squares(mask: NDArray[np.bool_], half_px: tuple[int, int]) -> NDArray[np.float64]:
    """Return the share of each pixel's surrounding box that is marked; beyond the picture nothing is.

    Parameters
    ----------
    mask
        bool [rows, columns].
    half_px
        Half the box along rows and columns: it holds 2 half + 1 pixels.
    """
    rows, columns = half_px
    padded = np.pad(mask.astype(np.int64), ((rows + 1, rows), (columns + 1, columns)))
    total = padded.cumsum(axis=0).cumsum(axis=1)
    height, width = 2 * rows + 1, 2 * columns + 1
    inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return np.asarray(inside / (height * width))
