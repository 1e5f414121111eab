"""From colour to grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601: the weights of red, green and blue, in parts of 65536; they add up to that, so that grey stays grey.
WEIGHTS = (19595, 38470, 7471)


def luminance(colours: NDArray[Any]) -> NDArray[Any]:
    """Return the brightness of colours, rounded, in their own type.

    Parameters
    ----------
    colours
        uint8 or uint16 [..., 3]: red, green, blue.

    Returns
    -------
    array
        The same type [...].

    >>> luminance(np.array([[0, 255, 0], [7, 7, 7]], dtype=np.uint8)).tolist()
    [150, 7]
    """
    total = np.full(colours.shape[:-1], 1 << 15, dtype=np.uint32)
    for channel, weight in enumerate(WEIGHTS):
        total += colours[..., channel].astype(np.uint32) * np.uint32(weight)
    return (total >> 16).astype(colours.dtype)


def grey_of(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return a volume's intensities [a0, a1, a2]: of a colour volume [a0, a1, a2, 3] the luminance."""
    return luminance(voxels) if voxels.ndim == 4 else voxels
