"""Mixing against plain sums in float64, and what its seed decides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from radgen.gan.projected.mixing import Mixing

CHANNELS, MAGNITUDES, SIZES, WIDTH = (3, 5, 4), (1.0, 2.0, 0.5), (8, 4, 2), 2
Floats = NDArray[np.float64]


def _maps(count: int = 2) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randn(count, c, size, size, generator=random) for c, size in zip(CHANNELS, SIZES, strict=True)]


def _doubled(maps: Floats) -> Floats:
    """Double the side by linear interpolation between centres of places, the border going on beyond its centre."""
    side = maps.shape[-1]
    out = np.zeros((*maps.shape[:-2], 2 * side, 2 * side))
    for row, column in itertools.product(range(2 * side), repeat=2):
        for (y, share_y), (x, share_x) in itertools.product(_near(row, side), _near(column, side)):
            out[..., row, column] += share_y * share_x * maps[..., y, x]
    return out


def _near(place: int, side: int) -> list[tuple[int, float]]:
    centre = min(max((place + 0.5) / 2 - 0.5, 0.0), side - 1.0)
    low = min(int(centre), side - 1)
    return [(low, 1 - (centre - low)), (min(low + 1, side - 1), centre - low)]


def _project(maps: Floats, weight: torch.Tensor) -> Floats:
    return np.asarray(np.einsum("nchw,oc->nohw", maps, weight[:, :, 0, 0].double().numpy()))


def _brute_force(maps: list[torch.Tensor], mixing: Mixing) -> list[Floats]:
    mixed = [
        _project(x.double().numpy(), mixing.get_buffer(f"across_channels_{level}")) for level, x in enumerate(maps)
    ]
    out: list[Floats] = []
    for level in reversed(range(len(mixed))):
        total = (mixed[level] + out[-1]) / 2**0.5 if out else mixed[level]
        total = _doubled(total)  # upsampled before it is projected, as the paper has it
        out.append(_project(total, mixing.get_buffer(f"across_scales_{level}")))
    return out[::-1]


def test_mixing_is_its_sums() -> None:
    mixing, maps = Mixing(CHANNELS, MAGNITUDES, WIDTH, seed=3), _maps()
    mixed = mixing(maps)
    assert [tuple(x.shape) for x in mixed] == [(2, 2, 16, 16), (2, 2, 8, 8), (2, 4, 4, 4)]
    assert mixing.channels == (2, 2, 4)
    for ours, expected in zip(mixed, _brute_force(maps, mixing), strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("changed", "seen"), [(0, [0]), (1, [0, 1]), (2, [0, 1, 2])])
def test_coarse_maps_speak_at_every_finer_scale(changed: int, seen: list[int]) -> None:
    mixing, maps = Mixing(CHANNELS, MAGNITUDES, WIDTH, seed=3), _maps()
    before = mixing(maps)
    maps[changed] = maps[changed] + 1
    after = mixing(maps)
    assert [level for level in range(3) if not torch.equal(before[level], after[level])] == seen


def test_sizes_that_do_not_halve_evenly_meet_the_next_finer_map() -> None:
    mixed = Mixing((1, 1), (1.0, 1.0), 2, seed=0)([torch.ones(1, 1, 7, 7), torch.ones(1, 1, 3, 3)])
    assert [x.shape[2] for x in mixed] == [14, 7]


def test_the_seed_decides_the_weights_and_they_are_kept_but_not_trained() -> None:
    one, same, other = (Mixing(CHANNELS, MAGNITUDES, WIDTH, seed=seed).state_dict() for seed in (1, 1, 2))
    assert len(one) == 2 * len(CHANNELS)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)
    assert not list(Mixing(CHANNELS, MAGNITUDES, WIDTH, seed=1).parameters())


def test_mixing_across_channels_brings_maps_to_variance_one() -> None:
    weight = Mixing((256,), (4.0,), 512, seed=1).get_buffer("across_channels_0")
    assert weight.square().sum(dim=1).mean().item() == pytest.approx(1 / 16, rel=0.05)
