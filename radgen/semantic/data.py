"""What a training is shown: maps and images by number, in an order that only a seed decides."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from radgen.errors import CohortError
from radgen.seeds import random_generator


class Lessons(Protocol):
    """Maps and images; in the paired mode image i belongs to map i."""

    def maps(self, first: int, count: int) -> Tensor:
        """Return maps first ... first + count - 1: int64 [count, H, W], unlabelled pixels -1."""

    def images(self, first: int, count: int) -> Tensor:
        """Return images first ... first + count - 1: float32 [count, C, H, W] in [-1, 1]."""


class TensorLessons:
    """Lessons held in memory; every epoch is a fresh permutation, of maps and images apart unless they are pairs.

    Parameters
    ----------
    maps
        Ids [m, H, W], unlabelled -1.
    images
        uint8 [n, C, H, W].
    seed
        Of the permutations.
    paired
        Whether image i belongs to map i.

    Raises
    ------
    CohortError
        A side is empty, sides are of different grids, or pairs of different numbers.
    """

    def __init__(self, maps: Tensor, images: Tensor, *, seed: int, paired: bool) -> None:
        if len(maps) == 0 or len(images) == 0:
            msg = f"{len(maps)} label maps and {len(images)} images to learn from: both sides need at least one"
            raise CohortError(msg)
        if maps.shape[1:] != images.shape[2:]:
            msg = (
                f"label maps of {tuple(maps.shape[1:])} pixels, but images of {tuple(images.shape[2:])}: bring both to "
                "one slices.size_px"
            )
            raise CohortError(msg)
        if paired and len(maps) != len(images):
            msg = f"{len(maps)} label maps but {len(images)} images: pairs need one each, or choose mode: unpaired"
            raise CohortError(msg)
        self._maps, self._images, self._seed, self._paired = maps, images, seed, paired
        self._orders: dict[tuple[str, int], list[int]] = {}

    def maps(self, first: int, count: int) -> Tensor:
        """See `Lessons`."""
        return self._maps[self._rows("maps", len(self._maps), first, count)].long()

    def images(self, first: int, count: int) -> Tensor:
        """See `Lessons`."""
        side = "maps" if self._paired else "images"
        return self._images[self._rows(side, len(self._images), first, count)].float() / 127.5 - 1

    def _rows(self, side: str, size: int, first: int, count: int) -> Tensor:
        rows = []
        for number in range(first, first + count):
            epoch, place = divmod(number, size)
            if (side, epoch) not in self._orders:
                kept = {key: order for key, order in self._orders.items() if key[1] >= epoch - 1}
                order = random_generator("semantic order", self._seed, side, epoch).permutation(size).tolist()
                self._orders = kept | {(side, epoch): order}
            rows.append(self._orders[side, epoch][place])
        return torch.tensor(rows)
