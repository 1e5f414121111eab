"""What the header of a file that names no series says: size, place, and how many volumes it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.candidates import Remark, Size, canonical_size
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import CANONICAL_DIRECTIONS, Volume

# Formats that know no millimetres: a step is a pixel, and the stored axes are the canonical ones.
WITHOUT_MM = frozenset({"picture", "npy"})


@dataclass(frozen=True, eq=False, slots=True)
class VolumeHeader:
    """Of a NIfTI, NRRD, NumPy or picture file.

    Parameters
    ----------
    format
        nifti | nrrd | npy | picture.
    shape
        Along the three array axes as stored.
    affine
        float64 [4, 4], array index to RAS+ mm; None for a format that knows no millimetres.
    volumes
        How many volumes of that shape the file holds.
    segments
        Names of the segments, where the file is a segmentation that names them.
    remarks
        What is unusual about the file and accepted.
    """

    format: str
    shape: tuple[int, int, int]
    affine: NDArray[np.float64] | None = None
    volumes: int = 1
    segments: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def size(self) -> Size:
        """Shape and voxel edges along the canonical axes; without millimetres the stored axes are the canonical."""
        return (self.shape, None) if self.affine is None else canonical_size(self.shape, self.affine)


def unplaced(array: NDArray[Any]) -> Volume:
    """Return an array [slices, rows, columns] of a format without millimetres as a volume, canonical as it is."""
    affine = np.eye(4)
    affine[:3, :3] = CANONICAL_DIRECTIONS.T
    return Volume(array, affine)


def native(array: NDArray[Any]) -> NDArray[Any]:
    """Return stored numbers in the machine's byte order, floats with 32 bits; the same array where it is so already.

    Raises
    ------
    RefusalError
        undecodable: a finite number is beyond the range of 32 bits.
    """
    if array.dtype.kind != "f":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    try:
        with np.errstate(over="raise"):
            return array.astype(np.float32, copy=False)
    except FloatingPointError as error:
        text = "64-bit floats beyond the range of 32 bits; no image has such intensities"
        raise RefusalError(Reason.UNDECODABLE, text) from error
