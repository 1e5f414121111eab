"""NRRD files (.nrrd, .seg.nrrd of 3D Slicer): headers, volumes and layers, placed in RAS+ millimetres once.

The header is parsed by pynrrd from its own lines; the data behind it are read here, bounded by what it promises.
"""

from __future__ import annotations

import bz2
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.colours import opaque
from radgen.cohort.grids import check_affine
from radgen.cohort.headers import VolumeHeader, native
from radgen.cohort.inflate import gzip_member, inflate, refuse_short_gzip
from radgen.cohort.refusal import Reason, RefusalError, distrusting
from radgen.imaging.volume import Volume

MAGIC = b"NRRD000"
MAX_HEADER_BYTES = 1 << 22
# Numbers written as text; more of them belong into a binary file.
MAX_TEXT_BYTES = 1 << 28
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
ENCODINGS = {
    "raw": ("raw",),
    "gzip": ("gzip", "gz"),
    "bzip2": ("bzip2", "bz2"),
    "text": ("ascii", "text", "txt"),
}
# The signs that lead from a file's space to RAS.
TO_RAS = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
}
COLOUR_KINDS = {"rgb-color": 3, "3-color": 3, "rgba-color": 4, "4-color": 4}
# Kinds of an axis along which whole volumes lie: time points, components, or the layers of a segmentation.
LIST_KINDS = frozenset({"list", "time", "domain", "vector", "none", "???"})
SEGMENT_FIELD = re.compile(r"Segment(\d{1,5})_(Name|LabelValue|Layer)")


@dataclass(frozen=True)
class Segment:
    """A structure of a segmentation: the voxels of a layer (a volume of the file) that hold a value."""

    name: str
    value: int
    layer: int


