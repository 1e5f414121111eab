"""The quality filter: slices that are almost empty, flat, or the same as an earlier one of their series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radgen.imaging.refusal import Reason, RefusedError
from radgen.imaging.settings import QualitySettings
from radgen.imaging.window import GREYS

# A slice whose every fourth row and column alone show contrast enough need not be looked at whole.
SAMPLE = (slice(None, None, 4), slice(None, None, 4))
# Slices that agree in these pixels are compared in all.
GLANCE = (..., slice(None, None, 8), slice(None, None, 8))


class QualityFilter:
    """Checks the slices of one series in order; it keeps those that it let pass, which are stored anyway.

    Parameters
    ----------
    settings
        Limits.
    """

    def __init__(self, settings: QualitySettings) -> None:
        self._settings = settings
        self._seen: dict[bytes, list[tuple[int, NDArray[np.uint8]]]] = {}

    def check(
        self, index: int, grey: NDArray[np.float32], body: NDArray[np.bool_] | None, stored: NDArray[np.uint8]
    ) -> None:
        """Refuse a slice that teaches nothing.

        Parameters
        ----------
        index
            Number of the slice, named in the message of a later duplicate.
        grey
            Grey levels on the source grid [rows, columns].
        body
            Which of them are body, or None for all.
        stored
            The picture as it would be stored.

        Raises
        ------
        RefusedError
            almost-empty, flat or duplicate-slice.
        """
        pixels = grey.size if body is None else int(np.count_nonzero(body))
        share, least = pixels / grey.size, self._settings.min_body_fraction
        if share < least or pixels == 0:
            msg = f"{share:.4f} of the slice is body, but at least {least:g} is asked for"
            raise RefusedError(Reason.ALMOST_EMPTY, msg, share, least)
        self._check_contrast(grey, body, pixels)
        if self._settings.duplicates:
            self._check_duplicates(index, stored)

    def _check_contrast(self, grey: NDArray[np.float32], body: NDArray[np.bool_] | None, pixels: int) -> None:
        least = self._settings.min_contrast
        some, inside = grey[SAMPLE], None if body is None else body[SAMPLE]
        seen = some.size if inside is None else int(np.count_nonzero(inside))
        # Squared deviations only add up: all pixels spread at least as much as their part that was looked at.
        if seen and contrast(some, inside) * np.sqrt(seen / pixels) >= least:
            return
        spread = contrast(grey, body)
        if spread < least:
            msg = f"the body's grey levels spread over {spread:.4f} of the scale, but at least {least:g} is asked for"
            raise RefusedError(Reason.FLAT, msg, spread, least)

    def _check_duplicates(self, index: int, stored: NDArray[np.uint8]) -> None:
        alike = self._seen.setdefault(stored[GLANCE].tobytes(), [])
        for earlier, picture in alike:
            if np.array_equal(picture, stored):
                msg = f"the slice equals slice {earlier} of its series"
                raise RefusedError(Reason.DUPLICATE, msg, float(earlier), None)
        alike.append((index, stored))


def contrast(grey: NDArray[np.float32], body: NDArray[np.bool_] | None) -> float:
    """Return the standard deviation of the body's grey levels as a share of the grey scale."""
    values = grey if body is None else grey[body]
    return float(values.std(dtype=np.float64)) / GREYS
