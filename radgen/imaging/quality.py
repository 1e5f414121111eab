"""The quality filter: slices that are almost empty, flat, or the same as an earlier one of their series."""

from __future__ import annotations

from collections.abc import Sequence

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
        self._last: tuple[int, NDArray[np.uint8]] | None = None

    def check(
        self,
        index: int,
        planes: Sequence[NDArray[np.float32]],
        body: NDArray[np.bool_] | None,
        stored: NDArray[np.uint8],
    ) -> None:
        """Refuse a slice that teaches nothing.

        Parameters
        ----------
        index
            Number of the slice, named in the message of a later duplicate.
        planes
            Grey levels on the source grid [rows, columns], one array for each channel.
        body
            Which of them are body, or None for all.
        stored
            The picture as it would be stored, [channels, H, W].

        Raises
        ------
        RefusedError
            almost-empty, flat (in every channel), duplicate-slice or near-duplicate-slice.
        """
        size = planes[0].size
        pixels = size if body is None else int(np.count_nonzero(body))
        share, least = pixels / size, self._settings.min_body_fraction
        if share < least or pixels == 0:
            msg = f"{share:.4f} of the slice is body, but at least {least:g} is asked for"
            raise RefusedError(Reason.ALMOST_EMPTY, msg, share, least)
        self._check_contrast(planes, body, pixels)
        if self._settings.duplicates:
            self._check_duplicates(index, stored)
        if self._settings.near_duplicate_correlation is not None:
            self._check_likeness(stored, self._settings.near_duplicate_correlation)
        self._last = (index, stored)
        self._seen.setdefault(stored[GLANCE].tobytes(), []).append(self._last)

    def _check_contrast(
        self, planes: Sequence[NDArray[np.float32]], body: NDArray[np.bool_] | None, pixels: int
    ) -> None:
        least = self._settings.min_contrast
        inside = None if body is None else body[SAMPLE]
        seen = planes[0][SAMPLE].size if inside is None else int(np.count_nonzero(inside))
        # Squared deviations only add up: all pixels spread at least as much as their part that was looked at.
        if seen and any(contrast(grey[SAMPLE], inside) * np.sqrt(seen / pixels) >= least for grey in planes):
            return
        spread = max(contrast(grey, body) for grey in planes)
        if spread < least:
            msg = f"the body's grey levels spread over {spread:.4f} of the scale, but at least {least:g} is asked for"
            raise RefusedError(Reason.FLAT, msg, spread, least)

    def _check_duplicates(self, index: int, stored: NDArray[np.uint8]) -> None:
        for earlier, picture in self._seen.get(stored[GLANCE].tobytes(), ()):
            if np.array_equal(picture, stored):
                msg = f"the slice equals slice {earlier} of its series"
                raise RefusedError(Reason.DUPLICATE, msg, float(earlier), None)

    def _check_likeness(self, stored: NDArray[np.uint8], most: float) -> None:
        if self._last is None:
            return
        earlier, picture = self._last
        likeness = correlation(stored, picture)
        if likeness > most:
            msg = (
                f"the slice correlates by {likeness:.4f} with the kept slice {earlier}, but at most {most:g} is allowed"
            )
            raise RefusedError(Reason.NEAR_DUPLICATE, msg, likeness, most)


def contrast(grey: NDArray[np.float32], body: NDArray[np.bool_] | None) -> float:
    """Return the standard deviation of the body's grey levels as a share of the grey scale."""
    values = grey if body is None else grey[body]
    return float(values.std(dtype=np.float64)) / GREYS


def correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return Pearson's correlation of two pictures' grey levels; 1 for equal ones, 0 where only one is constant."""
    one, other = (picture.reshape(-1).astype(np.float64) for picture in (first, second))
    one -= one.mean()
    other -= other.mean()
    size = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    if size == 0:
        return float(np.array_equal(first, second))
    return float((one * other).sum() / size)
