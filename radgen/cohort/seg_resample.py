"""DICOM SEG objects on another grid than their image: each voxel takes the pixel that lies nearest."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.candidates import Remark
from radgen.cohort.grids import labels_outside, resampled, sample
from radgen.cohort.planes import SAME_PLACE_MM, Plane, normal_of, plane_affine
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.segmentations import painted
from radgen.cohort.settings import StructureSettings
from radgen.imaging.volume import Volume


def resample_segmentation(
    path: Path, shape: tuple[int, int, int], affine: NDArray[np.float64], structures: StructureSettings
) -> tuple[NDArray[np.uint8], tuple[Remark, ...]]:
    """Paint the segments of one SEG file onto an image of another grid.

    A frame reaches as far up and down as half its spacing (its thickness, where the file names no spacing), and never
    beyond the middle between frames: what lies between frames that are left out is background.

    Parameters
    ----------
    path, shape, affine, structures
        As for `read_segmentation`.

    Returns
    -------
    labels, remarks
        As of `grids.nearest`.

    Raises
    ------
    RefusalError
        The file is damaged, or none of its segments lies in the image.
    InputError
        A segment's label is named by no structure.
    """
    pieces = painted(path, structures, affine)
    labels = np.zeros(shape, dtype=np.uint8)
    furthest_mm, lost, reached = 0.0, 0, 0
    gap_mm = _gap_mm([plane for _, plane, _ in pieces])
    for structure, plane, seen in pieces:
        slab = Volume(seen[np.newaxis], plane_affine(plane, normal_of(plane) * gap_mm))
        lost += labels_outside(slab, shape, affine)
        box = _box(slab, shape, affine)
        moved = affine.copy()
        moved[:3, 3] = (affine @ [*(part.start for part in box), 1])[:3]
        first, second, third = (part.stop - part.start for part in box)
        near, distance_mm, _ = sample(slab, (first, second, third), moved)
        labels[box][near] = structure
        furthest_mm, reached = max(furthest_mm, distance_mm), reached + int(np.count_nonzero(near))
    if lost and not reached:
        raise RefusalError(Reason.MASK_OTHER_GRID, "the segmentation reaches no voxel of its image")
    return labels, resampled(furthest_mm, missed=0, lost=lost)


def _gap_mm(planes: Sequence[Plane]) -> float:
    """Return the frames' spacing, or the smallest distance of two along their normal where that is less."""
    along = np.sort([float(normal_of(planes[0]) @ plane.position_mm) for plane in planes])
    gaps = np.diff(along)
    return float(min([*(plane.thickness_mm for plane in planes), *gaps[gaps > SAME_PLACE_MM]], default=1.0))


def _box(slab: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> tuple[slice, slice, slice]:
    """Return the part of an image that can be nearest to a frame; perhaps empty."""
    ends = np.array([[*corner, 1] for corner in itertools.product(*((-0.5, size - 0.5) for size in slab.array.shape))])
    reach = (ends @ (np.linalg.inv(affine) @ slab.affine).T)[:, :3]
    low = np.clip(np.floor(reach.min(axis=0)).astype(int), 0, shape)
    high = np.clip(np.ceil(reach.max(axis=0)).astype(int) + 1, low, shape)
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return first, second, third
