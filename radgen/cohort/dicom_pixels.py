"""Stored pixels of a DICOM file, frame by frame: how they are encoded, whether they are whole, and their decoding."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.pixels import get_decoder

from radgen.cohort.codestreams import declared_size
from radgen.cohort.dicom_elements import kind_name, read_dataset, text_value, value_of
from radgen.cohort.mosaic import is_mosaic, tile_count, untile
from radgen.cohort.refusal import Reason, RefusalError

GREY = ("MONOCHROME1", "MONOCHROME2")
# The decoder for each encoding, the fastest of those that decode it exactly; without a choice pydicom tries gdcm first,
# which takes a fifth longer for JPEG 2000 and half as long again for JPEG-LS.
DECODERS = {
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGBaseline8Bit: "gdcm",
    uid.JPEGExtended12Bit: "gdcm",
    uid.RLELossless: "pydicom",
}
PIXEL_KEYWORDS = {
    (0x7FE0, 0x0010): "PixelData",
    (0x7FE0, 0x0008): "FloatPixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
}
PIXEL_TYPES = frozenset({b"OB", b"OW", b"OF", b"OD", b"UN"})
# OverlayBitPosition of all overlays: 0 for those with pixels of their own.
OVERLAY_BIT_TAGS = tuple((group << 16) + 0x0102 for group in range(0x6000, 0x6020, 2))
# Most pixels of one frame, and most samples of one file: four times the largest pictures of radiology.
MOST_FRAME_PIXELS = 1 << 28
MOST_FILE_SAMPLES = 1 << 32
# Longest part of a compressed frame that is searched for the size it declares.
HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class StoredPixels:
    """Where the pixels of one file are and how they are encoded.

    Parameters
    ----------
    path, start
        The file, and the byte where the value of its pixel element begins.
    syntax
        Transfer syntax.
    keyword
        PixelData, FloatPixelData or DoubleFloatPixelData.
    shape, frames, samples
        Rows and columns as stored, number of frames, samples of one pixel.
    photometric
        PhotometricInterpretation.
    bits
        Allocated, stored, and the number of the highest stored bit.
    signed
        Whether stored values are.
    planar
        PlanarConfiguration.
    tiles
        Slices of a mosaic; 0 for everything else.
    overlay_bits
        Whether bits above the stored ones may hold an overlay.
    """

    path: Path
    start: int
    syntax: uid.UID
    keyword: str
    shape: tuple[int, int]
    frames: int
    samples: int
    photometric: str
    bits: tuple[int, int, int]
    signed: bool
    planar: int
    tiles: int
    overlay_bits: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a stored sample, in the byte order of the file."""
        order = ">" if self.syntax == uid.ExplicitVRBigEndian else "<"
        kind = "f" if self.keyword != "PixelData" else "i" if self.signed else "u"
        return np.dtype(f"{order}{kind}{self.bits[0] // 8}")

    @property
    def frame_bytes(self) -> float:
        """Length of one frame that is not compressed; its bits may not fill bytes."""
        # Of two neighbours this colour space keeps both brightnesses but only one pair of colours.
        samples = 2 if self.photometric == "YBR_FULL_422" and self.samples == 3 else self.samples
        return self.shape[0] * self.shape[1] * samples * self.bits[0] / 8


def open_pixels(path: Path, only: Sequence[int] | None = None) -> tuple[pydicom.Dataset, StoredPixels]:
    """Read a file up to its pixels, or of its header only these elements, and make sure that the pixels are all there.

    Returns
    -------
    header, pixels
        The dataset without its pixels, and what is needed to decode them.

    Raises
    ------
    RefusalError
        foreign, truncated, too-large or undecodable.
    """
    with path.open("rb") as file:
        dataset = read_dataset(file, stop_before_pixels=True, only=only)
        return dataset, stored_pixels(file, dataset, path)


def stored_pixels(file: BinaryIO, dataset: pydicom.Dataset, path: Path) -> StoredPixels:
    """Describe the pixels whose element header `file` stands at."""
    syntax = dataset.file_meta.get("TransferSyntaxUID", uid.ImplicitVRLittleEndian)
    keyword, start = ("PixelData", 0) if syntax.is_deflated else _element_start(file, syntax)
    stored = int(value_of(dataset, "BitsStored") or value_of(dataset, "BitsAllocated") or 0)
    highest = value_of(dataset, "HighBit")
    pixels = StoredPixels(
        path=path,
        start=start,
        syntax=syntax,
        keyword=keyword,
        shape=(int(dataset.Rows), int(dataset.Columns)),
        frames=int(value_of(dataset, "NumberOfFrames") or 1),
        samples=int(value_of(dataset, "SamplesPerPixel") or 1),
        photometric=text_value(dataset, "PhotometricInterpretation"),
        bits=(int(value_of(dataset, "BitsAllocated") or 0), stored, stored - 1 if highest is None else int(highest)),
        signed=bool(value_of(dataset, "PixelRepresentation")),
        planar=int(value_of(dataset, "PlanarConfiguration") or 0),
        tiles=tile_count(dataset) if is_mosaic(dataset) else 0,
        overlay_bits=any(tag in dataset and bool(dataset[tag].value) for tag in OVERLAY_BIT_TAGS),
    )
    _check_bits(pixels)
    _check_size(pixels)
    _check_whole(file, pixels)
    return pixels


