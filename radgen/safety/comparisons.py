"""How two images are compared when a copy is looked for: by pixels, by what tells people apart, by a network.

A comparison turns images into vectors. Images that are looked up have several views (mirrored, shifted), those they are
looked up among have one, so that a mirrored or shifted copy is found too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from radgen.imageset.core import ImageSet
from radgen.seeds import random_generator

SIDE_PX = 64  # to which images are averaged
REACH_PX = 4  # of shifts, of these 64: of a 256-pixel image 16 pixels
HALVED = 2  # what stays in sight of every shift, 56 x 56 pixels, is averaged over 2 x 2 of them by all looks but one
LEARN_IMAGES = 4_096
IMAGES_PER_COMPONENT = 4
SHRINKAGE = 0.03  # added to every variance, in mean variances: the weakest components are mostly chance


@dataclass(frozen=True)
class View:
    """One way an image is shown: mirrored left to right or not, then moved by pixels of the 64."""

    mirrored: bool = False
    down: int = 0
    right: int = 0


class Comparison(Protocol):
    """A way of comparing images."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def by_ratio(self) -> bool:
        """Whether a copy shows by its distance in relation to that of other patients, or by the distance itself."""

    @property
    def views(self) -> tuple[View, ...]:
        """Of an image that is looked up."""

    def table(self, images: NDArray[np.uint8]) -> Tensor:
        """Vectors float32 [n, D] of images uint8 [n, C, H, W] that others are looked up among."""

    def queries(self, images: NDArray[np.uint8]) -> Tensor:
        """Vectors float32 [V, n, D] of every view of images that are looked up."""

    def squared(self, view: Tensor, table: Tensor) -> Tensor:
        """Squared distances float32 [n, m] of vectors [n, D] and [m, D]."""


@dataclass(frozen=True)
class Look:
    """What a comparison of pictures looks at.

    Attributes
    ----------
    grid
        Cut into grid x grid parts, each compared for itself.
    components
        Directions in which images differ, at most, scaled to the same variance; 0 compares brightness as it is.
    squarings
        How often each part's likeness is squared, so that a few equal parts outweigh many similar ones.
    reach_px, step_px
        Shifts that are tried.
    pooled
        Pixels along a side that become one.
    """

    grid: int = 1
    components: int = 0
    squarings: int = 0
    reach_px: int = REACH_PX
    step_px: int = 1
    pooled: int = HALVED


# Correlation of pictures as they are; of what tells people apart; the same part by part, for patched copies; and in
# full detail, of which a blend with another person keeps enough to be told, though a soft copy does not.
LOOKS = {
    "pixels": Look(step_px=2),
    "whole": Look(components=256),
    "parts": Look(grid=4, components=32, squarings=2, reach_px=1),
    "fine": Look(components=256, reach_px=1, pooled=1),
}


@dataclass(frozen=True)
class Part:
    """Rows and columns of a part, and the map to its code: subtract mean [D], multiply by directions [D, K]."""

    rows: slice
    columns: slice
    mean: Tensor | None = None
    directions: Tensor | None = None

    def code(self, window: Tensor) -> Tensor:
        """Map windows float32 [n, C, S, S] to codes of length 1, float32 [n, K]."""
        code = _centred(window[..., self.rows, self.columns].flatten(1))
        if self.mean is not None and self.directions is not None:
            code = (code - self.mean) @ self.directions
        unit: Tensor = code / code.norm(dim=1, keepdim=True).clamp(min=1e-6)
        return unit


class Pictures:
    """Likeness of two pictures: the mean over parts of the cosine of their codes, 1 for the same, 0 for strangers.

    What people share (an outline, the places of organs) is strong and tells nobody from another. So a code is the
    picture in its principal components, each scaled to the same variance over the training images: what is common to
    all is gone, what is rare counts. Source: principal components with whitening, Turk and Pentland 1991 and Bishop
    2006, section 12.1.3; the same idea as a matched filter in coloured noise.

    Parameters
    ----------
    name, look
        As in LOOKS.
    parts
        From `learnt`.
    """

    def __init__(self, name: str, look: Look, parts: tuple[Part, ...]) -> None:
        self.name = name
        self.by_ratio = look.components > 0
        moves = range(-look.reach_px, look.reach_px + 1, look.step_px)
        self.views = tuple(
            View(mirrored, down, right)
            for mirrored in (False, True)
            for down, right in itertools.product(moves, repeat=2)
        )
        self._look = look
        self._parts = parts

    def table(self, images: NDArray[np.uint8]) -> Tensor:
        """Codes float32 [n, D] of the middle of each image."""
        return self._codes(_window(_pooled(_small(images), self._look), View(), self._look))

    def queries(self, images: NDArray[np.uint8]) -> Tensor:
        """Codes float32 [V, n, D] of every view."""
        small = _small(images)
        sides = [_pooled(side, self._look) for side in (small, small.flip(-1))]
        return torch.stack([self._codes(_window(sides[view.mirrored], view, self._look)) for view in self.views])

    def squared(self, view: Tensor, table: Tensor) -> Tensor:
        """Return 2 (1 - likeness), float32 [n, m]: the squared distance of unit vectors where there is one part."""
        count = len(self._parts)
        likeness = torch.zeros(len(view), len(table))
        for mine, theirs in zip(view.chunk(count, dim=1), table.chunk(count, dim=1), strict=True):
            cosine = (mine @ theirs.T).clamp_(min=0)
            for _ in range(self._look.squarings):
                cosine.square_()
            likeness += cosine
        return (2 - 2 / count * likeness).clamp_(min=0)

    def _codes(self, window: Tensor) -> Tensor:
        return torch.cat([part.code(window) for part in self._parts], dim=1)


