"""Planes that lie on no regular grid: what is wrong with them, measured, and the way to a grid that is regular."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.planes import Plane, normal_of, plane_affine
from radgen.cohort.refusal import Reason, RefusalError

# Largest deviation of a gap from the usual gap, as a share of it: 0.625 mm written as 0.62 and 0.63 passes.
GAP_TOLERANCE = 0.05
# Largest distance of a plane from its place on the even grid, as a share of the gap: small deviations must not add up.
DRIFT_TOLERANCE = 0.1
# Largest angle between the stack's axis and the normal of its planes, in degrees.
TILT_TOLERANCE_DEGREES = 0.5
# Largest distance of a plane's corner from the straight line through first and last plane, in pixels.
LINE_TOLERANCE_PIXELS = 0.25
# A grid with more than this many times the slices that there are would be mostly invented.
MOST_SLICES_FACTOR = 2.0
# Shifts within the plane below this many pixels are not done: they would only blur.
LEAST_SHIFT_PIXELS = 0.01


@dataclass(frozen=True, eq=False)
class Regrid:
    """How slices in order along their normal become a regular grid perpendicular to them.

    Parameters
    ----------
    shape, affine
        Of the grid; its slices are wider than the planes where these are shifted against each other (tilt).
    sources
        For each slice of the grid the plane at or below it, and how far it lies on the way to the next, [0, 1).
    shifts
        Rows and columns by which each plane is moved into the grid.
    linear
        Whether to interpolate; else the nearest plane and whole pixels are taken.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    sources: tuple[tuple[int, float], ...]
    shifts: tuple[tuple[float, float], ...]
    linear: bool

    def apply(self, slices: NDArray[Any], fill: float | None = None) -> NDArray[Any]:
        """Bring decoded slices [planes, rows, columns] to the grid; what no plane covers gets the lowest value.

        Interpolated whole numbers are rounded, so that the type stays.
        """
        grid = np.full(self.shape, slices.min() if fill is None else fill, slices.dtype)
        for place, (below, way) in enumerate(self.sources):
            if self.linear:
                picture = self._between(slices, below, way)
                covered = ~np.isnan(picture)
                values = picture[covered]
                grid[place][covered] = np.rint(values) if slices.dtype.kind in "iu" else values
            else:
                plane = below + int(way > 0.5)
                down, across = (int(np.rint(shift)) for shift in self.shifts[plane])
                _paste(grid[place], slices[plane], down, across)
        return grid

    def _between(self, slices: NDArray[Any], below: int, way: float) -> NDArray[np.float64]:
        """Interpolate between a plane and the next; not a number where one of them does not reach."""
        picture = self._shifted(slices, below)
        return picture if way == 0 else picture * (1 - way) + self._shifted(slices, below + 1) * way

    def _shifted(self, slices: NDArray[Any], plane: int) -> NDArray[np.float64]:
        """Move a plane by its shift into the grid, interpolating between the four whole shifts around it."""
        moved = np.zeros(self.shape[1:], np.float64)
        down, across = (_whole_shifts(shift) for shift in self.shifts[plane])
        for row, row_share in down:
            for column, column_share in across:
                canvas = np.full(self.shape[1:], np.nan)
                _paste(canvas, slices[plane], row, column)
                moved += canvas * (row_share * column_share)
        return moved


def _whole_shifts(shift: float) -> list[tuple[int, float]]:
    """Return the whole shifts around a shift and their shares; one where the shift is almost whole."""
    nearest = round(shift)
    if abs(shift - nearest) < LEAST_SHIFT_PIXELS:
        return [(nearest, 1.0)]
    low = math.floor(shift)
    return [(low, 1 - (shift - low)), (low + 1, shift - low)]


def _paste(canvas: NDArray[Any], picture: NDArray[Any], row: int, column: int) -> None:
    """Put a picture on a canvas that holds it; a row or column beyond the edge is cut."""
    rows, columns = min(picture.shape[0], canvas.shape[0] - row), min(picture.shape[1], canvas.shape[1] - column)
    canvas[row : row + rows, column : column + columns] = picture[:rows, :columns]


def faults_of(planes: Sequence[Plane]) -> list[RefusalError]:
    """Measure what keeps planes in order along their normal from being a regular grid; empty when nothing does."""
    normal = normal_of(planes[0])
    positions = np.array([plane.position_mm for plane in planes])
    along = positions @ normal
    faults = [fault for fault in (_gap_fault(along), _tilt_fault(positions, normal)) if fault is not None]
    return faults or _line_faults(planes[0], positions, normal)


