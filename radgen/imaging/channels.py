"""From the intensities of one slice to its stored channels, and how much of the patient the windows clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.imaging.morphology import Mask
from radgen.imaging.resize import Geometry, resize_image
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.window import Window, choose_window, picture_window, round_grey


def choose_windows(
    voxels: NDArray[Any], body: Mask | None, modality: str, settings: SlicesSettings, *, as_shown: bool
) -> tuple[Window, ...]:
    """Choose the windows of a series, one for each channel that differs.

    Parameters
    ----------
    voxels, body, modality
        As for `choose_window`.
    settings
        `channels: windows` gives CT one window for each pair of `window.ct_channels`.
    as_shown
        The values are grey levels of a picture already.
    """
    if as_shown:
        return (picture_window(voxels),)
    if modality == "CT" and settings.channels == "windows":
        return tuple(Window(centre - width / 2, centre + width / 2) for centre, width in settings.window.ct_channels)
    return (choose_window(voxels, body, modality, settings.window),)


def grey_planes(
    values: NDArray[Any], colours: NDArray[Any] | None, windows: Sequence[Window]
) -> list[NDArray[np.float32]]:
    """Return the grey levels of a slice before rounding, float32 [rows, columns] for each channel.

    Parameters
    ----------
    values
        Intensities [rows, columns].
    colours
        Red, green and blue [rows, columns, 3] where they become three channels.
    windows
        One for each channel of grey; colours share the first.
    """
    if colours is None:
        return [window.scale(values) for window in windows]
    return [windows[0].scale(colours[..., channel]) for channel in range(3)]


def stored_image(planes: Sequence[NDArray[np.float32]], body: Mask | None, geometry: Geometry) -> NDArray[np.uint8]:
    """Return the stored picture, uint8 [channels, H, W]: black outside the body, on the stored grid, rounded once."""
    stored = np.empty((len(planes), geometry.rows.stored, geometry.cols.stored), dtype=np.uint8)
    for channel, grey in enumerate(planes):
        if geometry.is_identity:  # the same bytes as below in a third of the time
            stored[channel] = np.rint(grey)
            if body is not None:
                stored[channel] *= body.view(np.uint8)
        else:
            stored[channel] = round_grey(resize_image(grey if body is None else grey * body, geometry))
    return stored


def clipped_fraction(values: NDArray[Any], body: Mask | None, windows: Sequence[Window]) -> float:
    """Return the share of body pixels (of all pixels where `body` is None) that lie outside every window."""
    outside = windows[0].outside(values)
    for window in windows[1:]:
        outside &= window.outside(values)
    if body is None:
        return float(np.count_nonzero(outside)) / max(outside.size, 1)
    outside &= body
    return float(np.count_nonzero(outside)) / max(int(np.count_nonzero(body)), 1)
