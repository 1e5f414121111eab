"""The quality filter: slices that are almost empty, flat, or the same as an earlier one of their series."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from radgen.imaging.refusal import Reason, RefusedError
from radgen.imaging.settings import QualitySettings
from radgen.imaging.window import GREYS


class QualityFilter:
    """Checks the slices of one series in order; it remembers digests only.

    Parameters
    ----------
    settings
        Limits.
    """

    def __init__(self, settings: QualitySettings) -> None:
        self._settings = settings
        self._seen: dict[bytes, int] = {}

    def check(self, index: int, grey: NDArray[np.float32], body_pixels: int, stored: NDArray[np.uint8]) -> None:
        """Refuse a slice that teaches nothing.

        Parameters
        ----------
        index
            Number of the slice, named in the message of a later duplicate.
        grey
            Grey levels on the source grid, 0 outside the body.
        body_pixels
            How many source pixels are body.
        stored
            The picture as it would be stored.

        Raises
        ------
        RefusedError
            almost-empty, flat or duplicate-slice.
        """
        share, least = body_pixels / grey.size, self._settings.min_body_fraction
        if share < least or body_pixels == 0:
            msg = f"{share:.4f} of the slice is body, but at least {least:g} is asked for"
            raise RefusedError(Reason.ALMOST_EMPTY, msg, share, least)
        spread, least = contrast(grey, body_pixels), self._settings.min_contrast
        if spread < least:
            msg = f"the body's grey levels spread over {spread:.4f} of the scale, but at least {least:g} is asked for"
            raise RefusedError(Reason.FLAT, msg, spread, least)
        if self._settings.duplicates:
            earlier = self._seen.setdefault(hashlib.blake2b(stored.tobytes(), digest_size=16).digest(), index)
            if earlier != index:
                msg = f"the slice equals slice {earlier} of its series"
                raise RefusedError(Reason.DUPLICATE, msg, float(earlier), None)


def contrast(grey: NDArray[np.float32], body_pixels: int) -> float:
    """Return the standard deviation of the body's grey levels as a share of the grey scale; outside the body lies 0."""
    mean = float(grey.sum()) / body_pixels
    square = float(np.square(grey).sum()) / body_pixels
    return float(np.sqrt(max(square - mean**2, 0.0))) / GREYS