def usual_gap_mm(along: NDArray[np.float64]) -> float:
    """Return the median gap, of an even number the smaller of the two in the middle."""
    gaps = np.sort(np.diff(along))
    return float(gaps[(len(gaps) - 1) // 2])


def _gap_fault(along: NDArray[np.float64]) -> RefusalError | None:
    gaps, usual = np.diff(along), usual_gap_mm(along)
    even = along[0] + np.arange(len(along)) * (along[-1] - along[0]) / (len(along) - 1)
    worst, drift = float(np.abs(gaps - usual).max()), float(np.abs(along - even).max())
    if worst <= GAP_TOLERANCE * usual and drift <= DRIFT_TOLERANCE * usual:
        return None
    span = f"gaps between slices run from {gaps.min():.3f} to {gaps.max():.3f} mm"
    multiples = np.rint(gaps / usual)
    if np.abs(gaps - multiples * usual).max() <= GAP_TOLERANCE * usual and multiples.max() > 1:
        missing = float(multiples.sum() - len(gaps))
        text = f"{missing:.0f} of {multiples.sum() + 1:.0f} slices are missing: {span}"
        return RefusalError(Reason.MISSING_SLICES, text, missing, "positions")
    text = f"{span}, so slices are missing or uneven"
    return RefusalError(Reason.UNEVEN_GAPS, text, max(worst, drift), "mm")


def _tilt_fault(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> RefusalError | None:
    axis = positions[-1] - positions[0]
    degrees = float(np.degrees(np.arccos(min(1.0, float(axis @ normal / np.linalg.norm(axis))))))
    if degrees <= TILT_TOLERANCE_DEGREES:
        return None
    text = f"the stack is tilted by {degrees:.1f} degrees against its slices (gantry tilt)"
    return RefusalError(Reason.TILTED, text, degrees, "degrees")


def _line_faults(plane: Plane, positions: NDArray[np.float64], normal: NDArray[np.float64]) -> list[RefusalError]:
    """Notice planes shifted sideways out of an otherwise even stack."""
    axis = positions[-1] - positions[0]
    share = (positions - positions[0]) @ normal / float(axis @ normal)
    aside = np.linalg.norm(positions - positions[0] - share[:, np.newaxis] * axis, axis=1)
    worst = float(aside.max())
    if worst <= LINE_TOLERANCE_PIXELS * min(plane.spacing_mm):
        return []
    text = f"a slice lies {worst:.3f} mm beside the line through the others"
    return [RefusalError(Reason.UNEVEN_GAPS, text, worst, "mm")]


def regrid(planes: Sequence[Plane], faults: Sequence[RefusalError], *, linear: bool) -> Regrid:
    """Plan a regular grid through the first and the last plane, perpendicular to the planes.

    Parameters
    ----------
    planes
        In order along their normal.
    faults
        Why; the first is raised where the grid would be mostly invented.
    linear
        Interpolate, or take the nearest.
    """
    first, normal = planes[0], normal_of(planes[0])
    offsets = np.array([plane.position_mm for plane in planes]) - first.position_mm
    along = offsets @ normal
    count = 1 + round(along[-1] / usual_gap_mm(along))
    if count > MOST_SLICES_FACTOR * len(planes):
        raise faults[0]
    step = along[-1] / (count - 1)
    row_mm, column_mm = first.spacing_mm
    down, across = offsets @ first.directions[3:] / row_mm, offsets @ first.directions[:3] / column_mm
    shifts = np.stack([down, across], axis=1)
    shifts[np.abs(shifts) < LEAST_SHIFT_PIXELS] = 0.0
    low, high = np.floor(shifts.min(axis=0)), np.ceil(shifts.max(axis=0))
    if np.any(high - low > first.shape):
        raise faults[0]
    affine = plane_affine(first, normal * step)
    affine[:3, 3] += affine[:3, 1:3] @ low
    rows, columns = (int(size + extra) for size, extra in zip(first.shape, high - low, strict=True))
    return Regrid(
        shape=(count, rows, columns),
        affine=affine,
        sources=tuple(_source(along, place * step) for place in range(count)),
        shifts=tuple((float(row), float(column)) for row, column in shifts - low),
        linear=linear,
    )


def _source(along: NDArray[np.float64], place: float) -> tuple[int, float]:
    """Find the plane below a place along the normal (mm), and the share of the way to the next."""
    below = int(np.clip(np.searchsorted(along, place + 1e-6, side="right") - 1, 0, len(along) - 1))
    if below == len(along) - 1:
        return below, 0.0
    way = float((place - along[below]) / (along[below + 1] - along[below]))
    return below, 0.0 if way < 1e-3 else way
