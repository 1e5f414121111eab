"""Random batches of an image set: a pure function of seed and images seen, so that training resumes exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.seeds import random_generator


class RowBatches:
    """Batches of chosen rows in an order that only seed and position decide.

    Every epoch is a fresh permutation, so each row is shown once per epoch. Balanced, classes take turns and each class
    has its own epochs.

    Parameters
    ----------
    images
        The image set, read through memory maps.
    rows
        Positions in its index.
    class_ids
        Class of each of those rows.
    seed
        Of the permutations.
    balanced
        Whether every class is shown equally often, however rare it is.

    Raises
    ------
    CohortError
        There are no rows.
    """

    def __init__(
        self,
        images: ImageSet,
        rows: NDArray[np.integer] | Sequence[int],
        class_ids: NDArray[np.integer] | Sequence[int],
        *,
        seed: int,
        balanced: bool,
    ) -> None:
        self._images = images
        self._rows = np.asarray(rows, dtype=np.int64)
        self._class_ids = np.asarray(class_ids, dtype=np.int64)
        self._seed = seed
        if len(self._rows) == 0:
            msg = f"{images.folder}: no rows to train on; check the source's train_on and the cohort's splits"
            raise CohortError(msg)
        present = np.unique(self._class_ids).tolist() if balanced else [-1]
        self._pools = [np.flatnonzero(self._class_ids == c) if c >= 0 else np.arange(len(self._rows)) for c in present]
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def positions(self, seen_images: int, size: int) -> NDArray[np.int64]:
        """Return which of the given rows (0 to len - 1) are shown as images seen_images ... seen_images + size - 1."""
        return np.array([self._position(count) for count in range(seen_images, seen_images + size)], dtype=np.int64)

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        """Return uint8 images [size, C, H, W] and int64 class ids [size]; arguments as for `positions`."""
        places = self.positions(seen_images, size)
        return torch.from_numpy(self._images.images(self._rows[places])), torch.from_numpy(self._class_ids[places])

    def classes(self, seen_images: int, size: int) -> Tensor:
        """Return the int64 class ids [size] of a batch without reading its images; arguments as for `positions`."""
        return torch.from_numpy(self._class_ids[self.positions(seen_images, size)])

    def _position(self, count: int) -> int:
        turn, pool = count // len(self._pools), count % len(self._pools)
        epoch, place = divmod(turn, len(self._pools[pool]))
        return int(self._pools[pool][self._order(pool, epoch)[place]])

    def _order(self, pool: int, epoch: int) -> NDArray[np.int64]:
        found = self._orders.get((pool, epoch))
        if found is None:
            # A batch spans two epochs at most when pools are larger than batches; small pools just compute again.
            self._orders = {key: order for key, order in self._orders.items() if key[0] != pool or key[1] == epoch - 1}
            found = random_generator("rows", self._seed, pool, epoch).permutation(len(self._pools[pool]))
            self._orders[pool, epoch] = found
        return found