def learnt(name: str, images: ImageSet, rows: NDArray[np.int64]) -> Pictures:
    """Learn from training images in which directions people differ.

    Parameters
    ----------
    name
        Of LOOKS.
    images, rows
        The training images; of many 4,096 are drawn.
    """
    look = LOOKS[name]
    if look.components == 0:
        return Pictures(name, look, (Part(slice(None), slice(None)),))
    count = min(LEARN_IMAGES, len(rows))
    drawn = np.sort(random_generator("safety", "components").choice(rows, count, replace=False))
    shown = [_pooled(_small(images.images(part)), look) for part in np.array_split(drawn, -(-count // 256))]
    window = _window(torch.cat(shown), View(), look)
    side = window.shape[-1]
    edges = [slice(side * place // look.grid, side * (place + 1) // look.grid) for place in range(look.grid)]
    boxes = itertools.product(edges, edges)
    return Pictures(name, look, tuple(_learnt_part(window, rows, cols, look.components) for rows, cols in boxes))


def _learnt_part(window: Tensor, rows: slice, columns: slice, components: int) -> Part:
    vectors = _centred(window[..., rows, columns].flatten(1)).double()
    mean = vectors.mean(dim=0)
    # Of few images more components would fit each image alone, and strangers would all be equally far.
    kept = max(1, min(components, len(vectors) // IMAGES_PER_COMPONENT, vectors.shape[1]))
    variances, directions = _principal(vectors - mean, kept)
    scale = (variances + SHRINKAGE * variances.mean() + 1e-12).rsqrt()
    return Part(rows, columns, mean.float(), (directions * scale).float())


def _principal(centred: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """Return the largest variances [K] and their directions [D, K] of vectors [n, D]; of few, from their products."""
    count, length = centred.shape
    if count >= length:
        variances, directions = torch.linalg.eigh(centred.T @ centred / count)
        return variances[-kept:].clamp(min=0), directions[:, -kept:]
    variances, weights = torch.linalg.eigh(centred @ centred.T / count)
    variances = variances[-kept:].clamp(min=0)
    return variances, centred.T @ weights[:, -kept:] / (count * variances + 1e-12).sqrt()


def _small(images: NDArray[np.uint8]) -> Tensor:
    return F.adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(images)).float(), SIDE_PX)


def _pooled(small: Tensor, look: Look) -> Tensor:
    """Average pixels around every place, once for all shifts: float32 [n, C, 65 - pooled, 65 - pooled]."""
    return F.avg_pool2d(small, look.pooled, stride=1)


def _window(pooled: Tensor, view: View, look: Look) -> Tensor:
    """Return the part of each picture that every shift keeps in sight: float32 [n, C, S, S], S = 56 / pooled."""
    rows, columns = (slice(REACH_PX + move, SIDE_PX - REACH_PX + move, look.pooled) for move in (view.down, view.right))
    return pooled[..., rows, columns]


def _centred(vectors: Tensor) -> Tensor:
    """Return vectors [n, D] of mean 0 and length 1; a flat one, as black is, stays short."""
    vectors = vectors - vectors.mean(dim=1, keepdim=True)
    centred: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1)
    return centred


class Features:
    """Euclidean distance of a network's features, over mirroring.

    Parameters
    ----------
    name
        Of the network.
    features
        Turns images uint8 [n, C, H, W] into features float32 [n, D].
    """

    by_ratio = False
    views = (View(), View(mirrored=True))

    def __init__(self, name: str, features: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> None:
        self.name = name
        self._features = features

    def table(self, images: NDArray[np.uint8]) -> Tensor:
        """Features float32 [n, D]."""
        return torch.from_numpy(self._features(np.ascontiguousarray(images)))

    def queries(self, images: NDArray[np.uint8]) -> Tensor:
        """Features float32 [2, n, D] of images as they are and mirrored."""
        return torch.stack([self.table(images), self.table(images[..., ::-1])])

    def squared(self, view: Tensor, table: Tensor) -> Tensor:
        """Squared distances float32 [n, m]."""
        lengths = view.square().sum(dim=1)[:, None] + table.square().sum(dim=1)
        return (lengths - 2 * (view @ table.T)).clamp_(min=0)
