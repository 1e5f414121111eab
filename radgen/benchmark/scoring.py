"""Dice, 95 % Hausdorff distance and surface Dice of one structure in one volume, on the source grid.

Both masks empty: both Dice 1, distance 0 mm. One empty: both Dice 0, no distance, and the reason is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

BOTH_EMPTY = "both empty"
MISSED = "structure missed"
INVENTED = "structure invented"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class StructureScore:
    """Scores of one structure; `reason` tells about empty masks, else it is empty."""

    dice: float
    hd95_mm: float | None
    surface_dice: float
    reason: str


def score_structure(
    predicted: Mask, truth: Mask, spacing_mm: tuple[float, float, float], tolerance_mm: float
) -> StructureScore:
    """Score one structure.

    Parameters
    ----------
    predicted, truth
        bool [a0, a1, a2] on the same grid.
    spacing_mm
        Voxel size along axes 0, 1, 2.
    tolerance_mm
        Largest distance at which a surface counts as found, for the surface Dice.
    """
    found, there = bool(predicted.any()), bool(truth.any())
    if not found and not there:
        return StructureScore(1.0, 0.0, 1.0, BOTH_EMPTY)
    if not (found and there):
        return StructureScore(0.0, None, 0.0, MISSED if there else INVENTED)
    box = _bounding_box(predicted | truth)
    distances = _surface_distances(predicted, truth, box, spacing_mm)
    return StructureScore(dice(predicted[box], truth[box]), _hd95(*distances), _within(*distances, tolerance_mm), "")


def dice(one: Mask, two: Mask) -> float:
    """Twice the overlap over the sum of both sizes; 1 when both are empty."""
    total = int(one.sum()) + int(two.sum())
    return 2 * int((one & two).sum()) / total if total else 1.0


def hd95(predicted: Mask, truth: Mask, spacing_mm: tuple[float, float, float]) -> float:
    """95 % Hausdorff distance in mm of two masks that are not empty.

    The larger of the two directed 95th percentiles of the distance from each surface voxel to the other surface.
    Surface voxels have one of their six neighbours outside the mask. The volume's own border is no surface: a
    structure that the scan cuts off has no wall there, and counting one would flatter every score.
    """
    return _hd95(*_surface_distances(predicted, truth, _bounding_box(predicted | truth), spacing_mm))


def surface_dice(predicted: Mask, truth: Mask, spacing_mm: tuple[float, float, float], tolerance_mm: float) -> float:
    """Share of both surfaces that lies within a tolerance of the other, of two masks that are not empty.

    Surface voxels are counted, as for the Hausdorff distance, and not areas: with unequal spacing the two differ.
    Source: Nikolov et al. 2018, Deep learning to achieve clinically applicable segmentation, equation 1.
    """
    return _within(*_surface_distances(predicted, truth, _bounding_box(predicted | truth), spacing_mm), tolerance_mm)


def _surface_distances(
    predicted: Mask, truth: Mask, box: tuple[slice, ...], spacing_mm: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance in mm from each surface voxel of one mask to the other's surface, both ways."""
    # One voxel of margin keeps the true neighbours; at the volume's border there is no margin and no surface.
    wide = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
    one = surface(predicted[wide]) * np.asarray(spacing_mm)
    two = surface(truth[wide]) * np.asarray(spacing_mm)
    return cKDTree(two).query(one)[0], cKDTree(one).query(two)[0]


def _hd95(there: NDArray[np.float64], back: NDArray[np.float64]) -> float:
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def _within(there: NDArray[np.float64], back: NDArray[np.float64], tolerance_mm: float) -> float:
    near = int((there <= tolerance_mm).sum()) + int((back <= tolerance_mm).sum())
    return near / (len(there) + len(back))


def surface(mask: Mask) -> NDArray[np.int64]:
    """Return the index triples of the surface voxels, [n, 3]; all voxels when the mask fills the volume."""
    border = mask & ~binary_erosion(mask, border_value=1)
    return np.argwhere(border if border.any() else mask)


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    sides = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        places = np.flatnonzero(mask.any(axis=others))
        sides.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(sides)
