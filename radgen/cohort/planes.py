"""DICOM planes and the volumes they make: order along the normal, even gaps, no tilt, one grid."""

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
# Largest deviation of a gap from the median gap, as a share of it: 0.625 mm written as 0.62 and 0.63 passes.
GAP_TOLERANCE = 0.05
# Largest angle between the stack's axis and the normal of its planes, in degrees.
TILT_TOLERANCE_DEGREES = 0.5
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
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
    order
        What tells planes at one position apart in time: acquisition number, instance number.
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
    order: tuple[int, int]
    slope: float
    intercept: float


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes of one volume in order along their normal, and the affine of that volume.

    Parameters
    ----------
    planes
        From the lowest to the highest projection on the normal.
    affine
        float64 [4, 4]; maps (plane, row, column, 1) to RAS+ mm.
    """

    planes: tuple[Plane, ...]
    affine: NDArray[np.float64]


def stacks_of(planes: Sequence[Plane]) -> list[Stack]:
    """Order planes into one volume, or into as many as there are planes at each position.

    Raises
    ------
    RefusalError
        mixed-size, mixed-orientation, mixed-spacing, uneven-repeats, uneven-gaps or tilted.
    """
    _check_one_grid(planes)
    normal = _normal(planes[0])
    places = _group_by_place(planes, normal)
    counts = sorted({len(place) for place in places})
    if len(counts) > 1:
        raise RefusalError(
            Reason.UNEVEN_REPEATS,
            f"between {counts[0]} and {counts[-1]} images share one position; time points are missing",
        )
    stacks = []
    for repeat in range(counts[0]):
        chosen = tuple(place[repeat] for place in places)
        stacks.append(Stack(chosen, _affine(chosen, normal)))
    return stacks


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
    affine[:3, 0] = _normal(plane) * plane.thickness_mm if step_mm is None else step_mm
    affine[:3, 1] = along_column * plane.spacing_mm[0]
    affine[:3, 2] = along_row * plane.spacing_mm[1]
    affine[:3, 3] = plane.position_mm
    affine[:3] = LPS_TO_RAS @ affine[:3]
    return affine


def _normal(plane: Plane) -> NDArray[np.float64]:
    normal = np.cross(plane.directions[:3], plane.directions[3:])
    length = float(np.linalg.norm(normal))
    if abs(length - 1) > 10 * DIRECTION_TOLERANCE:
        raise RefusalError(
            Reason.BAD_GEOMETRY,
            f"the image directions are not perpendicular unit vectors (their cross product has length {length:.3f})",
        )
    return np.asarray(normal / length, dtype=np.float64)


def _check_one_grid(planes: Sequence[Plane]) -> None:
    shapes = sorted({plane.shape for plane in planes})
    if len(shapes) > 1:
        raise RefusalError(
            Reason.MIXED_SIZE,
            f"slices of {shapes[0][0]}x{shapes[0][1]} and of {shapes[-1][0]}x{shapes[-1][1]} pixels in one series",
        )
    directions = np.array([plane.directions for plane in planes])
    spread = float(np.ptp(directions, axis=0).max())
    if spread > DIRECTION_TOLERANCE:
        raise RefusalError(
            Reason.MIXED_ORIENTATION,
            f"slices of several orientations in one series (cosines differ by up to {spread:.3f}), as in a localizer",
        )
    spacings = np.array([plane.spacing_mm for plane in planes])
    low, high = float(spacings.min()), float(spacings.max())
    if low <= 0:
        raise RefusalError(Reason.BAD_GEOMETRY, f"a pixel spacing of {low:g} mm is impossible")
    if float(np.ptp(spacings, axis=0).max()) > SPACING_TOLERANCE_MM:
        raise RefusalError(Reason.MIXED_SPACING, f"pixel spacings between {low:g} and {high:g} mm in one series")


def _group_by_place(planes: Sequence[Plane], normal: NDArray[np.float64]) -> list[list[Plane]]:
    """Gather planes at the same distance along the normal, each group in order of time."""
    along = {id(plane): float(np.dot(normal, plane.position_mm)) for plane in planes}
    groups: list[list[Plane]] = []
    for plane in sorted(planes, key=lambda item: (along[id(item)], item.order, item.file, item.frame)):
        if groups and along[id(plane)] - along[id(groups[-1][0])] < SAME_PLACE_MM:
            groups[-1].append(plane)
        else:
            groups.append([plane])
    return [sorted(group, key=lambda item: (item.order, item.file, item.frame)) for group in groups]


def _affine(planes: tuple[Plane, ...], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(planes) == 1:
        return plane_affine(planes[0])
    positions = np.array([plane.position_mm for plane in planes])
    gaps = np.diff(positions @ normal)
    middle = float(np.median(gaps))
    if float(np.abs(gaps - middle).max()) > GAP_TOLERANCE * middle:
        raise RefusalError(
            Reason.UNEVEN_GAPS,
            f"gaps between slices run from {gaps.min():.3f} to {gaps.max():.3f} mm, so slices are missing or uneven",
        )
    step = (positions[-1] - positions[0]) / (len(planes) - 1)
    cosine = float(step @ normal / np.linalg.norm(step))
    degrees = float(np.degrees(np.arccos(min(1.0, cosine))))
    if degrees > TILT_TOLERANCE_DEGREES:
        raise RefusalError(
            Reason.TILTED, f"the stack is tilted by {degrees:.1f} degrees against its slices (gantry tilt)"
        )
    return plane_affine(planes[0], step)
