"""A hunt for images inside pictures: every place of a decoded picture is hashed and looked up among the hunted ones."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

PATCH = 8
SCALES = (1, 2, 4)  # pictures may show each pixel as a square
Grey = NDArray[np.uint8]


def _weights() -> NDArray[np.uint64]:
    return np.random.default_rng(5).integers(1, 2**63, (2, PATCH), dtype=np.uint64) | np.uint64(1)


def _hashes(picture: Grey) -> NDArray[np.uint64]:
    """Hash every patch of a picture: sums of products modulo 2^64, row by row and then over rows."""
    across, down = _weights()
    height, width = (side - PATCH + 1 for side in picture.shape)
    if min(height, width) < 1:
        return np.empty(0, np.uint64)
    wide = picture.astype(np.uint64)
    rows = sum((across[at] * wide[:, at : at + width] for at in range(PATCH)), np.uint64(0))
    return np.asarray(sum((down[at] * rows[at : at + height] for at in range(PATCH)), np.uint64(0))).ravel()


def middles(images: Grey) -> NDArray[np.uint64]:
    """Return the hash of the middle patch of each image [n, H, W]."""
    top, left = ((side - PATCH) // 2 for side in images.shape[1:])
    return np.array([_hashes(image[top : top + PATCH, left : left + PATCH])[0] for image in images])


def found(picture: Grey, hunted: NDArray[np.uint64]) -> bool:
    """Tell whether a picture shows one of the hunted images, at any place and at its own size, doubled or fourfold."""
    return any(
        np.isin(_hashes(np.ascontiguousarray(picture[row::scale, column::scale])), hunted).any()
        for scale in SCALES
        for row in range(scale)
        for column in range(scale)
    )


def pictures_of(path: Path) -> Iterator[Grey]:
    """Yield every picture in a file as grey: of PNG and GIF, in a PDF, or written into a page."""
    data = path.read_bytes()
    if path.suffix == ".pdf":
        yield from _pdf_pictures(data)
    elif path.suffix in {".html", ".js"}:
        for encoded in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
            yield from _frames(base64.b64decode(encoded))
    elif path.suffix in {".png", ".gif"}:
        yield from _frames(data)


def _frames(data: bytes) -> Iterator[Grey]:
    with Image.open(io.BytesIO(data)) as image:
        for frame in ImageSequence.Iterator(image):
            # The first band of RGB: tiles are grey, and a weighted sum may round a grey value away.
            yield np.asarray(frame.convert("RGBA" if frame.mode == "RGBA" else "RGB"))[..., 0]


def streams_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (dictionary, unpacked bytes) of every packed stream of a PDF."""
    for header, body in re.findall(rb"obj\s*(<<(?:(?!endobj).)*?)\s*stream\r?\n(.*?)\nendstream", data, re.DOTALL):
        if b"FlateDecode" in header:
            yield header, zlib.decompressobj().decompress(body)


PALETTE = re.compile(rb"/Indexed /DeviceRGB \d+\s*\(((?:[^\\)]|\\.)*)\)", re.DOTALL)


def _pdf_pictures(data: bytes) -> Iterator[Grey]:
    """Yield the images of a PDF by putting their lines, which have a PNG predictor, into a PNG."""
    for header, lines in streams_of(data):
        if b"/Image" not in header:
            continue
        assert b"/Predictor 10" in header, header
        palette = PALETTE.search(header)
        kind = 3 if palette else 2 if b"DeviceRGB" in header else 0
        sizes = [int(re.search(b"/%b (\\d+)" % name, header)[1]) for name in (b"Width", b"Height", b"BitsPerComponent")]  # type: ignore[index]
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", *sizes, kind, 0, 0, 0))]
        chunks += [(b"PLTE", _unescaped(palette[1]))] if palette else []
        chunks += [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
        parts = [struct.pack(">I", len(b)) + name + b + struct.pack(">I", zlib.crc32(name + b)) for name, b in chunks]
        # A PDF's rows may go upwards.
        for frame in _frames(b"\x89PNG\r\n\x1a\n" + b"".join(parts)):
            yield from (frame, frame[::-1])


def _unescaped(text: bytes) -> bytes:
    """Undo the escapes of a PDF string."""
    named = {b"\\r": b"\r", b"\\n": b"\n"}
    return re.sub(rb"\\.", lambda found: named.get(found[0], found[0][1:]), text, flags=re.DOTALL)
