"""Label maps that are picture files: of a picture, or one for each slice of a series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort import pictures
from radgen.cohort.refusal import Reason, RefusalError, blaming
from radgen.imaging.colour import grey_of

# Of a binary picture, brightness from here on (of 255) is label 1.
BRIGHT = 128
# What lossy compression may leave of black. Brighter, but nowhere bright: these are label ids, not black and white.
COMPRESSED_BLACK = 32


def read_binary(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Return 1 where a picture, JPEG for example, is brighter than mid-grey, else 0; [1, rows, columns].

    Raises
    ------
    RefusalError
        undecodable, or nothing is bright although something is drawn.
    """
    path = paths[0]
    grey = grey_of(pictures.read_volume(path).array)
    if len(grey) != 1 or grey.dtype.kind != "u":
        raise RefusalError(Reason.UNDECODABLE, f"{len(grey)} pages of {grey.dtype}; a binary picture is one of 8 bits")
    step = np.iinfo(grey.dtype).max // 255
    bright, most = grey >= BRIGHT * step, int(grey.max()) // step
    if COMPRESSED_BLACK <= most < BRIGHT or (0 < most < BRIGHT and not _lossy(path)):
        text = f"the brightest pixel of a binary picture is {most}, and white begins at {BRIGHT}; are these label ids?"
        raise RefusalError(Reason.UNDECODABLE, text, float(most), "grey")
    return np.asarray(bright, dtype=np.uint8)


def read_stack(paths: Sequence[Path]) -> NDArray[Any]:
    """Return label ids [slices, rows, columns] as stored, from one picture for each slice in their order.

    Raises
    ------
    RefusalError
        undecodable, or mixed-size.
    """
    planes: list[NDArray[Any]] = []
    for path in paths:
        with blaming(path):
            plane = pictures.read_stored(path)
            if planes and plane.shape != planes[0].shape:
                text = f"masks of {_size(planes[0])} and of {_size(plane)} pixels in one series"
                raise RefusalError(Reason.MIXED_SIZE, text)
            planes.append(plane)
    return np.stack(planes)


def _lossy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == b"\xff\xd8\xff"


def _size(plane: NDArray[Any]) -> str:
    return f"{plane.shape[0]}x{plane.shape[1]}"
