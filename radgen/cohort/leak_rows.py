"""The row structure of numbered files: whether near numbers are of one scan, and where the next one begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Fewer files than this tell no row structure.
FEWEST_FILES = 100
# How many neighbours in the list each file is compared with, and how many comparisons make one point of the curve.
REACH_FILES = 200
PAIRS_PER_POINT = 2000
MOST_POINTS = 300
# Scans differ in few independent ways; more directions only bring noise to the boundaries.
DIRECTIONS = 2
# What a boundary must explain, in variances within a scan: high, because a scan that is cut leaks, and two alike
# scans that are joined do not.
BOUNDARY_COST = 30.0
LONGEST_BLOCK_FILES = 400
# Files of one scan are at least so alike; less is the trend of a site or a year.
LEAST_LIKENESS = 0.5
# Blocks shorter than so many files are not told from noise.
SHORTEST_BLOCK_FILES = 4.0

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowStructure:
    """What the numbers of a list of files tell.

    Parameters
    ----------
    likeness_near, likeness_far
        Correlation of the texture of files whose numbers are nearest, and of far ones.
    rows_per_scan
        Estimated mean length of a scan in numbers.
    guard_rows
        Hardly a scan (1 in 100 of the found blocks) is longer: files so far apart are of different scans.
    blocks
        int [n], for each file, sorted by number, its block.
    likeness_across
        Correlation of near files (less than a fifth of a scan apart) that lie in different blocks; that of far files
        where the boundaries are right.
    """

    likeness_near: float
    likeness_far: float
    rows_per_scan: int
    guard_rows: int
    blocks: NDArray[np.int64]
    likeness_across: float


def row_structure(rows: NDArray[np.int64], textures: NDArray[np.float32]) -> RowStructure | None:
    """Estimate the blocks of a list of files.

    The likeness of two files falls with the distance of their numbers as the chance falls that they are of one scan:
    linearly at first, from its value at distance 0, by one part in the mean length of a scan.

    Parameters
    ----------
    rows
        [n], ascending.
    textures
        [n, features] of the same files.

    Returns
    -------
    RowStructure or None
        None where near numbers are no more alike than far ones, or scans are too short to be told apart.
    """
    if len(rows) < FEWEST_FILES:
        return None
    traits = _traits(textures)
    if traits.shape[1] == 0:
        return None
    distance, likeness = _curve(rows, traits[:, 0])
    far = float(np.mean(likeness[len(likeness) // 2 :]))
    noise = float(np.std(likeness[len(likeness) // 2 :])) + 1e-9
    near = float(likeness[0])
    steep = slice(0, max(2, int(np.argmax(likeness < far + (near - far) / 2))))
    slope, start = np.polyfit(distance[steep], likeness[steep], 1).tolist()
    if near < LEAST_LIKENESS or near - far < 5 * noise or slope >= 0:
        return None
    length = (start - far) / -slope
    per_row = len(rows) / max(int(rows[-1] - rows[0]), 1)
    if length * per_row < SHORTEST_BLOCK_FILES:
        return None
    blocks = _blocks(traits[:, :DIRECTIONS])
    first = np.flatnonzero(np.diff(blocks, prepend=-1))
    lengths = np.diff(rows[first], append=rows[-1])
    return RowStructure(
        likeness_near=near,
        likeness_far=far,
        rows_per_scan=round(length),
        guard_rows=int(np.ceil(np.quantile(lengths, 0.99))),
        blocks=blocks,
        likeness_across=_across(rows, traits[:, 0], blocks, length / 5),
    )


def _traits(textures: NDArray[np.float32]) -> Matrix:
    """Return uncorrelated directions of the features, those in which scans differ most first, variance 1 within a scan.

    Ranks stand for the features, so that no outlier rules. What differs between successive files is the variance
    within a scan; the largest differences are left out, as they are of the files where a scan ends.
    """
    ranks = np.argsort(np.argsort(textures, axis=0, kind="stable"), axis=0) / len(textures)
    ranks = ranks[:, textures.std(axis=0) > 0]
    if ranks.shape[1] == 0:
        return ranks
    steps = np.diff(ranks, axis=0)
    size = (steps**2).sum(axis=1)
    steps = steps[size <= np.quantile(size, 0.7)]
    variance, axes = np.linalg.eigh(steps.T @ steps / len(steps) / 2)
    kept = variance > 1e-9
    white = (ranks - ranks.mean(axis=0)) @ axes[:, kept] / np.sqrt(variance[kept])
    _, turn = np.linalg.eigh(np.atleast_2d(np.cov(white.T)))
    return np.asarray(white @ turn[:, ::-1])


def _curve(rows: NDArray[np.int64], trait: Matrix) -> tuple[Matrix, Matrix]:
    """Return mean distance and mean product of one trait, scaled to variance 1, of pairs sorted by their distance."""
    scaled = (trait - trait.mean()) / trait.std()
    lags = range(1, min(REACH_FILES, len(rows) // 4) + 1)
    distance = np.concatenate([rows[lag:] - rows[:-lag] for lag in lags])
    product = np.concatenate([scaled[lag:] * scaled[:-lag] for lag in lags])
    order = np.argsort(distance, kind="stable")
    parts = int(np.clip(len(order) // PAIRS_PER_POINT, 8, MOST_POINTS))
    points = np.array_split(order, parts)
    return np.array([distance[point].mean() for point in points]), np.array([product[point].mean() for point in points])


def _blocks(traits: Matrix) -> NDArray[np.int64]:
    """Cut the list where that lowers the squared distances to the blocks' means by more than a boundary's cost."""
    count = len(traits)
    sums = np.concatenate([np.zeros((1, traits.shape[1])), np.cumsum(traits, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((traits**2).sum(axis=1))])
    best, before = np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    for end in range(1, count + 1):
        start = np.arange(max(0, end - LONGEST_BLOCK_FILES), end)
        spread = squares[end] - squares[start] - ((sums[end] - sums[start]) ** 2).sum(axis=1) / (end - start)
        cost = best[start] + spread + BOUNDARY_COST
        least = int(np.argmin(cost))
        best[end], before[end] = cost[least], start[least]
    starts = np.zeros(count, dtype=np.int64)
    end = count
    while end:
        end = int(before[end])
        starts[end] = 1
    return np.cumsum(starts) - 1


def _across(rows: NDArray[np.int64], trait: Matrix, blocks: NDArray[np.int64], reach: float) -> float:
    scaled = (trait - trait.mean()) / trait.std()
    products = [np.zeros(0)]
    for lag in range(1, min(REACH_FILES, len(rows) - 1)):
        pairs = (rows[lag:] - rows[:-lag] < reach) & (blocks[lag:] != blocks[:-lag])
        products.append((scaled[lag:] * scaled[:-lag])[pairs])
    found = np.concatenate(products)
    return float(found.mean()) if len(found) else 0.0
