"""Structures of one patient's map put into another's: where the old structure was, as large as the new one is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

MapArray = NDArray[np.uint8]
Inside = NDArray[np.bool_]


def mix(stored: MapArray, donor: MapArray, ids: Sequence[int], background: int = 0) -> MapArray:
    """Put structures of a donor in the place of a map's own.

    Parameters
    ----------
    stored, donor
        uint8 [H, W] of stored ids.
    ids
        Structures to exchange; both maps show them.
    background
        Id of the background.

    Returns
    -------
    array
        uint8 [H, W]. A structure goes with what lies in it (`with_contents`): a liver with its lesions. Its own pixels
        become the label around it, then the donor's are painted. All move by the same whole pixels, so that the
        centroid of what comes meets that of what goes: neighbours of the donor stay neighbours. Of structures that
        overlap the one with the larger id wins, as everywhere in radgen. What leaves the picture is cut off.
    """
    mixed = stored.copy()
    own = {number: np.isin(stored, with_contents(stored, number, background)) for number in sorted(ids)}
    given = {number: np.isin(donor, with_contents(donor, number, background)) for number in own}
    for inside in own.values():
        around = _around(mixed, inside)
        if around is not None:
            mixed[inside] = around
    by = _centroid(own.values()) - _centroid(given.values()) if own else np.zeros(2)
    for number, inside in given.items():
        target, source = _moved(inside, by)
        below = (mixed[target] <= number) | (mixed[target] == background)
        mixed[tuple(axis[below] for axis in target)] = donor[source][below]
    return mixed


def with_contents(stored: MapArray, number: int, background: int) -> list[int]:
    """List a structure and those of larger id that it surrounds, and that these surround in turn."""
    listed = [number]
    for other in np.unique(stored).tolist():
        if other > number and other != background and _around(stored, stored == other) in listed:
            listed.append(other)
    return listed


def _around(stored: MapArray, inside: Inside) -> int | None:
    """Return the id that is seen most along the outer border of a region; None where it fills the picture."""
    padded = np.pad(inside, 1)
    near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    border = stored[near & ~inside]
    return int(np.bincount(border).argmax()) if border.size else None


def _centroid(regions: Iterable[Inside]) -> NDArray[np.float64]:
    centroid: NDArray[np.float64] = np.argwhere(np.any(list(regions), axis=0)).mean(axis=0)
    return centroid


def _moved(
    inside: Inside, by: NDArray[np.float64]
) -> tuple[tuple[NDArray[np.int64], ...], tuple[NDArray[np.int64], ...]]:
    """Return where a region comes to lie when moved by whole pixels, and where it came from, both as indices."""
    source = np.argwhere(inside)
    target = source + np.floor(by + 0.5).astype(np.int64)
    within = ((target >= 0) & (target < inside.shape)).all(axis=1)
    return tuple(target[within].T), tuple(source[within].T)
