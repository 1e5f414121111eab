"""Colour pixels as they are stored: transparency is dropped only where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.refusal import Reason, RefusalError


def opaque(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return pixels without their alpha channel.

    Parameters
    ----------
    pixels
        Unsigned whole numbers [..., channels]: 3 (red, green, blue) stay, of 4 (and alpha) or 2 (grey and alpha) the
        last goes.

    Raises
    ------
    RefusalError
        undecodable: a pixel is transparent, so that its colour depends on what it is shown on.
    """
    if pixels.shape[-1] == 3:
        return pixels
    clear = int(np.count_nonzero(pixels[..., -1] != np.iinfo(pixels.dtype).max))
    if clear:
        text = (
            f"{clear} of {pixels[..., -1].size} pixels are transparent, and what lies behind them is unknown; "
            "store the pictures without transparency"
        )
        raise RefusalError(Reason.UNDECODABLE, text, float(clear), "pixels")
    return pixels[..., :-1]
