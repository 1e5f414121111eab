"""What a camera or an ultrasound probe shows of its picture: the fan or the round field, without text beside it.

Steps: what is not black in any picture of the series; its largest piece after an opening, so that letters and scales
beside it go; the convex hull of that piece, row by row. Dark tissue inside a fan is never cut, because a hull has no
holes and no bays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radgen.imaging.morphology import Mask

# Black borders carry noise of compression; what is brighter than this share of the brightest value is picture.
BLACK_SHARE = 0.04
# Letters and tick marks are drawn with lines thinner than twice this share of the picture's smaller side.
OPENING_SHARE = 0.01

Box = tuple[float, float, float, float]


def kept_of_pictures(pictures: NDArray[Any], background: str, boxes: Sequence[Box]) -> Mask | None:
    """Return what is kept of the pictures of one series: the fan where it is asked for, without the boxes.

    Returns
    -------
    Boolean [pictures, rows, columns], the same for each; None where everything is kept.
    """
    field = find_field(pictures) if background == "fan" else None
    if field is None and not boxes:
        return None
    shape = (pictures.shape[1], pictures.shape[2])
    kept = ~boxes_mask(boxes, shape) if field is None else field & ~boxes_mask(boxes, shape)
    return np.broadcast_to(kept, pictures.shape)


def find_field(pictures: NDArray[Any]) -> Mask | None:
    """Find the fan of an ultrasound, or the field of an endoscope, in the pictures of one series.

    Parameters
    ----------
    pictures
        Brightness [pictures, rows, columns], not negative.

    Returns
    -------
    Boolean [rows, columns], convex; None where nothing is dark or nothing bright: the whole picture is kept.
    """
    brightest = pictures.max(axis=0)
    shown = np.asarray(brightest > BLACK_SHARE * float(brightest.max()))
    steps = max(1, round(OPENING_SHARE * min(shown.shape)))
    margin = 5 * steps  # the picture goes on as it ends, and the steps below stay clear of its edge
    # Speckle is not solid: gaps are closed before letters are opened away.
    solid = ndimage.binary_closing(np.pad(shown, margin, mode="edge"), iterations=2 * steps)
    core = ndimage.binary_opening(solid, iterations=steps)[margin:-margin, margin:-margin]
    labels, count = ndimage.label(core)
    if not count or core.all():
        return None
    return hull(labels == 1 + int(np.bincount(labels.ravel())[1:].argmax()))


def hull(mask: Mask) -> Mask:
    """Return the convex hull of a mask's pixel centres, boolean [rows, columns]."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows][:, ::-1].argmax(axis=1)
    left, right = -_upper(rows, -first), _upper(rows, last)
    columns = np.arange(mask.shape[1])
    out = np.zeros_like(mask)
    inside = slice(int(rows[0]), int(rows[-1]) + 1)
    out[inside] = (columns >= np.floor(left)[:, None]) & (columns <= np.ceil(right)[:, None])
    return out


def _upper(rows: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the least concave curve over points, at every row between the first and the last."""
    kept: list[tuple[int, int]] = []
    for point in zip(rows.tolist(), values.tolist(), strict=True):
        while len(kept) > 1 and _turns_up(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    at, height = np.array(kept, dtype=np.float64).T
    return np.asarray(np.interp(np.arange(rows[0], rows[-1] + 1), at, height))


def _turns_up(first: tuple[int, int], middle: tuple[int, int], last: tuple[int, int]) -> bool:
    return (middle[1] - first[1]) * (last[0] - first[0]) <= (last[1] - first[1]) * (middle[0] - first[0])


def boxes_mask(boxes: Sequence[Box], shape: tuple[int, int]) -> Mask:
    """Mark pixels that a box touches: boolean [rows, columns].

    Parameters
    ----------
    boxes
        Top, left, bottom, right as shares of the picture; a touched pixel belongs to the box as a whole.
    shape
        Rows, columns.
    """
    rows, cols = shape
    mask = np.zeros(shape, dtype=bool)
    for top, left, bottom, right in boxes:
        mask[int(top * rows) : int(np.ceil(bottom * rows)), int(left * cols) : int(np.ceil(right * cols))] = True
    return mask
