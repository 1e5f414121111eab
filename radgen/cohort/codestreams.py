"""The size that compressed pixels declare for themselves, read before a decoder allocates it."""

from __future__ import annotations

JPEG_2000 = b"\xff\x4f\xff\x51"  # start of codestream, then the marker of the size
JP2_BOX = b"jP  "
JPEG = b"\xff\xd8"
# Markers of JPEG and JPEG-LS that start a frame and hold its size.
START_OF_FRAME = {*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7}
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


def declared_size(head: bytes) -> tuple[int, int] | None:
    """Return rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream declares; None for anything else.

    Parameters
    ----------
    head
        The beginning of a stream; a continuation of one, or run lengths, declare nothing.
    """
    if head[4:8] == JP2_BOX:
        head = head[max(0, head.find(JPEG_2000)) :]
    if head.startswith(JPEG_2000):
        return _jpeg_2000_size(head)
    return _jpeg_size(head) if head.startswith(JPEG) else None


def _jpeg_2000_size(head: bytes) -> tuple[int, int] | None:
    if len(head) < 24:
        return None
    right, bottom, left, top = (int.from_bytes(head[at : at + 4], "big") for at in (8, 12, 16, 20))
    return bottom - top, right - left


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker in START_OF_FRAME:
            return int.from_bytes(head[place + 5 : place + 7], "big"), int.from_bytes(
                head[place + 7 : place + 9], "big"
            )
        filler = marker == 0xFF
        place += 1 if filler else 2 if marker in ALONE else 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None