@dataclass(frozen=True, eq=False)
class NrrdFile:
    """Where the numbers lie in a file, and what they are.

    Parameters
    ----------
    sizes
        Of all axes as stored, the fastest first.
    extra
        Which of them is no axis of space; None where all three are.
    colours
        3 or 4 where that axis holds colours, else 0.
    dtype, encoding, offset
        Of the numbers; where they begin in the file.
    affine
        float64 [4, 4], index along the three axes of space to RAS+ mm.
    segments
        Of a segmentation.
    """

    sizes: tuple[int, ...]
    extra: int | None
    colours: int
    dtype: np.dtype[Any]
    encoding: str
    offset: int
    affine: NDArray[np.float64]
    segments: tuple[Segment, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of the axes of space."""
        first, second, third = (size for axis, size in enumerate(self.sizes) if axis != self.extra)
        return first, second, third

    @property
    def volumes(self) -> int:
        """How many volumes, or layers of a segmentation, the file holds."""
        return 1 if self.extra is None or self.colours else self.sizes[self.extra]

    @property
    def promised(self) -> int:
        """Bytes of all numbers, decompressed."""
        return math.prod(self.sizes) * self.dtype.itemsize


def read_header(path: Path) -> VolumeHeader:
    """Read a header and make sure that the numbers it promises are there.

    Raises
    ------
    RefusalError
        foreign, truncated, undecodable, bad-geometry or tilted.
    """
    found = parse(path)
    with path.open("rb") as file:
        if found.encoding == "gzip":
            refuse_short_gzip(file, found.offset, found.promised)
        elif found.encoding == "bzip2":
            file.seek(found.offset)
            inflate(file, found.promised, slice(0, 0), bz2.BZ2Decompressor)
        else:
            size = file.seek(0, 2) - found.offset
            # A number written as text takes a digit and a blank, the last one perhaps no blank.
            least = found.promised if found.encoding == "raw" else 2 * math.prod(found.sizes) - 1
            if size < least:
                text = f"the file ends inside its voxels: {size} bytes where {least} are promised"
                raise RefusalError(Reason.TRUNCATED, text, float(size), "bytes")
    names = tuple(segment.name for segment in found.segments)
    return VolumeHeader("nrrd", found.shape, found.affine, found.volumes, names)


def read_volume(path: Path, repeat: int = 0) -> Volume:
    """Read one volume: a memory map where it is stored raw; compressed files to their check sum.

    Returns
    -------
    Volume
        Array axes as in the file without an axis of colours or volumes; uint8 [a0, a1, a2, 3] for colours.

    Raises
    ------
    RefusalError
        As `read_header`.
    """
    found = parse(path)
    stored = read_numbers(path, found)
    if found.colours:
        return Volume(opaque(np.moveaxis(stored, found.extra or 0, -1)), found.affine)
    if found.extra is not None:
        if not 0 <= repeat < found.volumes:
            text = f"volume {repeat + 1} of a file that holds {found.volumes}; it has changed since the inventory"
            raise RefusalError(Reason.TRUNCATED, text)
        stored = np.take(stored, repeat, axis=found.extra)
    return Volume(native(stored), found.affine)


def parse(path: Path) -> NrrdFile:
    """Parse a header, and refuse what it does not say or what is not read."""
    fields, offset = _fields(path)
    sizes = tuple(int(size) for size in fields["sizes"])
    if int(fields["dimension"]) != len(sizes) or not 3 <= len(sizes) <= 4 or min(sizes) < 1:
        raise RefusalError(Reason.FOREIGN, f"a NRRD file of sizes {sizes}; radgen reads volumes and lists of them")
    for name in ("data file", "datafile"):
        if name in fields:
            text = "a NRRD header whose data lie in another file, which is not read; convert the two to one .nrrd file"
            raise RefusalError(Reason.FOREIGN, text)
    for name in ("line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(name, 0) != 0:
            text = f"a NRRD file whose data begin after a {name} of {fields[name]}; write it without"
            raise RefusalError(Reason.UNDECODABLE, text)
    extra, affine = _place(fields, len(sizes))
    encoding = _one_of(ENCODINGS, str(fields.get("encoding", "")), "encoding")
    kinds = [str(kind).lower() for kind in fields.get("kinds", ["domain"] * len(sizes))]
    colours = 0 if extra is None else _colours(kinds[extra], sizes[extra])
    dtype = _dtype(fields, encoding)
    if colours and dtype != np.uint8:
        raise RefusalError(Reason.COLOUR, f"colours of type {dtype}; those of 8 bits are read")
    return NrrdFile(sizes, extra, colours, dtype, encoding, offset, affine, _segments(fields, sizes, extra))


def read_numbers(path: Path, found: NrrdFile) -> NDArray[Any]:
    """Return all numbers of a file, along its axes as stored."""
    if found.encoding == "raw":
        with distrusting(Reason.TRUNCATED, "the data"):
            return np.memmap(path, found.dtype, "r", found.offset, found.sizes, "F")
    with path.open("rb") as file:
        file.seek(found.offset)
        if found.encoding == "text":
            return _text_numbers(file.read(MAX_TEXT_BYTES + 1), found)
        member = gzip_member if found.encoding == "gzip" else bz2.BZ2Decompressor
        data = inflate(file, found.promised, member=member)
    return np.frombuffer(data, found.dtype, math.prod(found.sizes)).reshape(found.sizes, order="F")


def _fields(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header's fields and where the data begin."""
    import nrrd

    with path.open("rb") as file:
        head = file.read(MAX_HEADER_BYTES)
    end = re.search(rb"\r?\n\r?\n", head)
    if not head.startswith(MAGIC) or end is None:
        raise RefusalError(Reason.FOREIGN, f"a NRRD file without an end of its header in {len(head)} bytes")
    with distrusting(Reason.FOREIGN, "the NRRD header"):
        fields = dict(nrrd.read_header(head[: end.end()].splitlines(keepends=True)))
        missing = [name for name in ("dimension", "sizes", "type", "encoding") if name not in fields]
    if missing:
        raise RefusalError(Reason.FOREIGN, f"a NRRD header that does not say {', '.join(missing)}")
    return fields, end.end()


def _one_of(table: dict[str, tuple[str, ...]], value: str, what: str) -> str:
    for known, names in table.items():
        if value.lower() in names:
            return known
    text = f"a NRRD file of an {what} that is not read; radgen reads {', '.join(names[0] for names in table.values())}"
    raise RefusalError(Reason.UNDECODABLE, text)


def _dtype(fields: dict[str, Any], encoding: str) -> np.dtype[Any]:
    dtype = np.dtype(_one_of(TYPES, str(fields["type"]), "element type"))
    if dtype.itemsize == 1 or encoding == "text":
        return dtype
    order = str(fields.get("endian", "")).lower()
    if order not in {"little", "big"}:
        raise RefusalError(Reason.UNDECODABLE, "the NRRD header does not say whether numbers are little or big endian")
    return dtype.newbyteorder("<" if order == "little" else ">")


def _place(fields: dict[str, Any], dimension: int) -> tuple[int | None, NDArray[np.float64]]:
    """Return which axis is none of space, and the affine of the three that are."""
    signs = TO_RAS.get(str(fields.get("space", "")).lower())
    if signs is None:
        text = "the NRRD header names no space of the patient (LPS, RAS or LAS): left and right are unknown"
        raise RefusalError(Reason.BAD_GEOMETRY, text)
    if "space directions" not in fields or "space origin" not in fields:
        raise RefusalError(Reason.BAD_GEOMETRY, "the NRRD header lacks space directions or space origin")
    directions = np.asarray(fields["space directions"], dtype=np.float64)
    origin = np.asarray(fields["space origin"], dtype=np.float64)
    if directions.shape != (dimension, 3) or origin.shape != (3,):
        raise RefusalError(Reason.BAD_GEOMETRY, f"space directions of shape {directions.shape} for {dimension} axes")
    others = [axis for axis in range(dimension) if bool(np.all(np.isnan(directions[axis])))]
    if len(others) != dimension - 3:
        text = f"{dimension - len(others)} of {dimension} axes have a direction; three are those of space"
        raise RefusalError(Reason.BAD_GEOMETRY, text)
    affine = np.eye(4)
    affine[:3, :3] = np.delete(directions, others, axis=0).T
    affine[:3, 3] = origin
    affine[:3] *= np.array(signs, dtype=np.float64)[:, np.newaxis]
    check_affine(affine, "space directions of the NRRD file are")
    return (others[0] if others else None), affine


def _colours(kind: str, size: int) -> int:
    """Return the number of colours along an axis, 0 for volumes."""
    colours = COLOUR_KINDS.get(kind, 0)
    if colours == size:
        return colours
    if colours or kind not in LIST_KINDS:
        text = f"{size} numbers per voxel of a kind that is not read; radgen reads grey, RGB and lists of volumes"
        raise RefusalError(Reason.UNDECODABLE, text)
    return 0


def _segments(fields: dict[str, Any], sizes: tuple[int, ...], extra: int | None) -> tuple[Segment, ...]:
    """Return the segments that Slicer names; early versions gave each a layer of its own and no value."""
    told: dict[int, dict[str, str]] = {}
    for field, value in fields.items():
        match = SEGMENT_FIELD.fullmatch(field)
        if match is not None:
            told.setdefault(int(match[1]), {})[match[2]] = str(value)
    layers = 1 if extra is None else sizes[extra]
    segments = []
    for number, values in sorted(told.items()):
        with distrusting(Reason.FOREIGN, "the list of segments"):
            segment = Segment(
                values.get("Name", ""),
                int(values.get("LabelValue", 1)),
                int(values.get("Layer", number if extra is not None else 0)),
            )
        if not segment.name or not 0 <= segment.layer < layers:
            text = f"segment {number} has no name, or lies in layer {segment.layer} of {layers}"
            raise RefusalError(Reason.FOREIGN, text)
        segments.append(segment)
    return tuple(segments)


def _text_numbers(text: bytes, found: NrrdFile) -> NDArray[Any]:
    if len(text) > MAX_TEXT_BYTES:
        words = f"more than {MAX_TEXT_BYTES} bytes of numbers written as text; write the file raw or gzip"
        raise RefusalError(Reason.TOO_LARGE, words)
    wide = np.dtype(np.float64 if found.dtype.kind == "f" else np.int64 if found.dtype != np.uint64 else np.uint64)
    with distrusting(Reason.TRUNCATED, "the data"):
        numbers = np.array(text.split()).astype(wide)
    if len(numbers) != math.prod(found.sizes):
        words = f"{len(numbers)} numbers are written where {math.prod(found.sizes)} are promised"
        raise RefusalError(Reason.TRUNCATED, words, float(len(numbers)), "numbers")
    exact = numbers.astype(found.dtype)
    if wide.kind != "f" and bool(np.any(exact != numbers)):
        raise RefusalError(Reason.UNDECODABLE, f"numbers from {numbers.min()} to {numbers.max()} as {found.dtype}")
    return exact.reshape(found.sizes, order="F")
