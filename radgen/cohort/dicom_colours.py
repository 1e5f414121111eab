"""Colour DICOM: which colour spaces are read, and palettes as red, green and blue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import apply_color_lut

from radgen.cohort.refusal import Reason, RefusalError

PALETTE = "PALETTE COLOR"
# Decoders turn all but the palette into red, green and blue by themselves.
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", PALETTE)


def red_green_blue(stored: NDArray[Any], dataset: pydicom.Dataset) -> NDArray[np.uint8]:
    """Return a decoded colour frame as uint8 [rows, columns, 3].

    Parameters
    ----------
    stored
        [rows, columns, 3] as decoded, or [rows, columns] of palette entries; a palette of 16 bits keeps its upper 8.
    dataset
        Header of the image, for its palette.

    Raises
    ------
    RefusalError
        undecodable: no palette, a damaged one, or more than 8 bits.
    """
    if stored.ndim == 2:
        try:
            stored = apply_color_lut(stored, dataset)
        except (ValueError, KeyError, AttributeError, IndexError) as error:
            text = f"the palette of the image is missing or damaged ({type(error).__name__})"
            raise RefusalError(Reason.UNDECODABLE, text) from error
        stored = (stored >> 8).astype(np.uint8) if stored.dtype == np.uint16 else stored
    if stored.shape[2:] != (3,) or stored.dtype != np.uint8:
        raise RefusalError(Reason.UNDECODABLE, f"colours of {stored.dtype.itemsize * 8} bits; 8 are read")
    return np.asarray(stored, dtype=np.uint8)
