"""When do a mask and an image lie on one grid, and how is the one brought to the axes of the other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import Volume, canonical, canonical_turn

# How far corresponding voxel centres of image and mask may lie apart, as a share of the smallest voxel edge.
# Rounded header values stay well below; a shift by half a voxel does not.
GRID_TOLERANCE_VOXELS = 0.05


def on_grid(mask: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> NDArray[np.generic]:
    """Return the mask's array with the axes of an image that covers the same voxels, perhaps in another axis order.

    Parameters
    ----------
    mask
        Label ids.
    shape, affine
        Of the image.

    Raises
    ------
    RefusalError
        mask-on-another-grid: sizes differ, or voxel centres lie more than GRID_TOLERANCE_VOXELS apart.
    """
    turned, _ = canonical(mask)
    turn = canonical_turn(affine)
    frame = turn.apply(Volume(np.broadcast_to(np.uint8(0), shape), affine))
    if turned.array.shape != frame.array.shape:
        text = f"the mask has {_size(turned.array.shape)} voxels and its image {_size(frame.array.shape)}"
        raise RefusalError(Reason.MASK_OTHER_GRID, text)
    distance = corner_distance_mm(turned.affine, frame.affine, frame.array.shape)
    limit = GRID_TOLERANCE_VOXELS * min(frame.spacing_mm)
    if distance > limit:
        text = f"voxels of mask and image lie up to {distance:.3f} mm apart ({limit:.3f} mm is tolerated)"
        raise RefusalError(Reason.MASK_OTHER_GRID, text)
    return turn.undo(Volume(turned.array, frame.affine)).array


def same_pixels(labels: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return label ids [slices, rows, columns] of a mask without millimetres, which must be as many as its image's.

    Raises
    ------
    RefusalError
        mask-on-another-grid.
    """
    if labels.shape != shape:
        text = f"the mask has {_size(labels.shape)} pixels and its image {_size(shape)} (slices, rows, columns)"
        raise RefusalError(Reason.MASK_OTHER_GRID, text)
    return labels


def corner_distance_mm(first: NDArray[np.float64], second: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Compare where two affines put the eight corner voxels, in mm; between corners they differ less."""
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, size - 1) for size in shape))], dtype=float)
    return float(np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1).max())


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(number) for number in shape)
