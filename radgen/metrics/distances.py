"""Nearest distances between two tables of rows, in blocks of bounded memory, never within one patient."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROWS_AT_ONCE = 1_024
NOBODY = -1


def patient_numbers(*columns: NDArray[np.object_]) -> tuple[NDArray[np.int64], ...]:
    """Number the patients of several columns alike; a missing key, as of a synthetic image, becomes NOBODY.

    >>> [numbers.tolist() for numbers in patient_numbers(np.array(["b", "a"]), np.array([None, "b"]))]
    [[1, 0], [-1, 1]]
    """
    names = sorted({str(key) for column in columns for key in column.tolist() if key is not None})
    number = {name: place for place, name in enumerate(names)}
    return tuple(
        np.array([NOBODY if key is None else number[str(key)] for key in column.tolist()], dtype=np.int64)
        for column in columns
    )


def nearest(
    rows: NDArray[np.floating],
    others: NDArray[np.floating],
    *,
    patients: NDArray[np.int64] | None = None,
    other_patients: NDArray[np.int64] | None = None,
    k: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the k-th smallest Euclidean distance of each row to the others, and whose it is.

    Parameters
    ----------
    rows, others
        Floats [n, D] and [m, D].
    patients, other_patients
        Patient numbers int64 [n] and [m]; pairs of the same patient are skipped, NOBODY is nobody's pair.
    k
        1 = the nearest.

    Returns
    -------
    distances, positions
        float64 [n], infinite where fewer than k others are left; int64 [n], -1 there.
    """
    table = torch.from_numpy(np.ascontiguousarray(others))
    squares = table.double().square().sum(dim=1)
    distances = np.full(len(rows), np.inf)
    positions = np.full(len(rows), -1, dtype=np.int64)
    if len(others) < k:
        return distances, positions
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = torch.from_numpy(np.ascontiguousarray(rows[start : start + ROWS_AT_ONCE]))
        squared = _squared(part, table, squares)
        if patients is not None and other_patients is not None:
            mine = patients[start : start + ROWS_AT_ONCE, None]
            squared[torch.from_numpy((mine == other_patients[None, :]) & (mine != NOBODY))] = np.inf
        found = squared.kthvalue(k, dim=1) if k > 1 else squared.min(dim=1)
        place = found.indices.numpy()
        # The expanded square cancels for near copies: the chosen pair is measured again, directly.
        exact = (part.double() - table[found.indices].double()).square().sum(dim=1).sqrt().numpy()
        left = np.isfinite(found.values.numpy())
        stop = start + len(part)
        distances[start:stop] = np.where(left, exact, np.inf)
        positions[start:stop] = np.where(left, place, -1)
    return distances, positions


def count_within(
    rows: NDArray[np.floating], centres: NDArray[np.floating], radii: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return for each row how many centres have it inside their radius: int64 [n] of rows [n, D], centres [m, D]."""
    table = torch.from_numpy(np.ascontiguousarray(centres))
    squares, limits = table.double().square().sum(dim=1), torch.from_numpy(radii**2)
    counts = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = torch.from_numpy(np.ascontiguousarray(rows[start : start + ROWS_AT_ONCE]))
        inside = _squared(part, table, squares) <= limits
        counts[start : start + len(part)] = inside.sum(dim=1).numpy()
    return counts


def _squared(part: Tensor, table: Tensor, squares: Tensor) -> Tensor:
    """Squared distances float64 [n, m]; the products run in the tables' own precision."""
    products = (part @ table.T).double()
    return (part.double().square().sum(dim=1)[:, None] + squares[None, :] - 2 * products).clamp(min=0)
