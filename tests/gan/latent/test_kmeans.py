"""k-means against brute force, and its laws."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from radgen.errors import ConfigError
from radgen.gan.latent.kmeans import Stream, choose_start, cluster, nearest_centre


def _stream(points: Tensor, chunk: int = 7) -> Stream:
    def chunks() -> Iterator[Tensor]:
        yield from torch.split(points, chunk)

    return chunks


def _draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _points(count: int, dimension: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, dimension)))


def _least_inertia(points: Tensor, count: int) -> float:
    """Try every way to share points out among centres."""
    best = float("inf")
    for shares in itertools.product(range(count), repeat=len(points)):
        groups = [points[torch.tensor(shares) == place] for place in range(count)]
        best = min(best, sum(float((group - group.mean(0)).square().sum()) for group in groups if len(group)))
    return best


@pytest.mark.parametrize(("count", "number"), [(2, 9), (3, 7)])
def test_the_best_of_a_few_starts_is_the_best_there_is(count: int, number: int) -> None:
    points = _points(number, 2)
    found = min(cluster(_stream(points), count, _draws(seed), 50).inertia[-1] for seed in range(20))
    assert found == pytest.approx(_least_inertia(points, count), rel=1e-12)


def test_groups_far_apart_are_found() -> None:
    middles = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]], dtype=torch.float64)
    points = (middles[:, None] + _points(60, 2).reshape(3, 20, 2)).reshape(-1, 2)[torch.randperm(60)]
    found = cluster(_stream(points), 3, _draws(), 20)
    assert found.sizes.tolist() == [20, 20, 20]
    order = torch.cdist(middles, found.centres).argmin(dim=1)
    assert torch.cdist(middles, found.centres).amin(dim=1).max() < 1
    assert sorted(order.tolist()) == [0, 1, 2]


def test_inertia_never_rises_and_a_converged_centre_is_the_mean_of_its_points() -> None:
    points = _points(400, 5)
    found = cluster(_stream(points, 64), 8, _draws(), 200)
    assert len(found.inertia) > 3
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in itertools.pairwise(found.inertia))
    nearest = nearest_centre(points, found.centres)
    assert torch.equal(torch.bincount(nearest, minlength=8), found.sizes)
    for place in range(8):
        torch.testing.assert_close(found.centres[place], points[nearest == place].mean(0), rtol=1e-12, atol=1e-12)


def test_the_same_in_the_same_chunks_bit_for_bit_and_in_others_to_rounding() -> None:
    points = _points(300, 4)
    one, two = (cluster(_stream(points, 50), 6, _draws(), 25) for _ in range(2))
    assert torch.equal(one.centres, two.centres)
    assert one.inertia == two.inertia
    other = cluster(_stream(points, 33), 6, _draws(), 25)
    torch.testing.assert_close(one.centres, other.centres, rtol=1e-9, atol=1e-9)


def test_nearest_is_that_of_brute_force_and_the_first_of_equals() -> None:
    points, centres = _points(50, 3), _points(6, 3, seed=1)
    assert torch.equal(nearest_centre(points, centres), torch.cdist(points, centres).argmin(dim=1))
    twice = torch.cat([centres, centres])
    assert nearest_centre(points, twice).max() < 6


def test_the_start_takes_points_in_proportion_to_their_squared_distance() -> None:
    # From 0, the points 1 and 3 have chances 1 : 9; from 1, 0 and 3 have 1 : 4; from 3, 0 and 1 have 9 : 4.
    points = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    draws = _draws()
    pairs = [tuple(choose_start(points, 2, draws).flatten().tolist()) for _ in range(6000)]
    for first, second, share in ((0.0, 3.0, 9 / 10), (1.0, 3.0, 4 / 5), (3.0, 0.0, 9 / 13)):
        begun = [pair for pair in pairs if pair[0] == first]
        assert sum(pair[1] == second for pair in begun) / len(begun) == pytest.approx(share, abs=0.03)


def test_more_centres_than_different_points_are_refused() -> None:
    points = torch.zeros(10, 2, dtype=torch.float64)
    with pytest.raises(ConfigError, match=r"2 centroids asked for, but the points hold 1 different ones"):
        cluster(_stream(points), 2, _draws(), 5)