def frames_of(pixels: StoredPixels) -> Iterator[NDArray[Any]]:
    """Yield stored values frame by frame: [rows, columns], or [rows, columns, 3] as red, green and blue.

    A mosaic yields its tiles. Values are signed as the header says, without the bits that belong to overlays.

    Raises
    ------
    RefusalError
        undecodable, or truncated where the pixels end early.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for frame in _decoded(pixels):
                within = within_bits(frame, pixels)
                yield from untile(within, pixels.tiles) if pixels.tiles else (within,)
    except RefusalError:
        raise
    except (ValueError, RuntimeError, NotImplementedError, AttributeError, KeyError, EOFError, TypeError) as error:
        text = f"the pixels cannot be decoded ({kind_name(pixels.syntax)}, {type(error).__name__})"
        raise RefusalError(Reason.UNDECODABLE, text) from error


def _decoded(pixels: StoredPixels) -> Iterator[NDArray[Any]]:
    if pixels.syntax.is_deflated:
        with pixels.path.open("rb") as file:
            dataset = read_dataset(file, stop_before_pixels=False)
        yield from _native(BytesIO(dataset[pixels.keyword].value), pixels)
        return
    with pixels.path.open("rb") as file:
        file.seek(pixels.start)
        yield from _compressed(file, pixels) if pixels.syntax.is_encapsulated else _native(file, pixels)


def _native(file: BinaryIO, pixels: StoredPixels) -> Iterator[NDArray[Any]]:
    """Yield frames that are not compressed."""
    if pixels.bits[0] == 1:
        yield from _single_bits(file.read(_whole_bytes(pixels)), pixels)
        return
    if pixels.samples != 1:
        data = file.read(_whole_bytes(pixels))
        for frame, _ in get_decoder(uid.ExplicitVRLittleEndian).iter_array(data, **_options(pixels)):
            yield frame
        return
    length = int(pixels.frame_bytes)
    for _ in range(pixels.frames):
        data = file.read(length)
        if len(data) < length:
            raise RefusalError(Reason.TRUNCATED, "the file ends inside its pixels")
        values = np.frombuffer(data, pixels.dtype).reshape(pixels.shape)
        yield values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def _single_bits(data: bytes, pixels: StoredPixels) -> Iterator[NDArray[Any]]:
    """Yield frames of one bit a pixel, lowest bit first; a frame may begin within a byte."""
    length = pixels.shape[0] * pixels.shape[1]
    for frame in range(pixels.frames):
        start = frame * length
        piece = np.frombuffer(data[start // 8 : (start + length + 7) // 8], np.uint8)
        bits = np.unpackbits(piece, bitorder="little")[start % 8 : start % 8 + length]
        yield bits.reshape(pixels.shape)


def _compressed(file: BinaryIO, pixels: StoredPixels) -> Iterator[NDArray[Any]]:
    plugin = DECODERS.get(pixels.syntax)
    if plugin is None:
        raise RefusalError(Reason.UNDECODABLE, f"no decoder for this encoding ({kind_name(pixels.syntax)})")
    decoder = get_decoder(pixels.syntax)
    for frame, _ in decoder.iter_array(file, decoding_plugin=plugin, **_options(pixels)):
        yield frame


def _options(pixels: StoredPixels) -> dict[str, Any]:
    """Tell pydicom's decoders what a whole dataset would tell them."""
    allocated, stored, _ = pixels.bits
    return {
        "transfer_syntax_uid": pixels.syntax,
        "pixel_vr": "OW" if allocated > 8 else "OB",
        "pixel_keyword": pixels.keyword,
        "rows": pixels.shape[0],
        "columns": pixels.shape[1],
        "number_of_frames": pixels.frames,
        "samples_per_pixel": pixels.samples,
        "photometric_interpretation": pixels.photometric,
        "bits_allocated": allocated,
        "bits_stored": stored,
        "pixel_representation": int(pixels.signed),
        "planar_configuration": pixels.planar,
    }


def within_bits(frame: NDArray[Any], pixels: StoredPixels) -> NDArray[Any]:
    """Take the stored bits out of the allocated ones, where the others hold something else.

    Raises
    ------
    RefusalError
        undecodable: values need more bits than the header stores, and no overlay explains it.
    """
    allocated, stored, highest = pixels.bits
    if allocated == stored or frame.ndim != 2 or frame.dtype.kind == "f":
        return frame
    top = frame.dtype.itemsize * 8 - 1 - highest
    span = frame.dtype.itemsize * 8 - stored
    low, high = int(frame.min()), int(frame.max())
    least, most = (-(1 << stored - 1), (1 << stored - 1) - 1) if pixels.signed else (0, (1 << stored) - 1)
    if highest == stored - 1 and least <= low and high <= most:
        return frame
    sign_not_extended = pixels.signed and low >= 0 and high < 1 << stored
    if highest == stored - 1 and not (pixels.overlay_bits or sign_not_extended):
        text = f"stored values from {low} to {high}, which {stored} bits cannot hold"
        raise RefusalError(Reason.UNDECODABLE, text, float(stored), "bits")
    return (frame << top) >> span


