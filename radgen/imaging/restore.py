"""Back from stored slices to the source volume: a mask or image on the source's own grid, axes and affine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imaging.resize import Geometry, to_source
from radgen.imaging.volume import Volume, canonical
from radgen.imaging.window import Window

Row = Mapping[str, Any]


def restore(source: Volume, rows: Sequence[Row], planes: Sequence[NDArray[Any]], fill: float) -> Volume:
    """Put stored slices back where they lie in their source volume.

    Parameters
    ----------
    source
        The series as `read_series` gives it, in any orientation; only its shape and affine are used.
    rows
        Rows of the image set's index, one for each plane.
    planes
        [H, W] on the stored grid: labels (integers) come back by nearest pixel, intensities (floats, see
        `intensities`) are interpolated linearly in the plane.
    fill
        Value of voxels that were not stored: slices without a plane, and what lies outside the stored picture.

    Returns
    -------
    Volume
        In the shape, axis order and affine of the source, and the planes' type. Where slices were resampled, a source
        slice takes the nearest stored one, and stored slices between those are not needed. Labels that were
        stored at steps of at most one source pixel are those of the source again.

    Raises
    ------
    InputError
        A row is of another grid than the source, two planes claim one slice, or planes differ in type.
    """
    array = source.array[..., 0] if source.array.ndim == 4 else source.array
    turned, turn = canonical(Volume(array, source.affine))
    kinds = {plane.dtype for plane in planes}
    if len(kinds) != 1:
        msg = f"{len(planes)} slices of {len(kinds)} types; give slices of one type, and at least one"
        raise InputError(msg)
    volume = np.full(turned.array.shape, fill, dtype=kinds.pop())
    taken: dict[int, str] = {}
    for row, plane in zip(rows, planes, strict=True):
        _check_grid(row, turned.array.shape)
        geometry = Geometry.of_row(row, (plane.shape[0], plane.shape[1]))
        inside = to_source(np.ones(plane.shape, dtype=np.uint8), geometry) > 0
        back = np.where(inside, to_source(plane, geometry), np.asarray(fill, dtype=plane.dtype))
        for place in source_slices(row, len(volume)):
            if place in taken:
                msg = f"images {taken[place]} and {row['image_id']} both claim slice {place}; give each slice once"
                raise InputError(msg)
            taken[place] = row["image_id"]
            volume[place] = back
    return Volume(turn.undo(Volume(volume, turned.affine)).array, source.affine)


def source_slices(row: Row, count: int) -> list[int]:
    """List the source slices, along the canonical axis, of which an image is the nearest stored slice.

    >>> source_slices({"slice_index": 3, "offset_slice": 0.0, "step_slice": 1.0}, 10)
    [3]
    >>> source_slices({"slice_index": 1, "offset_slice": 0.5, "step_slice": 2.0}, 10)
    [2, 3]
    """
    offset, step = row["offset_slice"] or 0.0, row["step_slice"] or 1.0
    nearest = np.floor(np.round((np.arange(count) - offset) / step, 6) + 0.5).astype(np.int64)
    return [int(place) for place in np.flatnonzero(nearest == row["slice_index"])]


def intensities(row: Row, image: NDArray[np.uint8], channel: int) -> NDArray[np.float32]:
    """Return what one channel of a stored image shows, in modality units.

    Parameters
    ----------
    row
        Of the index: its window is inverted; what lay outside the window stays at its edge.
    image
        uint8 [C, H, W], or [H, W] for one channel.
    channel
        Which; a window shared by all channels has but one entry.

    Raises
    ------
    InputError
        There is no such channel.
    """
    planes = image[np.newaxis] if image.ndim == 2 else image
    if not 0 <= channel < len(planes):
        msg = f"image {row['image_id']} has no channel {channel}; it has {len(planes)}, counted from 0"
        raise InputError(msg)
    lows, highs = list(row["window_low"]), list(row["window_high"])
    window = min(channel, len(lows) - 1)
    return Window(lows[window], highs[window]).from_grey(planes[channel]).astype(np.float32)


def _check_grid(row: Row, shape: tuple[int, ...]) -> None:
    size = (int(row["source_rows"]), int(row["source_cols"]))
    if size != shape[1:]:
        msg = (
            f"image {row['image_id']} was cut from slices of {size[0]} x {size[1]}, but the series has slices of "
            f"{shape[1]} x {shape[2]}; it is of another series, or the archive has changed"
        )
        raise InputError(msg)
    position = (row["offset_slice"] or 0.0) + (row["step_slice"] or 1.0) * row["slice_index"]
    if not -0.5 <= position < shape[0] - 0.5:
        msg = (
            f"image {row['image_id']} is slice {row['slice_index']}, but the series has {shape[0]} slices; "
            "it is of another series, or the archive has changed"
        )
        raise InputError(msg)
