"""Labels for what nobody drew: the background of a map told apart by the grey levels of the map's own image.

Where masks name a small structure alone, most of a picture is background to its map, and noise would have to invent all
of its anatomy. Grouping that background by grey level gives the generator its outlines. They are found, not drawn.
Black around a crop is no anatomy: it may keep the background's label alone.

Source: background labelled by clustering of grey levels as in SynthSeg (Billot et al. 2023); thresholds for several
classes by Otsu (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.semantic.maps.schema import MapSchema

LEVELS = 256
MAPS_AT_ONCE = 256
REACH_SIGMAS = 3
PADDING_SIDE_PX = 5


@dataclass(frozen=True)
class Surroundings:
    """How background is told apart.

    Attributes
    ----------
    thresholds
        Grey levels of the smoothed image, 0 to 255 and rising: what parts one group from the next. The darkest group
        stays background; each further one has a label, after those of the schema.
    blur_px
        Standard deviation of the Gaussian that smooths the image before.
    padding
        Whether padding (`padding_of`) alone stays background: the darkest group then has a label too, and grey levels
        beside padding are not smoothed with its black.
    """

    thresholds: tuple[float, ...]
    blur_px: float
    padding: bool = False

    @property
    def labels(self) -> int:
        """How many labels there are beyond those of the schema."""
        return len(self.thresholds) + self.padding

    def tell_apart(self, classes: NDArray[np.int64], images: NDArray[np.uint8], schema: MapSchema) -> NDArray[np.int64]:
        """Return maps [n, H, W] whose background is split by the grey levels of images [n, C, H, W].

        A map's result does not depend on the others.
        """
        levels, padded = self.levels(images)
        group = np.searchsorted(np.array(self.thresholds), levels, side="right") + self.padding
        group[padded] = 0
        named = (classes == schema.background_class) & (group > 0)
        return np.where(named, schema.classes - 1 + group, classes)

    def levels(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return smoothed grey levels of images [n, C, H, W] and what is padding, both [n, H, W]."""
        if not self.padding:
            return smoothed(images, self.blur_px), np.zeros((len(images), *images.shape[2:]), dtype=np.bool_)
        padded = padding_of(images)
        return smoothed(images, self.blur_px, ~padded), padded


