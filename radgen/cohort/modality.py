"""From stored values to modality units: slope and intercept, lookup table, padding, and which end is bright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from radgen.cohort.dicom_elements import text_value, value_of
from radgen.cohort.refusal import Reason, RefusalError

# Integers up to here stay int16; one below the type's range is left, so that the sign can be turned.
MOST_INT16 = 32767
MOST_INT32 = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Modality:
    """How stored values of one file become modality units, slope and intercept of each frame apart.

    Parameters
    ----------
    table
        Values of the modality lookup table, or None. It takes the place of slope and intercept.
    table_start
        Stored value of its first entry; values beyond its ends get its end entries.
    inverted
        Whether low values are bright (MONOCHROME1); they are negated.
    padding
        Unsigned stored values from the first to the second are padding that was meant as signed: 63536 as -2000. None
        where there is no such padding.
    """

    table: NDArray[Any] | None
    table_start: int
    inverted: bool
    padding: tuple[int, int] | None

    @classmethod
    def of(cls, dataset: pydicom.Dataset) -> Modality:
        """Read it from a header.

        Raises
        ------
        RefusalError
            undecodable: a lookup table that contradicts itself.
        """
        signed = bool(value_of(dataset, "PixelRepresentation"))
        table, start = _lookup_table(dataset, signed=signed)
        inverted = text_value(dataset, "PhotometricInterpretation") == "MONOCHROME1"
        return cls(table, start, inverted, None if signed else _signed_padding(dataset))

    def apply(self, stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
        """Return modality units, growing with brightness: int16 where they are whole and fit, int32 or float32."""
        if self.padding is not None:
            low, high = self.padding
            pad = (stored >= low) & (stored <= high)
            stored = np.where(pad, stored.astype(np.int32) - (1 << 16), stored) if bool(pad.any()) else stored
        if self.table is None:
            values = rescale(stored, slope, intercept)
        else:
            place = np.clip(stored.astype(np.int64) - self.table_start, 0, len(self.table) - 1)
            values = rescale(self.table[place], 1.0, 0.0)
        return np.negative(values) if self.inverted else values


def rescale(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Apply slope and intercept: int16 while whole numbers allow it, else int32, else float32."""
    if slope.is_integer() and intercept.is_integer() and np.issubdtype(stored.dtype, np.integer):
        factor, offset = int(slope), int(intercept)
        ends = [int(stored.min()) * factor + offset, int(stored.max()) * factor + offset]
        if max(map(abs, (*ends, factor, offset))) <= MOST_INT16:
            # Arithmetic modulo 2^16 is exact for results that fit, whatever happened on the way.
            values = stored.astype(np.int16)
            values = values if factor == 1 else values * np.int16(factor)
            return np.asarray(values if offset == 0 else values + np.int16(offset))
        if max(map(abs, ends)) <= MOST_INT32:
            return np.asarray((stored.astype(np.int64) * factor + offset).astype(np.int32))
    return np.asarray((stored.astype(np.float64) * slope + intercept).astype(np.float32))


def _lookup_table(dataset: pydicom.Dataset, *, signed: bool) -> tuple[NDArray[Any] | None, int]:
    sequence = value_of(dataset, "ModalityLUTSequence")
    if not sequence:
        return None, 0
    item = sequence[0]
    descriptor, data = item.get("LUTDescriptor", None), item.get("LUTData", None)
    if descriptor is None or len(descriptor) != 3 or data is None:
        raise RefusalError(Reason.UNDECODABLE, "a modality lookup table without its size or its data")
    entries, start = int(descriptor[0]) or 1 << 16, int(descriptor[1])
    start -= (1 << 16) if signed and start > MOST_INT16 else 0
    if isinstance(data, bytes):
        narrow = len(data) - entries in {0, 1}
        values = np.frombuffer(data, np.uint8) if narrow else np.frombuffer(data[: len(data) // 2 * 2], "<u2")
    else:
        values = np.atleast_1d(np.asarray(data, dtype=np.uint16))
    if len(values) < entries:
        text = f"a modality lookup table of {len(values)} values where {entries} are promised"
        raise RefusalError(Reason.UNDECODABLE, text, float(len(values)), "values")
    return values[:entries].astype(np.int32), start


def _signed_padding(dataset: pydicom.Dataset) -> tuple[int, int] | None:
    """Return the range of padding of unsigned CT pixels that only makes sense as signed, as unsigned numbers."""
    value, limit = value_of(dataset, "PixelPaddingValue"), value_of(dataset, "PixelPaddingRangeLimit")
    sixteen = value_of(dataset, "BitsAllocated") == 16
    if value is None or not sixteen or text_value(dataset, "Modality") != "CT":
        return None
    ends = sorted(int(end) % (1 << 16) for end in (value, value if limit is None else limit))
    return (ends[0], ends[1]) if ends[0] > MOST_INT16 else None
