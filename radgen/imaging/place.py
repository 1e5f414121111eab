"""Where the square stored picture lies on the slices of a series: padded to a square, or a fixed field of view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from radgen.imaging.refusal import Reason, RefusedError
from radgen.imaging.resize import Axis, Geometry, fit_axis

# A pixel that reaches over the edge of the field by less than this share of itself is inside: places are rounded to
# whole pixels where nothing needs to be interpolated.
EDGE_TOLERANCE_PX = 0.51

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Place:
    """The geometry shared by all stored slices of a series.

    Parameters
    ----------
    geometry
        Stored pixels on the source grid.
    pixel_mm
        Side of a stored pixel; stored pixels are square.
    spacing_mm
        Source pixel size along rows, columns.
    is_field
        Whether a fixed field of view is asked for, so that a body may not fit.
    """

    geometry: Geometry
    pixel_mm: float
    spacing_mm: tuple[float, float]
    is_field: bool

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        spacing_mm: tuple[float, ...],
        body: Mask | None,
        size_px: int,
        *,
        field_mm: float | None,
    ) -> Self:
        """Place the picture on a series.

        Parameters
        ----------
        shape, spacing_mm
            Rows, columns of the source slices and their pixel size in mm.
        body
            Boolean [slices, rows, columns]; a fixed field of view is centred on its bounding box, and on the slice
            without it.
        size_px
            Side of the stored picture in pixels.
        field_mm
            Its physical side; None pads the slice to a square.
        """
        rows, cols = shape
        row_mm, col_mm = spacing_mm
        centres = ((rows - 1) / 2, (cols - 1) / 2)
        if field_mm is None:
            side_mm = max(rows * row_mm, cols * col_mm)
        else:
            side_mm = field_mm
            if body is not None and body.any():
                centres = (_middle(_shadow(body, (0, 2))), _middle(_shadow(body, (0, 1))))
        pixel_mm = side_mm / size_px
        geometry = Geometry(
            fit_axis(size_px, rows, pixel_mm / row_mm, centres[0]),
            fit_axis(size_px, cols, pixel_mm / col_mm, centres[1]),
        )
        return cls(geometry, pixel_mm, (row_mm, col_mm), field_mm is not None)

    def refuse_beyond_field(self, body: Mask | None) -> None:
        """Refuse a slice whose body (or whole picture, without one) reaches beyond a fixed field of view.

        Raises
        ------
        RefusedError
            beyond-field-of-view, with the body's larger side and the field's side in mm.
        """
        if not self.is_field:
            return
        axes = (self.geometry.rows, self.geometry.cols)
        sides = (
            [np.ones(axis.source, dtype=bool) for axis in axes]
            if body is None
            else [_shadow(body, 1), _shadow(body, 0)]
        )
        if all(_fits(axis, side) for axis, side in zip(axes, sides, strict=True)):
            return
        height, width = (_extent(side) * mm for side, mm in zip(sides, self.spacing_mm, strict=True))
        field = self.pixel_mm * self.geometry.rows.stored
        msg = f"the body measures {height:.0f} x {width:.0f} mm and reaches beyond the field of view of {field:.0f} mm"
        raise RefusedError(Reason.BEYOND_FIELD, msg, max(height, width), field)


def _shadow(body: Mask, axis: int | tuple[int, ...]) -> Mask:
    return np.asarray(body.any(axis=axis), dtype=bool)


def _middle(side: Mask) -> float:
    inside = np.flatnonzero(side)
    return float(inside[0] + inside[-1]) / 2


def _extent(side: Mask) -> int:
    inside = np.flatnonzero(side)
    return int(inside[-1] - inside[0] + 1) if inside.size else 0


def _fits(axis: Axis, side: Mask) -> bool:
    inside = np.flatnonzero(side)
    if not inside.size:
        return True
    first, last = axis.offset - axis.step / 2, axis.offset + axis.step * (axis.stored - 0.5)
    return bool(first - EDGE_TOLERANCE_PX <= inside[0] - 0.5 and inside[-1] + 0.5 <= last + EDGE_TOLERANCE_PX)