@dataclass(frozen=True, eq=False)
class MapReader:
    """Label maps of a set as the classes that a network sees.

    Attributes
    ----------
    maps
        A set with masks, and with images where surroundings are told apart.
    schema
        What ids mean.
    surroundings
        How background is told apart; None: not at all.

    Raises
    ------
    InputError
        Surroundings are asked of a set without images.
    """

    maps: ImageSet
    schema: MapSchema
    surroundings: Surroundings | None = None

    def __post_init__(self) -> None:
        """Refuse maps whose surroundings nobody can see."""
        if self.surroundings is not None:
            _refuse_without_images(self.maps)

    @property
    def labels(self) -> int:
        """How many classes there are, those of surroundings included."""
        return label_count(self.schema, self.surroundings)

    def classes(self, rows: NDArray[np.integer] | Sequence[int]) -> NDArray[np.int64]:
        """Return maps as classes, int64 [n, H, W]; unlabelled -1."""
        classes = self.schema.to_classes(self.maps.masks(rows))
        if self.surroundings is None:
            return classes
        return self.surroundings.tell_apart(classes, self.maps.images(rows), self.schema)

    def laid_over(
        self, rows: NDArray[np.integer] | Sequence[int], images: ImageSet, lent: NDArray[np.integer] | Sequence[int]
    ) -> NDArray[np.int64]:
        """Return maps as classes, int64 [n, H, W], each with the surroundings of the image that is lent to it.

        What that image shows below a drawn structure is covered; where its own structure lies is surroundings.

        Raises
        ------
        ValueError
            No surroundings are told apart.
        """
        if self.surroundings is None:
            msg = "maps are laid over surroundings of other images, but none are told apart"
            raise ValueError(msg)
        drawn = self.schema.to_classes(self.maps.masks(rows))
        return self.surroundings.tell_apart(drawn, images.images(lent), self.schema)

    def paint(self, classes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return maps [..., H, W] in colours, uint8 [..., H, W, 3]: surroundings in shades of grey."""
        drawn = np.where(classes < self.schema.classes, classes, self.schema.background_class)
        colours = self.schema.paint(drawn)
        for number in range(self.labels - self.schema.classes):
            shade = round(LEVELS * (number + 1) / (self.labels - self.schema.classes + 1)) // 2
            colours[classes == self.schema.classes + number] = shade
        return colours


def label_count(schema: MapSchema, surroundings: Surroundings | None) -> int:
    """Return how many labels a network is told of."""
    return schema.classes + (0 if surroundings is None else surroundings.labels)


def find_surroundings(
    maps: ImageSet, rows: NDArray[np.int64], schema: MapSchema, *, groups: int, blur_px: float, padding: bool = False
) -> Surroundings:
    """Find the grey levels that part the background of maps into groups.

    Parameters
    ----------
    maps, rows
        A set with masks and images, and positions in it: those that are learnt from, and no others.
    schema
        Of the maps.
    groups
        Into how many; at least 2.
    blur_px
        How far images are smoothed before.
    padding
        Whether padding alone stays background.

    Raises
    ------
    InputError
        The set has no images, or its background fewer grey levels than groups.
    """
    _refuse_without_images(maps)
    unparted = Surroundings((), blur_px, padding)
    counts = np.zeros(LEVELS, dtype=np.int64)
    for first in range(0, len(rows), MAPS_AT_ONCE):
        some = rows[first : first + MAPS_AT_ONCE]
        background = schema.to_classes(maps.masks(some)) == schema.background_class
        levels, padded = unparted.levels(maps.images(some))
        counts += np.bincount(np.floor(levels[background & ~padded]).astype(np.int64), minlength=LEVELS)
    if np.count_nonzero(counts) < groups:
        msg = (
            f"{maps.folder}: background of {len(rows)} maps has {np.count_nonzero(counts)} grey level(s), but "
            f"semantic.surroundings asks for {groups} groups; ask for fewer, or 0 for none"
        )
        raise InputError(msg)
    return Surroundings(tuple(otsu_thresholds(counts, groups)), blur_px, padding)


def otsu_thresholds(counts: NDArray[np.int64], groups: int) -> list[float]:
    """Return the levels between groups that vary least within themselves: midway between the means of neighbours.

    Exact, by dynamic programming over the last group's first level.

    Parameters
    ----------
    counts
        How often each level occurs, int64 [levels]; at least `groups` of them do.
    groups
        How many.
    """
    level = np.arange(len(counts), dtype=np.float64)
    number, total, squares = (
        np.concatenate([[0.0], np.cumsum(counts * weight)]) for weight in (np.ones_like(level), level, level**2)
    )
    # within[i, j]: sum of squares about the mean of levels i to j - 1; a group needs at least one pixel.
    held, sums = number - number[:, np.newaxis], total - total[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(held > 0, squares - squares[:, np.newaxis] - sums**2 / held, np.inf)
    within[np.tril_indices(len(within))] = np.inf
    best, starts = within[0], []
    for _ in range(groups - 1):
        candidates = best[:, np.newaxis] + within
        starts.append(candidates.argmin(axis=0))
        best = candidates.min(axis=0)
    edges = [len(counts)]
    for start in reversed(starts):
        edges.append(int(start[edges[-1]]))
    ends = np.array([0, *reversed(edges)])
    means = np.diff(total[ends]) / np.diff(number[ends])
    return [float(level) for level in (means[1:] + means[:-1]) / 2]


def padding_of(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return what of images [n, C, H, W] is padding, bool [n, H, W]: all black squares of `PADDING_SIDE_PX`.

    Beyond the picture all is black. Black dots in tissue, smaller than a square, are none of it.
    """
    around = [(0, 0), *[(PADDING_SIDE_PX - 1, PADDING_SIDE_PX - 1)] * 2]
    black = np.pad((images == 0).all(axis=1), around, constant_values=True)
    # Squares of which all is black, then what any of these holds: an opening.
    squares = np.logical_and.reduce(_windows(black), axis=(3, 4))
    return np.asarray(np.logical_or.reduce(_windows(squares), axis=(3, 4)))


def _windows(marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return sliding_window_view(marks, (PADDING_SIDE_PX, PADDING_SIDE_PX), axis=(1, 2))


def smoothed(images: NDArray[np.uint8], blur_px: float, inside: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the mean over channels of images [n, C, H, W] under a Gaussian, float64 [n, H, W], 0 to 255.

    Sums run pixel by pixel in a fixed order, so that an image's bytes do not depend on its neighbours. Where `inside`
    [n, H, W] is given, means are over its pixels alone, and 0 where none is near.
    """
    grey: NDArray[np.float64] = images.sum(axis=1, dtype=np.float64) / images.shape[1]
    if inside is not None:
        share = _blurred(inside.astype(np.float64), blur_px)
        return np.divide(_blurred(grey * inside, blur_px), share, out=np.zeros_like(grey), where=share > 0)
    return _blurred(grey, blur_px)


def _blurred(grey: NDArray[np.float64], blur_px: float) -> NDArray[np.float64]:
    reach = int(np.ceil(REACH_SIGMAS * blur_px))
    if reach == 0:
        return grey
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-(places**2) / (2 * blur_px**2))
    weights /= weights.sum()
    for axis in (1, 2):
        size = grey.shape[axis]
        padded = np.pad(grey, [(reach, reach) if one == axis else (0, 0) for one in range(3)], mode="edge")
        grey = np.zeros_like(grey)
        for at, weight in enumerate(weights):
            grey += weight * np.take(padded, range(at, at + size), axis)
    return grey.clip(0, LEVELS - 1)


def _refuse_without_images(maps: ImageSet) -> None:
    if not maps.has_images:
        msg = (
            f"{maps.folder}: maps without images, but surroundings are told apart by grey levels of a map's own image; "
            "give maps of a set with images, or train with semantic.surroundings: 0"
        )
        raise InputError(msg)
