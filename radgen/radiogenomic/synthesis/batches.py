"""Batches for the radiogenomic game: a patient's patch, another patient's, and a healthy background.

What a batch holds is a function of seed and images seen alone, so that training resumes exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.imageset.torch import RowBatches
from radgen.radiogenomic.expression import Expression
from radgen.seeds import random_generator

# Channels of a batch.
IMAGE, MASK, OTHER_IMAGE, OTHER_MASK, BACKGROUND = range(5)
CHANNELS = 5
TURNS = 8
LEAST_PATIENTS = 2

T = TypeVar("T")


class Pixels:
    """Greys and covers of chosen rows of an image set, a share of them held in memory.

    Parameters
    ----------
    images
        An image set of one channel, with or without masks.
    rows
        Positions in its index.
    kept
        Share of the rows that is read once and kept.
    """

    def __init__(self, images: ImageSet, rows: NDArray[np.int64], kept: float) -> None:
        self._images, self._rows = images, rows
        self._kept = self._read(rows[: round(kept * len(rows))])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> NDArray[np.uint8]:
        """Return uint8 [2, H, W] of one row: grey, and cover (0 where the set has no masks)."""
        found = self._kept[place] if place < len(self._kept) else self._read(self._rows[place : place + 1])[0]
        return np.asarray(found)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        greys = self._images.images(rows)[:, 0]
        covers = self._images.covers(rows) if self._images.has_masks else np.zeros_like(greys)
        return np.stack([greys, covers], axis=1)


class PairedPatches:
    """Batches of the four kinds of pairs, and their backgrounds.

    The other patient is drawn by patient, not by patch: who has more patches is no other more often. A background is
    one of the patient's own, or another's where the patient has none.

    Parameters
    ----------
    nodules
        Patches with masks (cover, 255 is whole), one channel.
    nodule_rows
        Positions of those that are shown.
    backgrounds
        Healthy patches of one channel.
    background_rows
        Positions of those that may be drawn into.
    expression
        Of all patients of the rows.
    seed
        Of order, pairs and turns.
    turn
        Whether patches are turned and mirrored.
    kept
        Share of the patches held in memory.

    Raises
    ------
    CohortError
        Fewer than two patients, no background, or a patient without RNA.
    """

    def __init__(
        self,
        nodules: ImageSet,
        nodule_rows: NDArray[np.int64],
        backgrounds: ImageSet,
        background_rows: NDArray[np.int64],
        expression: Expression,
        *,
        seed: int,
        turn: bool,
        kept: float = 1.0,
    ) -> None:
        owners = nodules.column("patient")[nodule_rows].tolist()
        expression.of(owners)
        self.patients = tuple(sorted(set(owners)))
        if len(self.patients) < LEAST_PATIENTS or not len(background_rows):
            msg = (
                f"{len(self.patients)} patients with patches and RNA and {len(background_rows)} healthy backgrounds to "
                f"learn from; at least {LEAST_PATIENTS} patients and 1 background are needed: see the rejects of the "
                "patches and the table of the join"
            )
            raise CohortError(msg)
        self._number_of = {patient: number for number, patient in enumerate(expression.patients)}
        self._owners = owners
        self._of_patient = _places(owners)
        healthy = backgrounds.column("patient")[background_rows].tolist()
        self._healthy_of = _places(healthy)
        self._order = RowBatches(nodules, nodule_rows, np.zeros_like(nodule_rows), seed=seed, balanced=False)
        self._nodules = Pixels(nodules, nodule_rows, kept)
        self._backgrounds = Pixels(backgrounds, background_rows, kept)
        self._seed, self._turn = seed, turn

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def without_background(self) -> int:
        """How many patients have no healthy patch of their own."""
        return sum(patient not in self._healthy_of for patient in self.patients)

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        """Return uint8 [size, 5, H, W] (see `IMAGE` and others) and the rows of expression, int64 [size]."""
        places = self._order.positions(seen_images, size).tolist()
        found = [self._one(seen_images + number, place) for number, place in enumerate(places)]
        rows = [self._number_of[self._owners[place]] for place in places]
        return torch.from_numpy(np.stack(found)), torch.tensor(rows)

    def _one(self, number: int, place: int) -> NDArray[np.uint8]:
        random = random_generator("radiogenomic pair", self._seed, number)
        owner = self._owners[place]
        others = [patient for patient in self.patients if patient != owner]
        other = _pick(self._of_patient[_pick(others, random)], random)
        own = self._healthy_of.get(owner)
        healthy = int(random.integers(len(self._backgrounds))) if own is None else _pick(own, random)
        turns = random.integers(TURNS, size=3) if self._turn else np.zeros(3, dtype=np.int64)
        return np.concatenate(
            [
                turned(self._nodules[place], int(turns[0])),
                turned(self._nodules[other], int(turns[1])),
                turned(self._backgrounds[healthy][:1], int(turns[2])),
            ]
        )


def turned(patch: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Return [c, H, W] in one of its eight turns and mirror images; 0 is as it is."""
    rotated = np.rot90(patch, turn % 4, axes=(1, 2))
    return rotated[:, :, ::-1] if turn >= TURNS // 2 else rotated


def _places(patients: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, patient in enumerate(patients):
        found.setdefault(patient, []).append(place)
    return found


def _pick(items: Sequence[T], random: np.random.Generator) -> T:
    return items[int(random.integers(len(items)))]
