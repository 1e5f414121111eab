"""A sheet of many images per map: one row per label map, one column per noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radgen.errors import InputError

GAP_PX = 2
WHITE = 255


def multimodal_sheet(
    maps: NDArray[np.uint8], samples: NDArray[np.uint8], real: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Lay maps and the images made from them out.

    Parameters
    ----------
    maps
        uint8 [m, H, W, 3], painted by `MapSchema.paint`.
    samples
        uint8 [m, n, C, H, W]: n images of each map; three channels are colours, of any other number the first is shown.
    real
        uint8 [m, C, H, W]: the images that the maps were drawn on, where there are any; they come second.

    Returns
    -------
    array
        uint8 [rows, columns, 3] with white lines between; `radgen.gan.grid.write_png` writes it.

    Raises
    ------
    InputError
        Maps and samples differ in number or size.
    """
    if samples.ndim != 5 or len(samples) != len(maps) or samples.shape[-2:] != maps.shape[1:3]:
        msg = (
            f"a sheet of maps {maps.shape} and samples {samples.shape}: give maps [m, H, W, 3] and samples "
            "[m, n, C, H, W] of the same m, H and W"
        )
        raise InputError(msg)
    columns = [maps]
    if real is not None:
        columns.append(_colours(real))
    columns += [_colours(samples[:, place]) for place in range(samples.shape[1])]
    count, height, width, _ = maps.shape
    sheet = np.full((count, height + GAP_PX, len(columns), width + GAP_PX, 3), WHITE, dtype=np.uint8)
    for place, column in enumerate(columns):
        sheet[:, :height, place, :width] = column
    flat = sheet.reshape(count * (height + GAP_PX), len(columns) * (width + GAP_PX), 3)
    return np.ascontiguousarray(flat[:-GAP_PX, :-GAP_PX])


def _colours(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn images [m, C, H, W] into [m, H, W, 3]."""
    if images.shape[1] == 3:
        return images.transpose(0, 2, 3, 1)
    return np.repeat(images[:, 0, :, :, np.newaxis], 3, axis=-1)
