"""The run-length codes of annotation tools: plain counts, COCO's text of counts, Label Studio's bits.

None of them can make more pixels than the picture has: what a code says of its size is compared with the picture
before anything is made.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from radgen.errors import AnnotationError
from radgen.imaging import run_lengths

CHANNELS = 4  # Label Studio codes red, green, blue and opacity of its canvas
WORD_BITS = 8
SIZES_OF_LENGTHS = 4


def mask_of_counts(
    counts: NDArray[np.int64], shape: tuple[int, int], where: str, *, by_column: bool
) -> NDArray[np.bool_]:
    """Return the mask of lengths of runs that are in turn outside and inside, the first one outside.

    Parameters
    ----------
    counts
        int64 [n].
    shape
        Rows and columns of the coded picture.
    where
        File and place of the code, to begin a message with.
    by_column
        Whether pixels are counted down the columns (COCO) or along the rows (CVAT).

    Returns
    -------
    bool [rows, columns]

    Raises
    ------
    AnnotationError
        The counts do not add up to the picture.
    """
    pixels = shape[0] * shape[1]
    if (counts < 0).any() or (counts > pixels).any() or int(counts.sum()) != pixels:
        odd = counts[(counts < 0) | (counts > pixels)]
        found = f"hold {odd[0]}" if len(odd) else f"add up to {counts.sum()} pixels"
        _refuse(where, f"counts {found}, but the picture has {shape[0]} x {shape[1]} = {pixels}; export it again")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return np.ascontiguousarray(flat.reshape(shape[1], shape[0]).T) if by_column else flat.reshape(shape)


def counts_of_text(text: str, where: str) -> NDArray[np.int64]:
    """Return the counts that COCO's compressed text codes (`radgen.imaging.run_lengths`), int64 [n].

    Raises
    ------
    AnnotationError
        The text is none of this code.
    """
    try:
        return run_lengths.counts_of_text(text)
    except ValueError as error:
        _refuse(where, f"{error}; export it again")


def opacity_of_brush(code: bytes, shape: tuple[int, int], where: str) -> NDArray[np.uint8]:
    """Return the opacity that Label Studio's brush code holds, uint8 [rows, columns].

    The code is a stream of bits, highest first: 32 for the number of words, 5 for the bits of a word less one, 4 each
    for the bits of four kinds of lengths less one. Then blocks: 1 bit whether a word is repeated, 2 for the kind of
    length, the length less one, and one word or as many as the length says.

    Raises
    ------
    AnnotationError
        The code is of another size than the picture, stops early, or paints beyond it.
    """
    bits = _Bits(code, where)
    words = bits.read(32)
    pixels = shape[0] * shape[1]
    if words != CHANNELS * pixels:
        _refuse(
            where,
            f"codes {words / CHANNELS:g} pixels, but the picture has {shape[0]} x {shape[1]} = {pixels}; "
            "paint on the pack's own image",
        )
    if (word := bits.read(5) + 1) != WORD_BITS:
        _refuse(where, f"codes words of {word} bits, but colours have {WORD_BITS}; export it again")
    sizes = [bits.read(4) + 1 for _ in range(SIZES_OF_LENGTHS)]
    out = np.empty(words, np.uint8)
    at = 0
    while at < words:
        repeated = bits.read(1)
        end = at + bits.read(sizes[bits.read(2)]) + 1
        if end > words:
            _refuse(where, f"paints {end} of {words} words; export it again")
        out[at:end] = bits.read(WORD_BITS) if repeated else bits.read_bytes(end - at)
        at = end
    return out.reshape(*shape, CHANNELS)[..., -1]


class _Bits:
    """A stream of bits, the highest of each byte first."""

    def __init__(self, code: bytes, where: str) -> None:
        self._code = code
        self._where = where
        self._at = 0

    def read(self, count: int) -> int:
        """Return the number that the next bits hold."""
        start, end = self._advance(count)
        word = int.from_bytes(self._code[start // 8 : (end + 7) // 8], "big")
        return (word >> (-end % 8)) & ((1 << count) - 1)

    def read_bytes(self, count: int) -> NDArray[np.uint8]:
        """Return the next bytes, which may begin within a byte of the code."""
        start, end = self._advance(8 * count)
        found = np.frombuffer(self._code[start // 8 : (end + 7) // 8], np.uint8)
        shift = start % 8
        if shift:
            joined: NDArray[np.uint8] = (found[:-1] << shift) | (found[1:] >> (8 - shift))  # type: ignore[assignment]
            return joined
        return found

    def _advance(self, count: int) -> tuple[int, int]:
        start, self._at = self._at, self._at + count
        if self._at > 8 * len(self._code):
            _refuse(self._where, f"stops after {len(self._code)} bytes, within the picture; export it again")
        return start, self._at


def _refuse(where: str, text: str) -> NoReturn:
    msg = f"{where} {text}"
    raise AnnotationError(msg)
