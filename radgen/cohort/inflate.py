"""Decompress to the check sum, and never more than a header promises."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from radgen.cohort.refusal import Reason, RefusalError

# What may follow the last voxel: padding that some writers add. More is not what the header describes.
SLACK_BYTES = 1 << 20
# Deflate expands a block of so many compressed bytes to 64 MiB at most.
BLOCK_BYTES = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 540  # as long as the longest header that is looked for, NIfTI-2's


class Inflater(Protocol):
    """What decompresses one member of a stream: `zlib.decompressobj`, `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended and its check sum was right."""

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most so many bytes."""


def gzip_member() -> Inflater:
    """Return a decompressor of one gzip member."""
    return zlib.decompressobj(wbits=31)


def inflate(
    stream: BinaryIO, promised: int, keep: slice | None = None, member: Callable[[], Inflater] = gzip_member
) -> bytearray:
    """Decompress a gzip or bzip2 stream of one or several members.

    Parameters
    ----------
    stream
        Stands at the first compressed byte.
    promised
        How many bytes the header says there are.
    keep
        Which of them to keep, start and stop given; all by default. The rest is decompressed for the check sum only.
    member
        Makes a decompressor for the next member.

    Returns
    -------
    bytearray
        The bytes of `keep`.

    Raises
    ------
    RefusalError
        truncated: the stream is damaged or ends early; foreign: it goes on for more than SLACK_BYTES.
    """
    start, stop = (0, promised) if keep is None else (keep.start, keep.stop)
    kept, done, whole = bytearray(), 0, False
    inflater = member()
    try:
        while block := stream.read(BLOCK_BYTES):
            while block:
                piece = inflater.decompress(block, promised + SLACK_BYTES + 1 - done)
                kept += piece[max(0, start - done) : max(0, stop - done)]
                done += len(piece)
                if done > promised + SLACK_BYTES:
                    text = f"the compressed data go on after the {promised} bytes that the header promises"
                    raise RefusalError(Reason.FOREIGN, text, float(promised), "bytes")
                whole = inflater.eof
                block = inflater.unused_data.lstrip(b"\0") if whole else b""
                inflater = member() if whole else inflater
    except (zlib.error, OSError, EOFError, ValueError) as error:
        text = f"the voxels cannot be read ({type(error).__name__} after {done} of {promised} bytes)"
        raise RefusalError(Reason.TRUNCATED, text, float(done), "bytes") from error
    if not whole or done < promised:
        text = f"the voxels cannot be read (the data end after {done} of {promised} bytes)"
        raise RefusalError(Reason.TRUNCATED, text, float(done), "bytes")
    return kept


def refuse_short_gzip(file: BinaryIO, start: int, promised: int) -> None:
    """Make sure that gzip data from `start` on hold what a header promises.

    They tell their length in the last four bytes, which are believed when they agree with the header; else the data are
    read through, because a truncated file, or one of several members, has other bytes there.
    """
    file.seek(-4, 2)
    if int.from_bytes(file.read(4), "little") != promised % 2**32:
        file.seek(start)
        inflate(file, promised, slice(0, 0))


def inflated_head(head: bytes) -> bytes:
    """Return the first bytes of a file's content, of a gzip file what it holds; empty where that is damaged."""
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""
