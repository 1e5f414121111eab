"""A series brought to a given distance between slices, and where each new slice lies among those of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Distances that differ by less than this share are the same: nothing is interpolated then.
SAME_SPACING = 1e-3


@dataclass(frozen=True)
class SliceAxis:
    """New slice i lies at source slice `offset` + i * `step`; `count` of them.

    >>> SliceAxis.of(5, 3.0, 2.0)
    SliceAxis(count=7, offset=0.0, step=0.6666666666666666)
    """

    count: int
    offset: float = 0.0
    step: float = 1.0

    @classmethod
    def of(cls, count: int, spacing_mm: float, wanted_mm: float | None) -> SliceAxis:
        """Place slices `wanted_mm` apart between the first and the last of a series, the rest split at both ends."""
        if wanted_mm is None or count == 1 or abs(wanted_mm / spacing_mm - 1) < SAME_SPACING:
            return cls(count)
        step = wanted_mm / spacing_mm
        steps = int(np.floor((count - 1) / step + 1e-6))
        return cls(steps + 1, (count - 1 - steps * step) / 2, step)

    @property
    def is_identity(self) -> bool:
        """Whether the slices are those of the file."""
        return self.step == 1 and self.offset == 0

    def resample(self, array: NDArray[Any], *, labels: bool) -> NDArray[Any]:
        """Return the slices at their new places: linear between neighbours, the nearest one for labels.

        Parameters
        ----------
        array
            [slices, rows, columns], any integer or float type, which is kept; integers are rounded.
        labels
            Whether the values are names rather than amounts.
        """
        if self.is_identity:
            return array
        if labels:
            # SimpleITK's nearest neighbour leaves ties to its rounding; here halves go up, as in the plane.
            nearest = np.floor(np.round(self.offset + self.step * np.arange(self.count), 6) + 0.5).astype(np.int64)
            return array[np.minimum(nearest, len(array) - 1)]
        import SimpleITK as sitk  # noqa: N813 - its usual name; heavy

        image = sitk.GetImageFromArray(array.astype(np.float32, copy=False))
        resampler = sitk.ResampleImageFilter()
        resampler.SetNumberOfThreads(1)
        resampler.SetInterpolator(sitk.sitkLinear)
        resampler.SetSize((*image.GetSize()[:2], self.count))
        resampler.SetOutputSpacing((1.0, 1.0, self.step))
        resampler.SetOutputOrigin((0.0, 0.0, self.offset))
        values: NDArray[np.float32] = sitk.GetArrayFromImage(resampler.Execute(image))
        return values.astype(array.dtype) if array.dtype.kind == "f" else np.rint(values).astype(array.dtype)
