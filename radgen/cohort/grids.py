"""When do a mask and an image lie on one grid, and how is the one brought to the axes of the other."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.candidates import Remark
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import Volume, canonical, canonical_turn

# How far corresponding voxel centres of image and mask may lie apart, as a share of the smallest voxel edge.
# Rounded header values stay well below; a shift by half a voxel does not.
GRID_TOLERANCE_VOXELS = 0.05
# Largest angle between two array axes and a right angle, in degrees.
TILT_TOLERANCE_DEGREES = 0.5
# Smallest volume of a voxel: less is a singular affine.
LEAST_VOXEL_MM3 = 1e-9


def check_affine(affine: NDArray[np.float64], whose: str) -> None:
    """Refuse an affine that is none, or whose axes are not perpendicular.

    Raises
    ------
    RefusalError
        bad-geometry, or tilted.
    """
    if not np.all(np.isfinite(affine)) or abs(np.linalg.det(affine[:3, :3])) < LEAST_VOXEL_MM3:
        raise RefusalError(Reason.BAD_GEOMETRY, f"the {whose} singular or not finite")
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosine = float(np.abs(directions.T @ directions - np.eye(3)).max())
    tilt = math.degrees(math.asin(min(1.0, cosine)))
    if tilt > TILT_TOLERANCE_DEGREES:
        text = f"the axes of the volume are {tilt:.1f} degrees off a right angle (a tilted stack of slices)"
        raise RefusalError(Reason.TILTED, text, round(tilt, 3), "degrees")


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
    _refuse_apart(corner_distance_mm(turned.affine, frame.affine, frame.array.shape), frame)
    return turn.undo(Volume(turned.array, frame.affine)).array


def on_lattice(mask: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> NDArray[np.generic]:
    """Return a mask's array on its image, of whose voxels it covers a part: what it does not cover is 0.

    Parameters
    ----------
    mask
        Label ids on a grid whose voxels are the image's, in any axis order, cut out or padded.
    shape, affine
        Of the image.

    Raises
    ------
    RefusalError
        mask-on-another-grid: the two lattices are not the same, or a label lies outside the image.
    """
    turned, _ = canonical(mask)
    turn = canonical_turn(affine)
    frame = turn.apply(Volume(np.broadcast_to(np.uint8(0), shape), affine))
    start = np.rint((np.linalg.inv(frame.affine) @ turned.affine)[:3, 3]).astype(np.intp)
    moved = frame.affine.copy()
    moved[:3, 3] = (frame.affine @ [*start, 1])[:3]
    _refuse_apart(corner_distance_mm(turned.affine, moved, turned.array.shape), frame)
    whole = np.zeros(frame.array.shape, dtype=turned.array.dtype)
    low = np.clip(start, 0, frame.array.shape)
    high = np.clip(start + turned.array.shape, 0, frame.array.shape)
    inside = turned.array[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))]
    lost = int(np.count_nonzero(turned.array)) - int(np.count_nonzero(inside))
    if lost:
        text = f"{lost} voxels of the segmentation lie outside its image"
        raise RefusalError(Reason.MASK_OTHER_GRID, text, float(lost), "voxels")
    whole[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = inside
    return turn.undo(Volume(whole, frame.affine)).array


def nearest(
    mask: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> tuple[NDArray[Any], tuple[Remark, ...]]:
    """Resample labels on an image's grid: each of its voxels gets the label of the mask's voxel that lies nearest.

    Parameters
    ----------
    mask
        Label ids on any grid.
    shape, affine
        Of the image.

    Returns
    -------
    labels
        Of the image's shape, 0 where the mask does not reach.
    remarks
        How far labels moved at most (mm, between voxel centres); how many voxels of the image the mask does not reach,
        and how many labelled voxels of the mask lie outside the image, if any.

    Raises
    ------
    RefusalError
        mask-on-another-grid: the mask reaches no voxel of the image.
    """
    labels, furthest_mm, reached = sample(mask, shape, affine)
    if reached == 0:
        raise RefusalError(Reason.MASK_OTHER_GRID, "the mask reaches no voxel of its image")
    lost = labels_outside(mask, shape, affine)
    return labels, resampled(furthest_mm, missed=labels.size - reached, lost=lost)


def resampled(furthest_mm: float, *, missed: int, lost: int) -> tuple[Remark, ...]:
    """Say what was done to labels: how far they moved, voxels they do not reach, and labels outside the image."""
    kind = str(Reason.MASK_OTHER_GRID)
    remarks = [Remark(kind, "nearest", round(furthest_mm, 6), "mm")]
    remarks += [Remark(kind, "background", float(missed), "image voxels")] if missed else []
    remarks += [Remark(kind, "cut", float(lost), "labelled voxels")] if lost else []
    return tuple(remarks)


def sample(mask: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> tuple[NDArray[Any], float, int]:
    """Return the nearest labels, the largest distance between voxel centres (mm), and how many voxels are reached."""
    to_mask = np.linalg.inv(mask.affine) @ affine
    inner = np.indices(shape[1:]).reshape(2, -1)
    within_plane = to_mask[:3, 1:3] @ inner + to_mask[:3, 3:]
    labels = np.zeros((shape[0], inner.shape[1]), dtype=mask.array.dtype)
    furthest, reached = 0.0, 0
    for plane in range(shape[0]):
        exact = within_plane + to_mask[:3, :1] * plane
        index = np.floor(exact + 0.5).astype(np.intp)
        inside = np.all((index >= 0) & (index < np.array(mask.array.shape)[:, np.newaxis]), axis=0)
        labels[plane, inside] = mask.array[tuple(index[:, inside])]
        moved = mask.affine[:3, :3] @ (exact - index)[:, inside]
        furthest = max(furthest, float(np.sqrt((moved**2).sum(axis=0).max(initial=0.0))))
        reached += int(np.count_nonzero(inside))
    return labels.reshape(shape), furthest, reached


def labels_outside(mask: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> int:
    """Count labelled voxels whose centres lie outside an image."""
    labelled = np.argwhere(mask.array != 0).T
    to_image = np.linalg.inv(affine) @ mask.affine
    index = np.floor(to_image[:3, :3] @ labelled + to_image[:3, 3:] + 0.5)
    return int(np.count_nonzero(np.any((index < 0) | (index >= np.array(shape)[:, np.newaxis]), axis=0)))


def _refuse_apart(distance_mm: float, frame: Volume) -> None:
    limit = GRID_TOLERANCE_VOXELS * min(frame.spacing_mm)
    if distance_mm > limit:
        text = f"voxels of mask and image lie up to {distance_mm:.3f} mm apart ({limit:.3f} mm is tolerated)"
        raise RefusalError(Reason.MASK_OTHER_GRID, text, round(distance_mm, 6), "mm")


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
