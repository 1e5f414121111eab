"""Mean distance between the outlines of two masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def outline(mask: Mask) -> NDArray[np.int64]:
    """Return the pixels of a mask [H, W] with an edge to its outside, or to the picture's: int64 [n, 2]."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(mask & ~inside)


def surface_distance(one: Mask, two: Mask) -> float:
    """Return the mean symmetric distance between two outlines, in pixels; NaN where a mask is empty.

    Source: Heimann et al. 2009, "Comparison and evaluation of methods for liver segmentation", section III (average
    symmetric surface distance).
    """
    first, second = outline(one).astype(np.float64), outline(two).astype(np.float64)
    if len(first) == 0 or len(second) == 0:
        return float("nan")
    squares = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    there, back = np.sqrt(squares.min(axis=1)), np.sqrt(squares.min(axis=0))
    return float((there.sum() + back.sum()) / (len(there) + len(back)))
