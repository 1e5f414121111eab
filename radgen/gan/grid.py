"""Sample grids as PNG, written with the standard library: a training machine may have no imaging package."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.gan.sampling import Sampler
from radgen.provenance import atomic_path

COLUMNS = 8
# A grid is drawn at every tick: of 165 classes at 512 pixels it would hold 700 megapixels.
MOST_CLASSES = 32


def sample_grid(sampler: Sampler) -> NDArray[np.uint8]:
    """Tile the first 16 images of each class, two rows of eight per class: uint8 [H, W] of the first channel.

    Of many classes 32 are shown, spread evenly over their list.
    """
    count = len(sampler.class_names)
    shown = range(count) if count <= MOST_CLASSES else [place * count // MOST_CLASSES for place in range(MOST_CLASSES)]
    blocks = [sampler.block(class_id, 0).images[:, 0] for class_id in shown]
    return tile(np.concatenate(blocks), COLUMNS)


def tile(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Lay images [n, h, w] out row by row; n must be a multiple of the columns.

    >>> tile(np.zeros((6, 4, 5), dtype=np.uint8), 3).shape
    (8, 15)
    """
    count, height, width = images.shape
    rows = images.reshape(count // columns, columns, height, width)
    return np.ascontiguousarray(rows.transpose(0, 2, 1, 3).reshape(-1, columns * width))


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an 8-bit picture atomically: grey [H, W] or red, green, blue [H, W, 3].

    Source: PNG specification, third edition, sections 5 and 7.
    """
    height, width = picture.shape[:2]
    colour_type = 0 if picture.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    flat = picture.reshape(height, -1)
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), flat], axis=1)  # each line begins with "no filter"
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
