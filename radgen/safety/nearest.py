"""The nearest image of each image among others, and the nearest of another patient than that one's.

Both together say more than a distance: an image like many people lies near several of them, a copy near one alone.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.imageset.core import ImageSet
from radgen.metrics.distances import NOBODY
from radgen.safety.comparisons import Comparison

QUERIES_AT_ONCE = 256
TABLE_AT_ONCE = 4_096
RESOLUTION = 1e-3  # distances below it are rounding of float32 sums


@dataclass(frozen=True)
class Nearest:
    """What was found for n images.

    Attributes
    ----------
    distance
        To the nearest image, float64 [n]; infinite where there is none.
    place
        Which one it is, int64 [n], -1 where there is none.
    view
        Which view of the image resembles it, int64 [n].
    other_distance
        To the nearest image of another patient than the nearest one's, float64 [n]; infinite where there is none.
    """

    distance: NDArray[np.float64]
    place: NDArray[np.int64]
    view: NDArray[np.int64]
    other_distance: NDArray[np.float64]

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Distance over other distance, float64 [n]: 1 where two patients are equally near, towards 0 for a copy.

        1 where nobody else is left to compare with. Source: Lowe, "Distinctive image features from scale-invariant
        keypoints", 2004, section 7.1.
        """
        known = np.isfinite(self.other_distance) & (self.other_distance > RESOLUTION)
        return np.where(known, self.distance / np.where(known, self.other_distance, 1), 1.0)


class Table:
    """The vectors of images that others are looked up among, in a temporary file: memory does not grow with them.

    Parameters
    ----------
    comparison
        How images are compared.
    images
        The image set.
    rows
        Rows int64 [m] of it, at least one.
    patients
        Patient numbers int64 [m]: images of one patient count as one neighbour. NOBODY's images are all strangers.
    """

    def __init__(
        self, comparison: Comparison, images: ImageSet, rows: NDArray[np.int64], patients: NDArray[np.int64]
    ) -> None:
        strangers = patients.max(initial=0) + 1 + np.arange(len(rows))
        self.comparison = comparison
        self.patients = torch.from_numpy(np.where(patients == NOBODY, strangers, patients))
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the table
        for start in range(0, len(rows), QUERIES_AT_ONCE):
            part = comparison.table(images.images(rows[start : start + QUERIES_AT_ONCE])).numpy()
            if start == 0:
                self._vectors = np.memmap(self._file, np.float32, "w+", shape=(len(rows), part.shape[1]))
            self._vectors[start : start + len(part)] = part

    def __len__(self) -> int:
        return len(self.patients)

    def nearest(
        self,
        images: ImageSet | NDArray[np.uint8],
        rows: NDArray[np.int64],
        *,
        own: NDArray[np.int64] | None = None,
        without: NDArray[np.int64] | None = None,
    ) -> Nearest:
        """Look images up.

        Parameters
        ----------
        images
            An image set, or images uint8 [n, C, H, W] themselves.
        rows
            Rows int64 [n] of them.
        own
            Patient number int64 [n] of each image, whose images are skipped; NOBODY skips none.
        without
            Place int64 [n] in the table that is skipped for each image.
        """
        best = _Best(len(rows))
        for start in range(0, len(rows), QUERIES_AT_ONCE):
            part = slice(start, start + QUERIES_AT_ONCE)
            pixels = images.images(rows[part]) if isinstance(images, ImageSet) else images[rows[part]]
            views = self.comparison.queries(pixels)
            for first in range(0, len(self), TABLE_AT_ONCE):
                last = min(first + TABLE_AT_ONCE, len(self))
                squared = self._squared(views, torch.from_numpy(np.array(self._vectors[first:last])))
                if own is not None:
                    squared[torch.from_numpy(own[part])[:, None] == self.patients[None, first:last]] = torch.inf
                if without is not None:
                    squared[torch.from_numpy(without[part])[:, None] == torch.arange(first, last)] = torch.inf
                best.take(part, squared, self.patients[first:last], first)
            best.view[part] = self._view_of(views, best.place[part])
        return best.found()

    def _squared(self, views: Tensor, table: Tensor) -> Tensor:
        """Return the smallest squared distance over the views, float32 [n, m]."""
        smallest = self.comparison.squared(views[0], table)
        for view in views[1:]:
            torch.minimum(smallest, self.comparison.squared(view, table), out=smallest)
        return smallest

    def _view_of(self, views: Tensor, places: Tensor) -> Tensor:
        """Return which view of each image [n] resembles the image that was found for it."""
        found = torch.from_numpy(np.array(self._vectors[places.clamp(min=0).numpy()]))
        return torch.stack([self.comparison.squared(view, found).diagonal() for view in views]).argmin(dim=0)


class _Best:
    """The smallest squared distance of each image so far, whose it is, and the smallest of any other patient."""

    def __init__(self, count: int) -> None:
        self._first = torch.full((count,), torch.inf)
        self._second = self._first.clone()
        self.place = torch.full((count,), -1)
        self.view = torch.zeros(count, dtype=torch.int64)
        self._patient = torch.full((count,), NOBODY)

    def take(self, part: slice, squared: Tensor, patients: Tensor, start: int) -> None:
        """Take squared distances [n, m] of some images to others, from place `start` on, into account."""
        first, column = squared.min(dim=1)
        patient = patients[column]
        squared[patients[None, :] == patient[:, None]] = torch.inf
        second = squared.min(dim=1).values
        old_first, old_second = self._first[part], self._second[part]
        nearer, same = first < old_first, patient == self._patient[part]
        # Whoever loses the first place is second only as another patient; else whatever is second behind it.
        loser = torch.where(nearer, torch.where(same, old_second, old_first), torch.where(same, second, first))
        self._second[part] = torch.minimum(torch.where(nearer, second, old_second), loser)
        self.place[part] = torch.where(nearer, column + start, self.place[part])
        self._patient[part] = torch.where(nearer, patient, self._patient[part])
        self._first[part] = torch.minimum(first, old_first)

    def found(self) -> Nearest:
        """Return what was found."""
        first, second = (value.double().sqrt().numpy() for value in (self._first, self._second))
        return Nearest(first, self.place.numpy(), self.view.numpy(), second)
