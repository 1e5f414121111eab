"""Display window: source intensities to 8-bit grey and back to within half a grey level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.imaging.refusal import Reason, RefusedError
from radgen.imaging.settings import WindowSettings

GREYS = 255
# Percentiles are read from at most this many voxels, taken at equal steps: the error is far below a grey level.
PERCENTILE_VOXELS = 1 << 20


@dataclass(frozen=True)
class Window:
    """The intensities shown as grey 0 and as grey 255; a linear scale lies between.

    >>> Window(-160.0, 240.0).to_grey(np.array([-2000, -160, 40, 240, 3000])).tolist()
    [0, 0, 128, 255, 255]
    >>> Window(-160.0, 240.0).from_grey(np.array([0, 255], dtype=np.uint8)).tolist()
    [-160.0, 240.0]
    """

    low: float
    high: float

    def scale(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return grey levels before rounding: float32 in [0, 255], clipped; the shape is kept."""
        grey = values.astype(np.float32)
        grey -= np.float32(self.low)
        grey *= np.float32(GREYS / (self.high - self.low))
        return np.clip(grey, 0, GREYS, out=grey)

    def to_grey(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return round((v - low) / (high - low) * 255), clipped, as uint8."""
        return round_grey(self.scale(values))

    def from_grey(self, grey: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the intensity in the middle of each grey level: within (high - low) / 510 of what was unclipped."""
        return self.low + grey.astype(np.float64) * ((self.high - self.low) / GREYS)

    def outside(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Mark values that lie outside the window."""
        low, high = self.low, self.high
        if values.dtype.kind in "iu":  # the same question among whole numbers, without a detour over floats
            limits = np.iinfo(values.dtype)
            low, high = (int(np.clip(edge, limits.min, limits.max)) for edge in (np.ceil(low), np.floor(high)))
        outside = values < low
        outside |= values > high
        return np.asarray(outside)


def round_grey(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round grey levels in [0, 255] to uint8 (halves to even); the argument is overwritten."""
    return np.rint(grey, out=grey).astype(np.uint8)


def choose_window(
    volume: NDArray[Any], body: NDArray[np.bool_] | None, modality: str, settings: WindowSettings
) -> Window:
    """Choose the window of one volume.

    Parameters
    ----------
    volume
        Intensities, any shape.
    body
        Body mask of the same shape, or None.
    modality
        "CT" uses the settings' HU; all else percentiles of the body voxels (of all voxels without a body).
    settings
        The numbers.

    Raises
    ------
    RefusedError
        The volume holds next to one value only.
    """
    if modality == "CT":
        half = settings.ct_width_hu / 2
        return Window(settings.ct_center_hu - half, settings.ct_center_hu + half)
    values = volume[body] if body is not None and body.any() else volume.reshape(-1)
    sample = values[:: -(-values.size // PERCENTILE_VOXELS)]
    low, high = np.percentile(sample, [settings.low_percentile, settings.high_percentile]).tolist()
    if not low < high:
        msg = (
            f"percentiles {settings.low_percentile:g} and {settings.high_percentile:g} are both {low:g}: a flat series"
        )
        raise RefusedError(Reason.FLAT_SERIES, msg, low, high)
    return Window(low, high)


def picture_window(volume: NDArray[Any]) -> Window:
    """Return the window that leaves a picture of 8 bits as it is, and scales one of 16 bits by its type's range.

    Raises
    ------
    RefusedError
        flat-series: every pixel has one value, as in an empty picture.
    """
    low, high = float(volume.min()), float(volume.max())
    if low == high:
        raise RefusedError(Reason.FLAT_SERIES, f"every pixel is {low:g}: an empty picture", low, high)
    return Window(0.0, float(np.iinfo(volume.dtype).max))
