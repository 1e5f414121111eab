"""NumPy's own files (.npy): stacks of slices without a place in the patient, as MRNet has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radgen.cohort.headers import VolumeHeader, native, unplaced
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import Volume

MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class _Stored:
    """Shape, memory order and type of the numbers, and the byte where they begin."""

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype[Any]
    offset: int


def read_header(path: Path) -> VolumeHeader:
    """Read a header and make sure that the numbers it promises are there; nothing in the file is executed.

    Raises
    ------
    RefusalError
        foreign, truncated or undecodable.
    """
    stored = _stored(path)
    first, second, third = stored.shape[:3]
    return VolumeHeader("npy", (first, second, third))


def read_volume(path: Path) -> Volume:
    """Read [slices, rows, columns], or with a last axis of 3 for colour, as a memory map where the type allows it.

    Raises
    ------
    RefusalError
        As `read_header`.
    """
    stored = _stored(path)
    array: Any = np.memmap(path, stored.dtype, "r", stored.offset, stored.shape, "C" if stored.order == "C" else "F")
    return unplaced(native(array))


def _stored(path: Path) -> _Stored:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            offset, size = file.tell(), file.seek(0, 2)
    except (OSError, ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise RefusalError(Reason.FOREIGN, f"the file is not a NumPy array ({type(error).__name__})") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise RefusalError(
            Reason.UNDECODABLE,
            f"a NumPy array of {dtype if dtype.names is None else 'records'}; whole numbers and floats are read",
        )
    colour = len(shape) == 4 and shape[3] == 3 and dtype == np.uint8
    if (len(shape) != 3 and not colour) or min(shape) < 1:
        text = f"a NumPy array of shape {shape}; [slices, rows, columns] is read, and uint8 with 3 colours"
        raise RefusalError(Reason.UNDECODABLE, text)
    promised = offset + math.prod(shape) * dtype.itemsize
    if size < promised:
        text = f"the file ends inside its numbers: {size} bytes where {promised} are promised"
        raise RefusalError(Reason.TRUNCATED, text, float(size), "bytes")
    return _Stored(shape, "F" if fortran else "C", dtype, offset)
