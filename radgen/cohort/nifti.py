"""NIfTI-1 and NIfTI-2 files: headers for the inventory, memory-mapped volumes for the slices, label maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from radgen.cohort.candidates import Remark
from radgen.cohort.colours import opaque
from radgen.cohort.grids import check_affine, corner_distance_mm
from radgen.cohort.headers import VolumeHeader, native
from radgen.cohort.inflate import GZIP_MAGIC, inflate, inflated_head, refuse_short_gzip
from radgen.cohort.modality import rescale
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import Volume

# Corner voxels that qform and sform place so far apart (mm) are a remark: headers round to less.
FORM_TOLERANCE_MM = 0.1
# So far apart, as a share of the smallest voxel edge, they are a refusal: nobody can tell which one is right.
FORM_LIMIT_VOXELS = 0.5
# Data types that are read, by their code. Complex numbers, single bits and 128-bit floats are not.
GREY = {2: "u1", 256: "i1", 512: "u2", 4: "i2", 768: "u4", 8: "i4", 1280: "u8", 1024: "i8", 16: "f4", 64: "f8"}
COLOUR = {128: 3, 2304: 4}  # RGB and RGBA by their code: bytes per voxel


@dataclass(frozen=True, eq=False)
class _Stored:
    """Where the voxels lie in the file, and what they are.

    Parameters
    ----------
    shape
        Three axes of space, then volumes.
    dtype
        Of one number; colours have `channels` of them per voxel.
    offset
        Of the first voxel, in bytes after decompression.
    slope, intercept
        Stored number to intensity.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    channels: int
    offset: int
    slope: float
    intercept: float

    @property
    def volume_bytes(self) -> int:
        return math.prod(self.shape[:3]) * self.channels * self.dtype.itemsize

    @property
    def promised(self) -> int:
        return self.offset + self.volume_bytes * self.shape[3]


def looks_like_nifti(head: bytes) -> bool:
    """Tell from the header's length field and magic, NIfTI-1 or NIfTI-2, gzipped or not."""
    head = inflated_head(head)
    return head[344:348] in {b"n+1\0", b"ni1\0"} or head[4:8] in {b"n+2\0", b"ni2\0"}


def read_header(path: Path) -> VolumeHeader:
    """Read a header and make sure that the voxels it promises are there.

    Raises
    ------
    RefusalError
        foreign, truncated, undecodable, bad-geometry, qform-sform or tilted.
    """
    header = _header(path)
    stored = _stored(header)
    affine, remarks = _place(header, stored.shape[:3])
    _refuse_if_short(path, stored.promised)
    return VolumeHeader("nifti", stored.shape[:3], affine, stored.shape[3], remarks=remarks)


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
        Array axes as in the file. Integers stay integers where scl_slope and scl_inter are whole numbers; a slope that
        is 0 or no number means that the stored numbers are the intensities. RGB voxels are uint8 [a0, a1, a2, 3].

    Raises
    ------
    RefusalError
        As `read_header`, or truncated: the voxels end too early or are not those that were compressed.
    """
    header = _header(path)
    stored = _stored(header)
    affine, _ = _place(header, stored.shape[:3])
    array = _voxels(path, stored, repeat)
    if stored.channels > 1:
        return Volume(opaque(array), affine)
    if (stored.slope, stored.intercept) != (1.0, 0.0):
        array = _scaled(native(array) if array.dtype.kind != "f" else array, stored.slope, stored.intercept)
    return Volume(native(array), affine)


def _header(path: Path) -> Any:  # noqa: ANN401 - nibabel is untyped
    """Parse the header's bytes and nothing behind them: extensions are not needed, and could be of any length."""
    try:
        with path.open("rb") as file:
            head = inflated_head(file.read(1 << 16))
        if not looks_like_nifti(head):
            raise RefusalError(Reason.FOREIGN, "the file is not a NIfTI volume")
        kind = nib.Nifti1Header if head[344:347] in {b"n+1", b"ni1"} else nib.Nifti2Header
        header = kind(head[: kind.sizeof_hdr], check=False)
    except (HeaderDataError, WrapStructError, OSError, ValueError) as error:
        raise RefusalError(Reason.FOREIGN, f"the file is not a NIfTI volume ({type(error).__name__})") from error
    if not bytes(header["magic"]).startswith(b"n+"):
        text = "half of a NIfTI pair of .hdr and .img, which is not read; convert the pair to one .nii file"
        raise RefusalError(Reason.FOREIGN, text)
    return header


