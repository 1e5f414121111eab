"""Morphology of many slices at once: each byte of a packed mask holds the same pixel of eight slices.

Every step here stays inside the plane of a slice, so that plain operations on bytes treat eight slices together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Packed = NDArray[np.uint8]


def pack(mask: Mask) -> Packed:
    """Put eight slices into each byte: bool [slices, rows, columns] to uint8 [slices / 8 rounded up, rows, columns].

    >>> pack(np.array([True, False, True])[:, None, None]).ravel().tolist()
    [5]
    """
    packed = np.zeros((-(-len(mask) // 8), *mask.shape[1:]), dtype=np.uint8)
    for bit in reversed(range(min(8, len(mask)))):  # doubling is faster than shifting each slice to its place
        packed += packed
        some = mask[bit::8].view(np.uint8)
        packed[: len(some)] |= some
    return packed


def unpack(packed: Packed, slices: int, out: Mask | None = None) -> Mask:
    """Undo `pack`: bool [slices, rows, columns], written to `out` where it is given."""
    mask = np.empty((slices, *packed.shape[1:]), dtype=bool) if out is None else out
    for bit in range(min(8, slices)):
        some = mask[bit::8]
        np.not_equal(packed[: len(some)] & np.uint8(1 << bit), 0, out=some)
    return mask


def erode(mask: Packed, steps: int) -> Packed:
    """Erode every slice by an octagon of radius `steps` pixels; outside the picture counts as body."""
    for step in range(steps):
        mask = _shrink(mask, corners=bool(step % 2))
    return mask


def dilate(mask: Packed, steps: int, within: Packed | None = None) -> Packed:
    """Dilate every slice by an octagon of radius `steps` pixels, after each step cut to `within`."""
    for step in range(steps):
        mask = ~_shrink(~mask, corners=bool(step % 2))
        if within is not None:
            mask &= within
    return mask


def _shrink(mask: Packed, *, corners: bool) -> Packed:
    rows = mask.copy()
    rows[:, 1:] &= mask[:, :-1]
    rows[:, :-1] &= mask[:, 1:]
    out = rows.copy()
    columns = rows if corners else mask
    out[:, :, 1:] &= columns[:, :, :-1]
    out[:, :, :-1] &= columns[:, :, 1:]
    return out


def fill_holes(mask: Packed) -> Packed:
    """Close the holes of every slice: what cannot reach the slice's border through the background."""
    border = np.zeros_like(mask)
    border[:, (0, -1)] = border[:, :, (0, -1)] = 255
    return ~spread(border, ~mask)


def spread(seed: Packed, within: Packed) -> Packed:
    """Let a seed run through `within` from neighbour to neighbour (four in the plane) until nothing changes."""
    # Lines of the first axis are swept up and down; turning the picture in between makes columns lines.
    room = [np.ascontiguousarray(within.transpose(axes)) for axes in ((1, 0, 2), (2, 0, 1))]
    reached = np.ascontiguousarray((seed & within).transpose(1, 0, 2))
    while True:
        before = reached.copy()
        _sweep(reached, room[0])
        turned = np.ascontiguousarray(reached.transpose(2, 1, 0))
        _sweep(turned, room[1])
        reached = np.ascontiguousarray(turned.transpose(2, 1, 0))
        if np.array_equal(before, reached):
            return np.ascontiguousarray(reached.transpose(1, 0, 2))


def _sweep(reached: Packed, room: Packed) -> None:
    last, step = len(reached) - 1, np.empty_like(reached[0])
    for line in range(1, last + 1):
        np.bitwise_and(reached[line - 1], room[line], out=step)
        reached[line] |= step
    for line in range(last - 1, -1, -1):
        np.bitwise_and(reached[line + 1], room[line], out=step)
        reached[line] |= step


def neighbours(mask: Packed) -> Packed:
    """Mark what lies in the slice before or behind a marked pixel."""
    before, behind = mask << np.uint8(1), mask >> np.uint8(1)
    before[1:] |= mask[:-1] >> np.uint8(7)
    behind[:-1] |= mask[1:] << np.uint8(7)
    return before | behind


def bounds(mask: Mask) -> tuple[slice, ...]:
    """Return the smallest box that holds everything marked; an empty box where nothing is."""
    box = []
    for axis in range(mask.ndim):
        marked = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(marked[0]), int(marked[-1]) + 1) if marked.size else slice(0, 0))
    return tuple(box)
