"""Picture files (PNG, JPEG, TIFF, BMP): one grey slice each, without a place in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from radgen.cohort.headers import VolumeHeader
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import CANONICAL_DIRECTIONS, Volume

# First bytes of a whole picture and the mark that its last bytes must hold.
MAGIC_AND_END = {
    b"\xff\xd8\xff": b"\xff\xd9",
    b"\x89PNG\r\n\x1a\n": b"IEND",
    b"BM": b"",
    b"II*\x00": b"",
    b"MM\x00*": b"",
}
UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def looks_like_picture(head: bytes) -> bool:
    """Tell from the first bytes of a file whether it is a picture."""
    return any(head.startswith(magic) for magic in MAGIC_AND_END)


def read_header(path: Path, head: bytes, tail: bytes) -> VolumeHeader:
    """Read the size of a picture.

    Parameters
    ----------
    path
        A picture.
    head, tail
        Its first and last bytes, already read.

    Raises
    ------
    RefusalError
        foreign or truncated.
    """
    end = next(mark for magic, mark in MAGIC_AND_END.items() if head.startswith(magic))
    if end not in tail:
        raise RefusalError(Reason.TRUNCATED, "the picture ends before its end mark")
    try:
        with Image.open(path) as picture:
            return VolumeHeader("picture", (1, picture.height, picture.width))
    except UNREADABLE as error:
        raise RefusalError(Reason.FOREIGN, f"the file is not a picture ({type(error).__name__})") from error


def read_picture(path: Path) -> NDArray[np.uint8 | np.uint16]:
    """Return grey values [rows, columns]: uint16 where the file has 16 bits, else uint8; colour becomes luminance.

    Raises
    ------
    RefusalError
        undecodable.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I"):
                return np.asarray(picture).clip(0, 65535).astype(np.uint16)
            return np.asarray(picture.convert("L"))
    except UNREADABLE as error:
        raise RefusalError(Reason.UNDECODABLE, f"the picture cannot be decoded ({type(error).__name__})") from error


def read_volume(path: Path) -> Volume:
    """Read a picture as a volume of one slice, canonical as it is, with a spacing of 1 (pixel, not mm)."""
    affine = np.eye(4)
    affine[:3, :3] = CANONICAL_DIRECTIONS.T
    return Volume(read_picture(path)[np.newaxis], affine)