def _stored(header: Any) -> _Stored:  # noqa: ANN401 - nibabel is untyped
    shape = tuple(int(size) for size in header["dim"][1 : 1 + max(0, int(header["dim"][0]))])
    if not 2 <= len(shape) <= 7 or min(shape) < 1:
        raise RefusalError(Reason.FOREIGN, f"a NIfTI file of shape {shape}; radgen reads volumes")
    if math.prod(shape[4:]) != 1:
        text = f"a NIfTI file of shape {shape} holds several numbers per voxel (vectors); radgen reads grey and RGB"
        raise RefusalError(Reason.UNDECODABLE, text)
    rows, columns, slices, volumes = (*shape, 1, 1)[:4]
    code = int(header["datatype"])
    channels = COLOUR.get(code, 1)
    if code not in GREY and code not in COLOUR:
        text = f"voxels of data type {code} (complex or unknown); whole numbers, 32- and 64-bit floats and RGB are read"
        raise RefusalError(Reason.UNDECODABLE, text)
    dtype = np.dtype(GREY.get(code, "u1")).newbyteorder(header.endianness)
    offset = float(header["vox_offset"])
    if not offset.is_integer() or offset < header.sizeof_hdr:
        raise RefusalError(Reason.FOREIGN, f"the voxels begin at byte {offset:g}, which is inside the header")
    slope, intercept = _scale(header)
    return _Stored((rows, columns, slices, volumes), dtype, channels, int(offset), slope, intercept)


def _scale(header: Any) -> tuple[float, float]:  # noqa: ANN401 - nibabel is untyped
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise RefusalError(Reason.UNDECODABLE, f"intensities are scaled by {slope:g} and shifted by {intercept}")
    return slope, intercept


def _place(header: Any, shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], tuple[Remark, ...]]:  # noqa: ANN401
    """Return the affine, of the sform where there is one, else of the qform, and what is to be said of it."""
    sform, qform = _form(header, "sform"), _form(header, "qform")
    affine = qform if sform is None else sform
    if affine is None:
        text = "neither qform nor sform says where the voxels lie (both codes are 0): left and right are unknown"
        raise RefusalError(Reason.BAD_GEOMETRY, text)
    if sform is None or qform is None:
        return affine, ()
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    apart, limit = round(corner_distance_mm(sform, qform, shape), 6), FORM_LIMIT_VOXELS * float(edges.min())
    if apart > limit:
        text = (
            f"qform and sform place voxels up to {apart:.3f} mm apart, more than half a voxel ({limit:.3f} mm); "
            "set the code of the wrong one to 0"
        )
        raise RefusalError(Reason.FORMS_DISAGREE, text, apart, "mm")
    return affine, (Remark(Reason.FORMS_DISAGREE, "sform", apart, "mm"),) if apart > FORM_TOLERANCE_MM else ()


def _form(header: Any, name: str) -> NDArray[np.float64] | None:  # noqa: ANN401 - nibabel is untyped
    """Return qform or sform, None where its code says that there is none."""
    try:
        affine, _ = header.get_sform(coded=True) if name == "sform" else header.get_qform(coded=True)
    except (HeaderDataError, ValueError, FloatingPointError) as error:
        raise RefusalError(Reason.BAD_GEOMETRY, f"the {name} of the NIfTI file is damaged") from error
    if affine is None:
        return None
    matrix = np.asarray(affine, dtype=np.float64)
    check_affine(matrix, f"{name} of the NIfTI file is")
    return matrix


def _refuse_if_short(path: Path, promised: int) -> None:
    """Make sure that the voxels are there."""
    with path.open("rb") as file:
        if file.read(2) == GZIP_MAGIC:
            refuse_short_gzip(file, 0, promised)
            return
        present = file.seek(0, 2)
    if present < promised:
        text = f"the file ends inside its voxels: {present} bytes where {promised} are promised"
        raise RefusalError(Reason.TRUNCATED, text, float(present), "bytes")


def _voxels(path: Path, stored: _Stored, repeat: int) -> NDArray[Any]:
    """Return the stored numbers of one volume, [a0, a1, a2] or [a0, a1, a2, channels]."""
    if not 0 <= repeat < stored.shape[3]:
        text = f"volume {repeat + 1} of a file that holds {stored.shape[3]}; it has changed since the inventory"
        raise RefusalError(Reason.TRUNCATED, text)
    first = stored.offset + repeat * stored.volume_bytes
    axes = ((stored.channels,) if stored.channels > 1 else ()) + stored.shape[:3]
    with path.open("rb") as file:
        if file.read(2) == GZIP_MAGIC:
            file.seek(0)
            data = inflate(file, stored.promised, slice(first, first + stored.volume_bytes))
            array: NDArray[Any] = np.frombuffer(data, dtype=stored.dtype).reshape(axes, order="F")
        else:
            try:
                array = np.memmap(file, stored.dtype, "r", first, axes, "F")
            except (OSError, ValueError) as error:
                text = f"the voxels cannot be read ({type(error).__name__})"
                raise RefusalError(Reason.TRUNCATED, text) from error
    return np.moveaxis(array, 0, -1) if stored.channels > 1 else array


def _scaled(array: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Scale as `rescale` does where 32 bits hold every whole number on the way, else with 64."""
    if array.dtype.kind not in "iu" or not (slope.is_integer() and intercept.is_integer()):
        few_bits = array.dtype.itemsize <= 2
        return rescale(array, slope, intercept) if few_bits else array.astype(np.float64) * slope + intercept
    ends = [int(end) * int(slope) for end in (array.min(), array.max())]
    reach = max(abs(end) for end in (*ends, *(end + int(intercept) for end in ends), int(array.max())))
    if reach < 2**31:
        return rescale(array, slope, intercept)
    if reach < 2**63:
        return array.astype(np.int64) * int(slope) + int(intercept)
    return array.astype(np.float64) * slope + intercept
