"""k-means in float64 on the CPU, over points that are streamed and never all in memory.

Every pass asks for the same points again, in the same chunks, so that sums are the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from radgen.errors import ConfigError

# Points in chunks, float64 [m, d]; every call must give the same.
Stream = Callable[[], Iterator[Tensor]]
START_POINTS_PER_CENTRE = 64


@dataclass(frozen=True)
class Clustering:
    """What k-means found.

    Attributes
    ----------
    centres
        float64 [k, d].
    sizes
        Points nearest to each centre, int64 [k].
    inertia
        Sum of squared distances to the nearest centre, before each step and at the end; it never rises.
    """

    centres: Tensor
    sizes: Tensor
    inertia: tuple[float, ...]


def cluster(stream: Stream, count: int, draws: torch.Generator, iterations: int) -> Clustering:
    """Find centres by k-means++ and Lloyd's steps.

    Parameters
    ----------
    stream
        The points. The start is chosen among the first 64 per centre of them.
    count
        Number of centres.
    draws
        CPU generator of the start.
    iterations
        Most steps; fewer where no centre moves any more.

    Raises
    ------
    ConfigError
        There are fewer different points than centres.

    Source: Lloyd 1982, "Least squares quantization in PCM"; Arthur and Vassilvitskii 2007, "k-means++".
    """
    centres = choose_start(_first(stream, count * START_POINTS_PER_CENTRE), count, draws)
    inertia = []
    for _ in range(iterations):
        sums, sizes, total = _tally(stream, centres)
        inertia.append(total)
        # A centre that no point is nearest to stays where it is.
        moved = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    _, sizes, total = _tally(stream, centres)
    return Clustering(centres, sizes, (*inertia, total))


def choose_start(points: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """Choose centres among points [m, d], each with a chance proportional to its squared distance to those chosen.

    Raises
    ------
    ConfigError
        There are fewer different points than centres.
    """
    chosen = [int(torch.randint(len(points), (), generator=draws))]
    distances = _squared(points, points[chosen[0]])
    while len(chosen) < count:
        ladder = distances.cumsum(0)
        if ladder[-1] == 0:
            msg = f"{count} centroids asked for, but the points hold {len(chosen)} different ones; ask for fewer"
            raise ConfigError(msg)
        height = torch.rand((), generator=draws, dtype=torch.float64) * ladder[-1]
        chosen.append(int(torch.searchsorted(ladder, height, right=True).clamp(max=len(points) - 1)))
        distances = torch.minimum(distances, _squared(points, points[chosen[-1]]))
    return points[chosen]


def nearest_centre(points: Tensor, centres: Tensor) -> Tensor:
    """Return the place of the centre nearest to each point, int64 [m]; of equally near ones the first."""
    # |x - c|^2 without |x|^2, which is the same for all centres.
    scores = centres.square().sum(dim=1) - 2 * points @ centres.t()
    return torch.from_numpy(scores.numpy().argmin(axis=1))  # NumPy promises the first of equals, torch does not


def _tally(stream: Stream, centres: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return sums [k, d] and numbers [k] of the points nearest to each centre, and the inertia."""
    sums = torch.zeros_like(centres)
    sizes = torch.zeros(len(centres), dtype=torch.int64)
    inertia = 0.0
    for points in stream():
        nearest = nearest_centre(points, centres)
        sums.index_add_(0, nearest, points)
        sizes += torch.bincount(nearest, minlength=len(centres))
        inertia += float((points - centres[nearest]).square().sum())
    return sums, sizes, inertia


def _squared(points: Tensor, centre: Tensor) -> Tensor:
    return (points - centre).square().sum(dim=1)


def _first(stream: Stream, count: int) -> Tensor:
    chunks, have = [], 0
    for chunk in stream():
        chunks.append(chunk[: count - have])
        have += len(chunks[-1])
        if have == count:
            break
    return torch.cat(chunks)
