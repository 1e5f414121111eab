"""Which synthetic images are worth a person's time: the most representative ones of each class."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radgen.errors import ConfigError


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


def share_out(count: int, classes: int) -> list[int]:
    """Share `count` images out over classes as evenly as whole numbers allow; earlier classes get the remainder.

    >>> share_out(7, 3)
    [3, 2, 2]
    """
    return [count // classes + (number < count % classes) for number in range(classes)]


def choose_indices(
    source: ImageSource, embedder: Embedder, *, class_id: int, candidates: int, count: int
) -> NDArray[np.int64]:
    """Choose which samples of a class go out for annotation.

    Parameters
    ----------
    source, embedder
        The sampler and the encoder.
    class_id
        The class to draw.
    candidates
        Samples 0 .. candidates-1 of the class are looked at.
    count
        How many are chosen.

    Returns
    -------
    int64 [count], sample indices in the order in which they were chosen: a larger count adds to a smaller one.

    Raises
    ------
    ConfigError
        There are fewer candidates than images to choose.
    """
    if candidates < count:
        msg = (
            f"annotation: {count} images of class {class_id} are to be chosen among {candidates} candidates; "
            f"raise annotation.candidates_per_class to {count} or more"
        )
        raise ConfigError(msg)
    features: list[NDArray[np.float32]] = []
    while sum(map(len, features)) < candidates:
        features.append(embedder.features(source.block(class_id, len(features)).images))
    return representatives(np.concatenate(features)[:candidates], count)


def representatives(features: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Choose points that together lie close to all points.

    Parameters
    ----------
    features
        [n, D].
    count
        How many, at most n.

    Returns
    -------
    int64 [count], rows in the order in which they were chosen.

    Notes
    -----
    Greedy facility location: each step takes the point that lowers the sum of distances to the nearest chosen point
    most; ties go to the lower row. Farthest-point choice would spend a person's time on the generator's failures.
    Source: Nemhauser, Wolsey and Fisher 1978, An analysis of approximations for maximizing submodular set functions.
    """
    points = np.asarray(features, dtype=np.float64)
    spread = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    squares = np.einsum("ij,ij->i", points, points)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * points @ points.T, 0.0))
    nearest = np.full(len(points), distances.max() + 1.0)
    chosen: list[int] = []
    for _ in range(count):
        gains = np.maximum(nearest[:, None] - distances, 0.0).sum(axis=0)
        gains[chosen] = -1.0
        best = int(np.argmax(np.round(gains, 9)))
        chosen.append(best)
        nearest = np.minimum(nearest, distances[:, best])
    return np.array(chosen, dtype=np.int64)