# ---------------------------------------------------------------- is it all there, and is it sane


def _element_start(file: BinaryIO, syntax: uid.UID) -> tuple[str, int]:
    """Return which pixel element `file` stands at and where its value begins."""
    place = file.tell()
    head = file.read(12)
    order = "big" if syntax == uid.ExplicitVRBigEndian else "little"
    group, element = (int.from_bytes(head[at : at + 2], order) for at in (0, 2))  # type: ignore[arg-type]
    keyword = PIXEL_KEYWORDS.get((group, element))
    if keyword is None or len(head) < 12:
        raise RefusalError(Reason.TRUNCATED, "the file ends before its pixels")
    # Explicit encodings name the two letters of a type before the length; read as implicit, damaged letters would shift
    # all pixels by four bytes.
    start = 12 if head[4:6] in PIXEL_TYPES else 8
    if not syntax.is_encapsulated and head[start - 4 : start] == b"\xff\xff\xff\xff":
        raise RefusalError(Reason.TRUNCATED, "the pixels are compressed, but the header names no such encoding")
    if head[4:6] in PIXEL_TYPES:
        return keyword, place + start
    if not syntax.is_implicit_VR:
        raise RefusalError(Reason.TRUNCATED, "the element of the pixels is damaged: its type is none of pixels")
    return keyword, place + start


def _check_bits(pixels: StoredPixels) -> None:
    allocated, stored, highest = pixels.bits
    fits = 1 <= stored <= allocated and stored - 1 <= highest < allocated
    if pixels.keyword == "PixelData" and not (fits and allocated in {1, 8, 16, 32}):
        text = f"{stored} bits stored up to bit {highest} in {allocated} bits"
        raise RefusalError(Reason.UNDECODABLE, text, float(stored), "bits")


def _check_size(pixels: StoredPixels) -> None:
    """Refuse sizes that no image has, before anything of that size is asked of memory."""
    rows, columns = pixels.shape
    samples = rows * columns * pixels.samples * max(1, pixels.frames)
    if rows * columns > MOST_FRAME_PIXELS or samples > MOST_FILE_SAMPLES or pixels.samples not in {1, 3}:
        text = f"{pixels.frames} frames of {rows}x{columns} pixels of {pixels.samples} samples"
        raise RefusalError(Reason.TOO_LARGE, text, float(samples), "samples")


def _check_whole(file: BinaryIO, pixels: StoredPixels) -> None:
    """Compare the bytes after the header with what the header promises."""
    if pixels.syntax.is_deflated:
        return  # nothing is known of the length without inflating
    if pixels.syntax.is_encapsulated:
        _check_items(file, pixels)
        return
    left = file.seek(0, 2) - pixels.start
    promised = _whole_bytes(pixels)
    if left < promised:
        text = f"the file ends inside its pixels: {left} bytes where {promised} are promised"
        raise RefusalError(Reason.TRUNCATED, text, float(left), "bytes")


def _whole_bytes(pixels: StoredPixels) -> int:
    """Return the length of all frames that are not compressed; single bits run on from frame to frame."""
    return math.ceil(pixels.frame_bytes * pixels.frames)


def _check_items(file: BinaryIO, pixels: StoredPixels) -> None:
    """Walk the fragments of compressed pixels to their end mark; each frame has one at least, and says its size."""
    size, place, items = file.seek(0, 2), pixels.start, 0
    while place + 8 <= size:
        file.seek(place)
        mark = file.read(8)
        if mark[:4] == b"\xfe\xff\xdd\xe0":
            if items - 1 < pixels.frames:  # the first item is the table of offsets
                text = f"{items - 1} pieces of compressed pixels for {pixels.frames} frames"
                raise RefusalError(Reason.TRUNCATED, text, float(items - 1), "frames")
            return
        if mark[:4] != b"\xfe\xff\x00\xe0":
            break
        length = int.from_bytes(mark[4:], "little")
        if items:
            _check_codestream(file.read(min(length, HEAD_BYTES)), pixels)
        items += 1
        place += 8 + length
    raise RefusalError(Reason.TRUNCATED, "the file ends inside its compressed pixels")


def _check_codestream(head: bytes, pixels: StoredPixels) -> None:
    """Refuse compressed pixels whose own header asks for another size than the file's: a decoder would obey it."""
    size = declared_size(head)
    if size is not None and size != pixels.shape:
        text = f"compressed pixels of {size[0]}x{size[1]} in an image of {pixels.shape[0]}x{pixels.shape[1]}"
        raise RefusalError(Reason.UNDECODABLE, text)
