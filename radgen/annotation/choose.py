"""Which synthetic images are worth a person's time: those that stand for many, and those the head is least sure of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radgen.errors import ConfigError

COVERAGE, UNCERTAINTY = "coverage", "uncertainty"
# So many times the uncertain images wanted are looked at: the most uncertain alone would be one odd image many times.
SHORTLIST = 4


class Block(Protocol):
    """Some images of one class: uint8 images [b, C, H, W], float32 w [b, w_dim], int64 seeds [b]."""

    @property
    def images(self) -> NDArray[np.uint8]:
        """Pixels."""
        ...

    @property
    def w(self) -> NDArray[np.float32]:
        """Styles."""
        ...

    @property
    def seeds(self) -> NDArray[np.int64]:
        """Seeds."""
        ...


class ImageSource(Protocol):
    """The part of `radgen.gan.sampling.Sampler` that is needed here, so that this room needs no torch."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class id."""
        ...

    def block(self, class_id: int, block: int) -> Block:
        """Return the images of one block of one class."""
        ...


class Embedder(Protocol):
    """The part of a feature network that is needed here."""

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return one feature vector per image: float32 [n, D]."""
        ...


@dataclass(frozen=True)
class Judges:
    """What candidates are judged by.

    Attributes
    ----------
    embedder
        The encoder: images alike have features alike.
    is_copy
        Images uint8 [n, C, H, W] and features float32 [n, D] to bool [n]: near-copies of training images. None where
        there is nothing to compare with.
    doubt
        Class id and block number to one number per image, float64 [b]: the error that the heads of the earlier rounds
        expect of their masks. None in the first round.
    """

    embedder: Embedder
    is_copy: Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.bool_]] | None = None
    doubt: Callable[[int, int], NDArray[np.float64]] | None = None


@dataclass(frozen=True)
class Candidates:
    """Samples of one class that may go out.

    Attributes
    ----------
    indices
        Sample indices int64 [n], rising.
    features
        float32 [n, D].
    doubt
        float64 [n]; zeros in the first round.
    earlier
        Features float32 [m, D] of the images that earlier rounds chose.
    copies
        How many samples were refused as near-copies of training images.
    """

    indices: NDArray[np.int64]
    features: NDArray[np.float32]
    doubt: NDArray[np.float64]
    earlier: NDArray[np.float32]
    copies: int


def share_out(count: int, classes: int) -> list[int]:
    """Share `count` images out over classes as evenly as whole numbers allow; earlier classes get the remainder.

    >>> share_out(7, 3)
    [3, 2, 2]
    """
    return [count // classes + (number < count % classes) for number in range(classes)]


def look_at(source: ImageSource, judges: Judges, class_id: int, count: int, earlier: Sequence[int]) -> Candidates:
    """Draw the first samples of a class and judge them; the pixels of one class are held in memory.

    Parameters
    ----------
    source, judges
        The sampler, and what candidates are judged by.
    class_id
        The class to draw.
    count
        Samples 0 .. count-1 are looked at.
    earlier
        Indices of the class that earlier rounds chose; they are no candidates again.
    """
    images, features, doubt = _judged(source, judges, class_id, range(count))
    free = ~np.isin(np.arange(count), list(earlier))
    copied = np.zeros(count, dtype=bool) if judges.is_copy is None else judges.is_copy(images, features)
    indices = np.flatnonzero(free & ~copied)
    return Candidates(
        indices=indices,
        features=features[indices],
        doubt=doubt[indices],
        earlier=_judged(source, judges, class_id, earlier)[1] if earlier else features[:0],
        copies=int((free & copied).sum()),
    )


def _judged(
    source: ImageSource, judges: Judges, class_id: int, indices: Sequence[int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float64]]:
    """Return pixels, features and doubt of chosen samples, block by block as they are drawn."""
    size = len(source.block(class_id, 0).images)
    wanted = np.asarray(indices, dtype=np.int64)
    images, features, doubt = [], [], []
    for number in np.unique(wanted // size).tolist():
        places = wanted[wanted // size == number] % size
        block = source.block(class_id, number)
        images.append(block.images[places])
        features.append(judges.embedder.features(block.images)[places])
        scores = np.zeros(size) if judges.doubt is None else judges.doubt(class_id, number)
        doubt.append(scores[places])
    return np.concatenate(images), np.concatenate(features), np.concatenate(doubt)


def choose(candidates: Candidates, *, uncertain: int, covering: int) -> list[tuple[int, str]]:
    """Choose samples of one class: first those of which the head is unsure, then those that go on covering the class.

    Parameters
    ----------
    candidates
        What may go out, and what earlier rounds chose.
    uncertain, covering
        How many for either reason.

    Returns
    -------
    (sample index, COVERAGE or UNCERTAINTY) in the order in which they were chosen.

    Raises
    ------
    ConfigError
        There are fewer candidates than images to choose.

    Notes
    -----
    Of the `SHORTLIST` times as many most uncertain candidates, greedily those that stand for most of the others.
    Source: Yang et al. 2017, Suggestive annotation (arXiv 1706.04737), section 2.3.
    """
    found = len(candidates.indices)
    if found < uncertain + covering:
        refused = f" ({candidates.copies} more are near-copies of training images)" if candidates.copies else ""
        msg = (
            f"annotation: {uncertain + covering} images of a class are to be chosen, but only {found} candidates are "
            f"left{refused}; raise annotation.candidates_per_class"
        )
        raise ConfigError(msg)
    cover = Coverage(np.concatenate([candidates.features, candidates.earlier]))
    for row in range(found, found + len(candidates.earlier)):
        cover.take(row)
    shortlist = np.argsort(-candidates.doubt, kind="stable")[: SHORTLIST * uncertain]
    chosen = [(cover.take_best(shortlist), UNCERTAINTY) for _ in range(uncertain)]
    chosen += [(cover.take_best(np.arange(found)), COVERAGE) for _ in range(covering)]
    return [(int(candidates.indices[row]), reason) for row, reason in chosen]


def representatives(features: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Choose `count` of n points [n, D] that together lie close to all: int64 [count] in the order of choice."""
    cover = Coverage(features)
    return np.array([cover.take_best(np.arange(len(features))) for _ in range(count)], dtype=np.int64)


class Coverage:
    """Greedy facility location: how near all points lie to a chosen one, and which point would bring them nearest.

    A larger choice adds to a smaller one. Farthest-point choice would spend a person's time on a generator's failures.
    Source: Nemhauser, Wolsey and Fisher 1978, An analysis of approximations for maximizing submodular set functions.

    Parameters
    ----------
    features
        Points [n, D]; every feature weighs the same.
    """

    def __init__(self, features: NDArray[np.floating]) -> None:
        points = np.asarray(features, dtype=np.float64)
        spread = points.std(axis=0)
        points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        squares = np.einsum("ij,ij->i", points, points)
        self._distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * points @ points.T, 0.0))
        self._nearest = np.full(len(points), self._distances.max() + 1.0)
        self._taken = np.zeros(len(points), dtype=bool)

    def take(self, row: int) -> None:
        """Count a point as chosen."""
        self._taken[row] = True
        self._nearest = np.minimum(self._nearest, self._distances[:, row])

    def take_best(self, rows: NDArray[np.int64]) -> int:
        """Choose the one of these rows, not chosen before, that lowers the sum of distances most; ties to the lower."""
        left = np.sort(rows[~self._taken[rows]])
        gains = np.maximum(self._nearest[:, None] - self._distances[:, left], 0.0).sum(axis=0)
        best = int(left[np.argmax(np.round(gains, 9))])
        self.take(best)
        return best
