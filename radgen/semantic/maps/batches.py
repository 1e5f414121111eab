"""Batches for semantic synthesis: maps with their images, or maps of one set and images of another.

Like `RowBatches`, a pure function of seed and images seen: training resumes exactly, and reading ahead changes no byte.
`MapReader` and the function below are the one definition of what a network sees, in training, validation and sampling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.imageset.core import ImageSet
from radgen.imageset.torch import RowBatches
from radgen.seeds import derive_seed
from radgen.semantic.maps.lenders import Lenders
from radgen.semantic.maps.schema import MapSchema
from radgen.semantic.maps.sides import Rows, check_grids, check_size
from radgen.semantic.maps.surroundings import MapReader, Surroundings

GREY_HALF_RANGE = 127.5
Batch = tuple[Tensor, Tensor]


def image_tensor(stored: NDArray[np.uint8]) -> Tensor:
    """Return stored images [n, C, H, W] as float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(stored)).float().div_(GREY_HALF_RANGE).sub_(1.0)


class PairBatches:
    """Maps and the images they were drawn on.

    Parameters
    ----------
    images
        A set of images with masks.
    rows
        Positions in its index.
    schema
        Of the maps.
    seed
        Of the order.
    balance
        A class for each row, such as `rarest_classes`: classes then take turns, however rare. None: every row once per
        epoch.
    surroundings
        How background is told apart.

    Raises
    ------
    CohortError
        There are no rows.
    InputError
        A side is no multiple of 32, or masks and images have different sizes.
    """

    def __init__(
        self,
        images: ImageSet,
        rows: Rows,
        schema: MapSchema,
        *,
        seed: int,
        balance: NDArray[np.integer] | Sequence[int] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._images, self._maps = images, MapReader(images, schema, surroundings)
        self._rows = np.asarray(rows, dtype=np.int64)
        self._order = _order(images, self._rows, balance, derive_seed("semantic pairs", seed))
        check_size(images.mask_shape, str(images.folder))
        check_grids(images, self._rows, images, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, seen_images: int, size: int) -> Batch:
        """Return maps int64 [size, H, W] and images float32 [size, C, H, W], the pairs of a position in training."""
        rows = self._rows[self._order.positions(seen_images, size)]
        return torch.from_numpy(self._maps.classes(rows)), image_tensor(self._images.images(rows))


class UnpairedBatches:
    """Maps of side A and images of side B, each in an order of its own: no map is ever tied to an image.

    Parameters
    ----------
    maps, map_rows
        Side A: a set with masks, and positions in its index.
    images, image_rows
        Side B: a set of images; its masks, if any, are never read.
    schema
        Of the maps.
    seed
        Of both orders, which do not depend on each other.
    balance
        As of `PairBatches`, for the maps.
    surroundings
        How background of the maps is told apart, by their own images, which nothing else reads.
    lenders
        Images by which it is told apart instead, such as those of side B: few maps then stand in the anatomy of many
        people. Which one lends is drawn for each map shown, and is not tied to the image shown beside.

    Raises
    ------
    CohortError
        A side is empty.
    InputError
        A side of the maps is no multiple of 32, or maps and images lie on different grids.
    """

    def __init__(
        self,
        maps: ImageSet,
        map_rows: Rows,
        images: ImageSet,
        image_rows: Rows,
        schema: MapSchema,
        *,
        seed: int,
        balance: NDArray[np.integer] | Sequence[int] | None = None,
        surroundings: Surroundings | None = None,
        lenders: Lenders | None = None,
    ) -> None:
        self._maps, self._images = MapReader(maps, schema, surroundings), images
        self._lenders, self._seed = lenders, seed
        self._map_rows = np.asarray(map_rows, dtype=np.int64)
        self._image_rows = np.asarray(image_rows, dtype=np.int64)
        self._map_order = _order(maps, self._map_rows, balance, derive_seed("semantic side A", seed))
        self._image_order = _order(images, self._image_rows, None, derive_seed("semantic side B", seed))
        check_size(maps.mask_shape, str(maps.folder))
        check_grids(maps, self._map_rows, images, self._image_rows)

    def batch(self, seen_images: int, size: int) -> Batch:
        """Return maps int64 [size, H, W] of side A and images float32 [size, C, H, W] of side B."""
        here = self._map_rows[self._map_order.positions(seen_images, size)]
        there = self._image_rows[self._image_order.positions(seen_images, size)]
        return torch.from_numpy(self._classes(here, seen_images)), image_tensor(self._images.images(there))

    def _classes(self, rows: NDArray[np.int64], seen_images: int) -> NDArray[np.int64]:
        if self._lenders is None:
            return self._maps.classes(rows)
        names = enumerate(self._maps.maps.column("class_name")[rows], start=seen_images)
        lent = [self._lenders.draw(name, self._seed, number) for number, name in names]
        return self._maps.laid_over(rows, self._lenders.images, lent)


def _order(
    images: ImageSet, rows: NDArray[np.int64], balance: NDArray[np.integer] | Sequence[int] | None, seed: int
) -> RowBatches:
    """Return who says which rows come when; its pixels are not asked for, so a set of maps alone will do."""
    class_ids = np.zeros(len(rows), dtype=np.int64) if balance is None else balance
    return RowBatches(images, rows, class_ids, seed=seed, balanced=balance is not None)
