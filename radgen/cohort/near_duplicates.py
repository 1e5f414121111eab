"""Find series that look like one patient when nothing else tells patients apart: near-duplicate clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort.archives import Roots
from radgen.cohort.candidates import Candidate
from radgen.cohort.guarded import Guard, GuardedPool, Lost
from radgen.cohort.readers import read_files
from radgen.cohort.refusal import RefusalError, distrusting
from radgen.cohort.stacks import treatment_of
from radgen.imaging.colour import grey_of
from radgen.imaging.volume import canonical

THUMBNAIL_PX = 32
# Neighbourhood whose mean is taken away: detail is left, because whole bodies and whole lungs resemble each other.
SMOOTHING_PX = 9
ROWS_PER_BLOCK = 1024
# A series that takes more shows no picture here, and is refused where it is sliced.
THUMBNAIL_GUARD = Guard(seconds=600.0, memory_bytes=16 << 30)


def cluster(candidates: Sequence[Candidate], roots: Roots, correlation: float, workers: int) -> list[str]:
    """Group series whose middle slices are nearly the same picture.

    Parameters
    ----------
    candidates
        Series; each is represented by its middle slice.
    roots
        Where their files lie.
    correlation
        Two thumbnails with at least this normalised correlation are linked, and links are followed.
    workers
        Processes that make thumbnails.

    Returns
    -------
    list of str
        A group's name for each series, made from the first of its members' identifiers, so that a group keeps its
        name when unlike series are added. A series without a readable picture is its own group.
    """
    with GuardedPool(partial(thumbnail, roots), workers, THUMBNAIL_GUARD) as pool:
        thumbnails = [None if isinstance(found, Lost) else found for found in pool.map(candidates)]
    seen = [place for place, picture in enumerate(thumbnails) if picture is not None]
    stack = np.array([picture for picture in thumbnails if picture is not None], dtype=np.float32)
    root = list(range(len(candidates)))
    for one, two in _links(stack, correlation):
        _join(root, seen[one], seen[two])
    members: dict[int, str] = {}
    for place, candidate in enumerate(candidates):
        top = _top(root, place)
        members[top] = min(members.get(top, candidate.series), candidate.series)
    return [f"group {members[_top(root, place)]}" for place in range(len(candidates))]


def thumbnail(roots: Roots, candidate: Candidate) -> NDArray[np.float32] | None:
    """Return the middle slice as a unit vector of detail, float32 [THUMBNAIL_PX squared]; None if there is none."""
    try:
        with distrusting():
            picture = _middle_slice(roots, candidate)
    except (RefusalError, OSError):
        return None
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = np.asarray(Image.fromarray(picture.astype(np.float32)).resize(size, Image.Resampling.BOX))
    detail = (small - box_mean(small)).ravel()
    length = float(np.linalg.norm(detail))
    return None if length == 0 else detail / np.float32(length)


def _middle_slice(roots: Roots, candidate: Candidate) -> NDArray[np.generic]:
    paths = [roots.locate(path) for path in candidate.paths]
    treatment = treatment_of(remark.treatment for remark in candidate.remarks)
    volume = read_files(candidate.format, paths, candidate.repeat, treatment)
    turned, _ = canonical(volume)
    middle = turned.array.shape[0] // 2
    return np.asarray(grey_of(turned.array[middle : middle + 1])[0])


def box_mean(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over a square neighbourhood of each pixel, edges repeated."""
    reach = SMOOTHING_PX // 2
    for axis in (0, 1):
        padded = np.pad(picture, [(reach, reach) if i == axis else (0, 0) for i in (0, 1)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING_PX, axis=axis)
        picture = windows.mean(axis=-1, dtype=np.float32)
    return picture


def _links(stack: NDArray[np.float32], correlation: float) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows that are alike, block by block, so that no matrix of all pairs is held."""
    for start in range(0, len(stack), ROWS_PER_BLOCK):
        block = stack[start : start + ROWS_PER_BLOCK] @ stack[start:].T
        for one, two in np.argwhere(block >= correlation).tolist():
            if two > one:
                yield start + one, start + two


def _top(root: list[int], place: int) -> int:
    while root[place] != place:
        root[place] = root[root[place]]
        place = root[place]
    return place


def _join(root: list[int], one: int, two: int) -> None:
    first, second = sorted((_top(root, one), _top(root, two)))
    root[second] = first
