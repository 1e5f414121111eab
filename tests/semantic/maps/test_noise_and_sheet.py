"""Noise along slices has the correlation it promises; the sheet shows what it was given."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from radgen.errors import ConfigError, InputError
from radgen.semantic.maps.noise import case_noise
from radgen.semantic.maps.sheet import GAP_PX, multimodal_sheet

SHAPE = (8, 40, 40)


@pytest.mark.parametrize("length", [0.0, 0.8, 3.0, math.inf])
def test_a_slices_noise_is_the_same_alone_and_among_others(length: float) -> None:
    whole = case_noise(SHAPE, range(9), seed=1, case="c", length_slices=length)
    alone = case_noise(SHAPE, [6, 2], seed=1, case="c", length_slices=length)
    assert torch.equal(alone, whole[[6, 2]])
    assert whole.dtype == torch.float32
    assert float(whole[4].mean()) == pytest.approx(0, abs=0.03)
    assert float(whole[4].var()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("length", [0.8, 2.0, 4.0])
def test_neighbouring_slices_correlate_as_promised(length: float) -> None:
    noise = case_noise(SHAPE, range(0, 12), seed=0, case="c", length_slices=length)
    for apart in (1, 3, 9):
        found = float(torch.corrcoef(torch.stack([noise[0].ravel(), noise[apart].ravel()]))[0, 1])
        assert found == pytest.approx(math.exp(-(apart**2) / (4 * length**2)), abs=0.04)


def test_without_a_length_every_slice_is_its_own_and_with_an_infinite_one_all_are_the_same() -> None:
    own = case_noise(SHAPE, [0, 1], seed=0, case="c", length_slices=0)
    assert abs(float((own[0] * own[1]).mean())) < 0.03
    same = case_noise((5,), [0, 1, 50], seed=0, case="c")
    assert same.shape == (3, 5)
    assert torch.equal(same[0], same[2])


def test_seed_and_case_decide_the_field() -> None:
    fields = [case_noise((64,), [3], seed=s, case=c, length_slices=2) for s, c in ((0, "a"), (1, "a"), (0, "b"))]
    assert not torch.equal(fields[0], fields[1])
    assert not torch.equal(fields[0], fields[2])
    with pytest.raises(ConfigError, match="noise of -1 slices' length; give 0"):
        case_noise((4,), [0], seed=0, case="c", length_slices=-1)


def test_rows_are_maps_and_columns_are_noises() -> None:
    rng = np.random.default_rng(0)
    maps, real = rng.integers(0, 256, (2, 6, 5, 3), np.uint8), rng.integers(0, 256, (2, 1, 6, 5), np.uint8)
    samples = rng.integers(0, 256, (2, 4, 1, 6, 5), np.uint8)
    sheet = multimodal_sheet(maps, samples, real)
    assert sheet.shape == (2 * 6 + GAP_PX, 6 * 5 + 5 * GAP_PX, 3)
    assert np.array_equal(sheet[8:14, :5], maps[1])
    assert np.array_equal(sheet[8:14, 7:12, 2], real[1, 0])
    assert np.array_equal(sheet[8:14, 7 * 5 : 7 * 5 + 5, 0], samples[1, 3, 0])
    assert (sheet[6:8] == 255).all()
    colours = rng.integers(0, 256, (2, 4, 3, 6, 5), np.uint8)
    assert np.array_equal(multimodal_sheet(maps, colours)[:6, 7:12], colours[0, 0].transpose(1, 2, 0))


def test_maps_and_samples_of_other_sizes_make_no_sheet() -> None:
    maps = np.zeros((2, 6, 5, 3), np.uint8)
    with pytest.raises(InputError, match=r"maps \(2, 6, 5, 3\) and samples \(3, 4, 1, 6, 5\): give maps"):
        multimodal_sheet(maps, np.zeros((3, 4, 1, 6, 5), np.uint8))
