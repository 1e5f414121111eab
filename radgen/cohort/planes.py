"""DICOM planes: one frame and its place in the patient, and when several lie on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.refusal import Reason, RefusalError

# Cosines of two directions that count as one; scanners round them to six digits.
DIRECTION_TOLERANCE = 1e-3
# Pixel spacings (mm) that count as one.
SPACING_TOLERANCE_MM = 1e-3
# Positions along the normal (mm) that count as the same place.
SAME_PLACE_MM = 1e-2
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Plane:
    """One frame of a DICOM file and its place in the patient.

    Parameters
    ----------
    file, frame
        Number of the file in its series' list of files, number of the frame in that file.
    shape
        Rows, columns.
    position_mm
        Centre of the first pixel, DICOM LPS.
    directions
        Direction of growing column index, then of growing row index, LPS cosines.
    spacing_mm
        Between rows, between columns (DICOM PixelSpacing).
    thickness_mm
        Distance to assume when a series has only this plane.
    contrast
        What tells images of one place apart that were made otherwise: echo and kind of image.
    order
        What tells planes at one position apart in time: acquisition, temporal position and instance number.
    slope, intercept
        Stored value to intensity.
    """

    file: int
    frame: int
    shape: tuple[int, int]
    position_mm: tuple[float, float, float]
    directions: tuple[float, float, float, float, float, float]
    spacing_mm: tuple[float, float]
    thickness_mm: float
    contrast: tuple[str, ...]
    order: tuple[int, int, int]
    slope: float
    intercept: float


def plane_affine(plane: Plane, step_mm: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the affine of one plane as a volume of one slice, float64 [4, 4], to RAS+ mm.

    Parameters
    ----------
    plane
        The plane.
    step_mm
        From this plane to the next, LPS; by default the plane's thickness along its normal.
    """
    along_row, along_column = np.array(plane.directions[:3]), np.array(plane.directions[3:])
    affine = np.eye(4)
    affine[:3, 0] = normal_of(plane) * plane.thickness_mm if step_mm is None else step_mm
    affine[:3, 1] = along_column * plane.spacing_mm[0]
    affine[:3, 2] = along_row * plane.spacing_mm[1]
    affine[:3, 3] = plane.position_mm
    affine[:3] = LPS_TO_RAS @ affine[:3]
    return affine


def normal_of(plane: Plane) -> NDArray[np.float64]:
    """Return the unit normal of a plane, LPS.

    Raises
    ------
    RefusalError
        bad-geometry: the directions are no perpendicular unit vectors.
    """
    normal = np.cross(plane.directions[:3], plane.directions[3:])
    length = float(np.linalg.norm(normal))
    if not abs(length - 1) <= 10 * DIRECTION_TOLERANCE:
        text = f"the image directions are not perpendicular unit vectors (their cross product has length {length:.3f})"
        raise RefusalError(Reason.BAD_GEOMETRY, text, length, "")
    return np.asarray(normal / length, dtype=np.float64)


def by_orientation(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Gather planes of the same directions, in the order in which the orientations appear."""
    groups: list[list[Plane]] = []
    for plane in planes:
        for group in groups:
            if np.abs(np.subtract(group[0].directions, plane.directions)).max() <= DIRECTION_TOLERANCE:
                group.append(plane)
                break
        else:
            groups.append([plane])
    return groups


def by_place(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Gather planes at the same distance along the normal, each group in order of time."""
    normal = normal_of(planes[0])
    along = {id(plane): float(np.dot(normal, plane.position_mm)) for plane in planes}
    groups: list[list[Plane]] = []
    for plane in sorted(planes, key=lambda item: (along[id(item)], *_time(item))):
        if groups and along[id(plane)] - along[id(groups[-1][0])] < SAME_PLACE_MM:
            groups[-1].append(plane)
        else:
            groups.append([plane])
    return [sorted(group, key=_time) for group in groups]


def _time(plane: Plane) -> tuple[tuple[int, int, int], int, int]:
    return plane.order, plane.file, plane.frame


def check_one_grid(planes: Sequence[Plane]) -> None:
    """Make sure that planes of one orientation have the same size and pixel spacing.

    Raises
    ------
    RefusalError
        mixed-size, mixed-spacing or bad-geometry.
    """
    shapes = sorted({plane.shape for plane in planes})
    if len(shapes) > 1:
        text = f"slices of {shapes[0][0]}x{shapes[0][1]} and of {shapes[-1][0]}x{shapes[-1][1]} pixels in one series"
        raise RefusalError(Reason.MIXED_SIZE, text, float(len(shapes)), "sizes")
    numbers = np.array([(*plane.spacing_mm, *plane.position_mm, *plane.directions) for plane in planes])
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > 1e6:
        raise RefusalError(Reason.BAD_GEOMETRY, "positions, directions or spacings that are no distances in a patient")
    spacings = numbers[:, :2]
    low, high = float(spacings.min()), float(spacings.max())
    if low <= 0:
        raise RefusalError(Reason.BAD_GEOMETRY, f"a pixel spacing of {low:g} mm is impossible", low, "mm")
    if float(np.ptp(spacings, axis=0).max()) > SPACING_TOLERANCE_MM:
        text = f"pixel spacings between {low:g} and {high:g} mm in one series"
        raise RefusalError(Reason.MIXED_SPACING, text, high - low, "mm")
