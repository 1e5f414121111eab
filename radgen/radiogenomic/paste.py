"""A synthetic nodule in a whole CT slice, with no seam: what it changes is added, and fades out around its mask.

Added is the difference of the drawn image and its background, so that the grain of the slice stays everywhere, under
the nodule too; Xu et al. blend the drawn image itself. Where the difference has faded out the slice is untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radgen.errors import InputError
from radgen.imaging.resize import Geometry, to_source

TRUNCATE = 3.0  # deviations at which the Gaussian of the seam ends


@dataclass(frozen=True, eq=False)
class Pasted:
    """A slice with its nodule.

    Parameters
    ----------
    hu
        float32 [rows, columns].
    mask
        bool [rows, columns].
    share
        float32 [rows, columns]: of the nodule's change at each pixel, 1 in its middle and 0 away from it.
    """

    hu: NDArray[np.float32]
    mask: NDArray[np.bool_]
    share: NDArray[np.float32]


def paste(
    hu: NDArray[np.floating],
    row: Mapping[str, Any],
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    background: NDArray[np.uint8],
    *,
    seam_mm: float,
) -> Pasted:
    """Paste one nodule into the slice that its background was cut from.

    Parameters
    ----------
    hu
        The slice, [rows, columns], upright as the patches are.
    row
        Of the background's index: geometry, window and pixel width.
    image, mask, background
        uint8 [H, W] each: the drawn nodule, its cover, and what it was drawn into.
    seam_mm
        Deviation of the Gaussian by which the change fades out; 0 cuts it off at the mask.

    Raises
    ------
    InputError
        The slice is of another size than the one the background was cut from.
    """
    geometry = Geometry.of_row(row, (image.shape[0], image.shape[1]))
    if hu.shape != (geometry.rows.source, geometry.cols.source):
        msg = (
            f"background {row['image_id']} was cut from slices of {geometry.rows.source} x {geometry.cols.source}, but "
            f"the series has slices of {hu.shape[0]} x {hu.shape[1]}; it is of another series, or the archive changed"
        )
        raise InputError(msg)
    width = float(row["window_high"][0]) - float(row["window_low"][0])
    change = (image.astype(np.float32) - background.astype(np.float32)) * np.float32(width / 255)
    cover = to_source(mask.astype(np.float32) / 255, geometry)
    inside = to_source(np.ones(image.shape, dtype=np.float32), geometry) > 0
    pixel_mm = float(row["spacing_row_mm"]) / abs(geometry.rows.step)
    share = _fading(cover > 0, inside, seam_mm / pixel_mm)
    pasted = hu.astype(np.float32) + share * to_source(change, geometry)
    return Pasted(np.where(share > 0, pasted, hu).astype(np.float32), cover >= 0.5, share)


def _fading(mask: NDArray[np.bool_], inside: NDArray[np.bool_], sigma_px: float) -> NDArray[np.float32]:
    """Return 1 on a mask, falling to 0 around it and before the border of what was drawn: float32 [rows, columns]."""
    reach = int(np.ceil(TRUNCATE * sigma_px))
    if reach == 0:
        return mask.astype(np.float32)
    # Grown by the reach, the Gaussian leaves the mask itself at 1; shrunk by it, it ends within what was drawn.
    grown = ndimage.distance_transform_edt(~mask) <= reach if mask.any() else mask
    room = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] > reach
    smooth = ndimage.gaussian_filter((grown & room).astype(np.float32), sigma_px, truncate=TRUNCATE)
    return np.where(inside, smooth, 0).astype(np.float32)
