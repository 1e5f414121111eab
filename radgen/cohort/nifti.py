"""NIfTI files: headers for the inventory, memory-mapped volumes for the slices, label maps."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from radgen.cohort.dicom_volumes import rescale
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import Volume

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class NiftiHeader:
    """Size and voxel edges (mm) along the three array axes, and how many volumes the file holds."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    volumes: int


def read_header(path: Path) -> NiftiHeader:
    """Read a header and make sure that the voxels it promises are there.

    Raises
    ------
    RefusalError
        foreign, truncated or colour.
    """
    image = _load(path)
    shape = image.shape
    if image.get_data_dtype().names is not None:
        raise RefusalError(Reason.COLOUR, "a NIfTI file of colour voxels; only grey volumes are read")
    if not 2 <= len(shape) <= 5 or min(shape) < 1:
        raise RefusalError(Reason.FOREIGN, f"a NIfTI file of shape {shape}; radgen reads volumes")
    promised = int(image.dataobj.offset) + int(np.prod(shape, dtype=np.int64)) * image.get_data_dtype().itemsize
    present = _length(path, promised)
    if present < promised:
        text = f"the file ends inside its voxels: {present} bytes where {promised} are promised"
        raise RefusalError(Reason.TRUNCATED, text)
    rows, columns, slices = (*shape, 1)[:3]
    return NiftiHeader((rows, columns, slices), _affine(image), int(np.prod(shape[3:], dtype=np.int64)))


def read_volume(path: Path, repeat: int = 0) -> Volume:
    """Read one volume: a memory map where it is neither compressed nor scaled; gzip files to their check sum.

    Parameters
    ----------
    path
        A .nii or .nii.gz file.
    repeat
        Which volume of a file that holds several.

    Returns
    -------
    Volume
        Array axes as in the file. Integers stay integers where scl_slope and scl_inter are whole numbers.

    Raises
    ------
    RefusalError
        foreign, bad-geometry, or truncated: the voxels end too early or are not those that were compressed.
    """
    image = _load(path)
    try:
        stored = _stored(image, path)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise RefusalError(Reason.TRUNCATED, f"the voxels cannot be read ({type(error).__name__})") from error
    if stored.ndim == 2:
        stored = stored[:, :, np.newaxis]
    stored = stored.reshape((*stored.shape[:3], -1), order="F")[..., repeat]
    slope, intercept = (float(value) for value in (image.dataobj.slope, image.dataobj.inter))
    if (slope, intercept) != (1.0, 0.0):
        stored = rescale(stored, slope, intercept)
    if stored.dtype == np.float64:
        stored = stored.astype(np.float32)
    if not stored.dtype.isnative:
        stored = stored.astype(stored.dtype.newbyteorder("="))
    return Volume(stored, _affine(image))


def _load(path: Path) -> Any:  # noqa: ANN401 - nibabel is untyped
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise RefusalError(Reason.FOREIGN, f"the file is not a NIfTI volume ({type(error).__name__})") from error
    if not isinstance(image, nib.Nifti1Image):
        raise RefusalError(Reason.FOREIGN, f"a {type(image).__name__}, which is not a NIfTI volume")
    return image


def _stored(image: Any, path: Path) -> NDArray[Any]:  # noqa: ANN401 - nibabel is untyped
    with path.open("rb") as file:
        if file.read(2) != GZIP_MAGIC:
            return np.asarray(image.dataobj.get_unscaled())
    with gzip.open(path) as stream:
        stored = np.asarray(type(image).from_stream(stream).dataobj.get_unscaled())
        # The check sum stands behind the last voxel and is compared only by a reader who asks for more.
        while stream.read(1 << 20):
            pass
    return stored


def _affine(image: Any) -> NDArray[np.float64]:  # noqa: ANN401 - nibabel is untyped
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.all(np.isfinite(affine)) or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise RefusalError(Reason.BAD_GEOMETRY, "the affine of the NIfTI file is singular or not finite")
    return affine


def _length(path: Path, promised: int) -> int:
    """Return the length of the file's content.

    A gzip file tells it in its last four bytes; they are believed when they agree with the header, else the file is
    read through, because a truncated file has other bytes there.
    """
    with path.open("rb") as file:
        if file.read(2) != GZIP_MAGIC:
            return path.stat().st_size
        file.seek(-4, 2)
        if int.from_bytes(file.read(4), "little") == promised % 2**32:
            return promised
    total = 0
    try:
        with gzip.open(path) as file:
            while block := file.read(1 << 20):
                total += len(block)
    except (OSError, EOFError, zlib.error):
        return min(total, promised - 1)
    return total
