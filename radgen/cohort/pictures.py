"""Picture files (PNG, JPEG, TIFF, BMP): slices of grey or colour, without a place in the patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from radgen.cohort.colours import opaque
from radgen.cohort.headers import VolumeHeader, unplaced
from radgen.cohort.refusal import Reason, RefusalError, distrusting
from radgen.imaging.volume import Volume

# First bytes of a whole picture and the mark that its last bytes must hold.
MAGIC_AND_END = {
    b"\xff\xd8\xff": b"\xff\xd9",
    b"\x89PNG\r\n\x1a\n": b"IEND",
    b"BM": b"",
    b"II*\x00": b"",
    b"MM\x00*": b"",
    b"II+\x00": b"",  # TIFF beyond 4 GB
    b"MM\x00+": b"",
}
# More pixels than these in one picture are a bomb or no radiograph; Pillow warns from here on.
MAX_PIXELS = 89_478_485
MAX_PAGES = 4096
ORIENTATION = 274  # the EXIF tag that says how a picture is to be turned
SIDEWAYS = frozenset({5, 6, 7, 8})  # its values that exchange rows and columns
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLE_FORMAT = 258, 262, 339
WHITE_IS_ZERO, UNSIGNED, SIGNED, FLOAT = 0, 1, 2, 3
# Bits and sample format of grey TIFF files that are read exactly.
TIFF_GREY = frozenset({(bits, UNSIGNED) for bits in (1, 2, 4, 8, 16, 32)} | {(16, SIGNED), (32, SIGNED), (32, FLOAT)})
LARGEST_GREY = 65535
DEEP_COLOUR = "colours of more than 8 bits per channel; store the picture with 8"

Found = TypeVar("Found")


def looks_like_picture(head: bytes) -> bool:
    """Tell from the first bytes of a file whether it is a picture."""
    return any(head.startswith(magic) for magic in MAGIC_AND_END)


def read_header(path: Path, head: bytes, tail: bytes) -> VolumeHeader:
    """Return how many pages, rows and columns a picture has once it is turned upright.

    Parameters
    ----------
    path
        A picture.
    head, tail
        Its first and last bytes, already read.

    Raises
    ------
    RefusalError
        foreign, truncated, too-large, mixed-size, or colours that are not read exactly.
    """
    end = next(mark for magic, mark in MAGIC_AND_END.items() if head.startswith(magic))
    if end not in tail:
        raise RefusalError(Reason.TRUNCATED, "the picture ends before its end mark")

    def look(picture: Image.Image) -> VolumeHeader:
        width, height = picture.size
        # PNG files may carry the tag behind their pixels, which are then decoded to find it.
        tagged = picture.format != "PNG" or b"eXIf" in head or b"eXIf" in tail
        if tagged and picture.getexif().get(ORIENTATION) in SIDEWAYS:
            width, height = height, width
        pages = sum(1 for _ in _pages(picture))
        return VolumeHeader("picture", (pages, height, width))

    return _opened(path, look, Reason.FOREIGN, "the picture")


def read_volume(path: Path) -> Volume:
    """Read a picture as one slice, a TIFF file of several pages as as many: canonical as they are, no millimetres.

    Returns
    -------
    Volume
        [pages, rows, columns]: uint8, or uint16 where the file has 16 bits, or float32; [pages, rows, columns, 3] uint8
        for colour. Turned upright as its orientation tag says.

    Raises
    ------
    RefusalError
        undecodable, truncated, or as `read_header`.
    """
    refuse_damaged_png(path)

    def decode(picture: Image.Image) -> Volume:
        return unplaced(np.stack([_values(page) for page in _pages(picture)]))

    return _opened(path, decode, Reason.UNDECODABLE, "the picture")


def read_stored(path: Path) -> NDArray[Any]:
    """Return one picture's stored numbers [rows, columns], for label maps: palette indices, and no colour conversion.

    Raises
    ------
    RefusalError
        undecodable: damaged, lossy, in colour, or of several pages.
    """
    refuse_damaged_png(path)
    return _opened(path, _stored, Reason.UNDECODABLE, "the picture")


def _opened(path: Path, look: Callable[[Image.Image], Found], reason: Reason, text: str) -> Found:
    """Look at a picture; whatever goes wrong becomes a refusal."""
    with distrusting(reason, text):
        try:
            with Image.open(path) as picture:
                _check(picture)
                return look(picture)
        except Image.DecompressionBombError as error:
            raise RefusalError(Reason.TOO_LARGE, f"a picture of more than {MAX_PIXELS} pixels") from error


def _check(picture: Image.Image) -> None:
    """Refuse what Pillow would decode to other values than are stored, or not decode at all."""
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        text = f"a picture of {picture.width}x{picture.height} pixels; {MAX_PIXELS} are the most"
        raise RefusalError(Reason.TOO_LARGE, text, float(pixels), "pixels")
    if picture.mode in {"CMYK", "LAB", "HSV", "La", "RGBa"}:
        text = f"colours stored as {picture.mode}, which have no exact red, green and blue; store the picture as RGB"
        raise RefusalError(Reason.COLOUR, text)
    deep = picture.format == "PNG" and picture.mode in {"RGB", "RGBA"} and "16" in _raw_mode(picture)
    if deep:
        raise RefusalError(Reason.COLOUR, DEEP_COLOUR)
    if picture.format == "TIFF":
        _check_tiff(picture)


def _check_tiff(picture: Image.Image) -> None:
    tags = getattr(picture, "tag_v2", {})
    bits, formats = tuple(tags.get(TIFF_BITS, (1,))), tuple(tags.get(TIFF_SAMPLE_FORMAT, (UNSIGNED,)))
    if len(bits) > 1 and (set(bits) != {8} or set(formats) != {UNSIGNED}):
        raise RefusalError(Reason.COLOUR, DEEP_COLOUR)
    if len(bits) == 1 and (bits[0], formats[0]) not in TIFF_GREY:
        text = f"a TIFF file of {bits[0]} bits (sample format {formats[0]}); store 8 or 16 bits, or 32-bit floats"
        raise RefusalError(Reason.UNDECODABLE, text)
    # Pillow swaps the bytes of these twice, and turns these before it knows their width.
    if "libtiff" in str(getattr(picture, "tile", "")) and any(raw in _raw_mode(picture) for raw in (";16BS", ";32B")):
        text = "a compressed big-endian TIFF file of signed numbers or floats, which is not decoded exactly; unpack it"
        raise RefusalError(Reason.UNDECODABLE, text)
    if tags.get(ORIENTATION) in SIDEWAYS:
        text = f"a TIFF file that is stored sideways (orientation {tags[ORIENTATION]}); store it upright"
        raise RefusalError(Reason.UNDECODABLE, text)


def _pages(picture: Image.Image) -> Iterator[Image.Image]:
    """Yield the pages of a TIFF file, which must be alike; any other file must be one picture."""
    count = int(getattr(picture, "n_frames", 1))
    if picture.format != "TIFF":
        if count > 1:
            raise RefusalError(Reason.UNDECODABLE, f"an animation of {count} pictures; store them as single files")
        yield picture
        return
    if count > MAX_PAGES:
        text = f"a TIFF file of {count} pages; {MAX_PAGES} are the most"
        raise RefusalError(Reason.TOO_LARGE, text, float(count), "pages")
    first = None
    for page in range(count):
        picture.seek(page)
        _check(picture)
        kind = (picture.height, picture.width, picture.mode)
        first = first or kind
        if kind != first:
            text = (
                f"page {page + 1} of {count} has {kind[0]}x{kind[1]} pixels ({kind[2]}) "
                f"and the first {first[0]}x{first[1]} ({first[2]})"
            )
            raise RefusalError(Reason.MIXED_SIZE, text)
        yield picture


def _values(picture: Image.Image) -> NDArray[Any]:
    """Return grey [rows, columns] or colour [rows, columns, 3] of the upright picture."""
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in {"1", "L"}:
        return np.asarray(upright.convert("L"))
    if upright.mode.startswith("I"):
        return _sixteen_bits(np.asarray(upright))
    if upright.mode == "F":
        return np.asarray(upright, dtype=np.float32)
    if upright.mode == "LA":
        return opaque(np.asarray(upright))[..., 0]
    if upright.mode == "RGBA" or "transparency" in upright.info:
        return _grey_if_grey(opaque(np.asarray(upright.convert("RGBA"))), upright)
    return _grey_if_grey(np.asarray(upright.convert("RGB")), upright)


def _grey_if_grey(colours: NDArray[Any], picture: Image.Image) -> NDArray[Any]:
    """Return one channel of a palette of greys: the file says how to show its numbers, not that they are coloured."""
    grey = picture.mode == "P" and bool(np.all(colours[..., :1] == colours[..., 1:]))
    return colours[..., 0] if grey else colours


def _sixteen_bits(numbers: NDArray[Any]) -> NDArray[np.uint16]:
    """Return whole numbers of any width as uint16, where they fit."""
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high > LARGEST_GREY:
        text = f"grey values from {low} to {high}; pictures hold 0 to {LARGEST_GREY}"
        raise RefusalError(Reason.UNDECODABLE, text)
    return numbers.astype(np.uint16)


def _stored(picture: Image.Image) -> NDArray[Any]:
    if picture.format == "JPEG":
        text = "a JPEG file holds no exact label ids; read it as a binary picture, or store labels as PNG"
        raise RefusalError(Reason.UNDECODABLE, text)
    raw = _raw_mode(picture)
    if getattr(picture, "tag_v2", {}).get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:
        raise RefusalError(Reason.UNDECODABLE, "a TIFF file whose 0 is white holds inverted label ids")
    if sum(1 for _ in _pages(picture)) > 1:
        raise RefusalError(Reason.UNDECODABLE, "a label map of several pages; one per file is read")
    picture.seek(0)
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "P":
        return np.asarray(upright)
    if upright.mode == "1":
        return np.asarray(upright).astype(np.uint8)
    values = _values(upright)
    if upright.mode == "L" and ";" in raw:  # two and four bits, which Pillow spreads over the range of eight
        spread = {"L;2": 85, "L;4": 17}[next(kind for kind in ("L;2", "L;4") if kind in raw)]
        return values // np.uint8(spread)
    if values.ndim == 3:
        if bool(np.any(values[..., :1] != values[..., 1:])):
            raise RefusalError(Reason.COLOUR, "a label map in colours; its labels need grey values or palette indices")
        return values[..., 0]
    return values


def _raw_mode(picture: Image.Image) -> str:
    """Return how the numbers lie in the file, in Pillow's words: "L;2" for two bits, "RGB;16B" for 16 big-endian."""
    return str([tile[3] for tile in getattr(picture, "tile", ())])


def refuse_damaged_png(path: Path) -> None:
    """Compare the check sum of every part, which decoding alone does not."""
    with path.open("rb") as file:
        if not file.read(8).startswith(b"\x89PNG"):
            return

    def verify(picture: Image.Image) -> None:
        picture.verify()

    _opened(path, verify, Reason.TRUNCATED, "a part of the picture")
