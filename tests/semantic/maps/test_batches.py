"""Batches of pairs and of two sides: exact, resumable, independent; each impossible pairing is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.errors import CohortError, InputError
from radgen.imageset.core import ImageSet
from radgen.imageset.prefetch import Prefetched
from radgen.semantic.maps.batches import PairBatches, UnpairedBatches, image_tensor
from radgen.semantic.maps.counts import count_labels, rarest_classes
from radgen.semantic.maps.sides import ANYBODY, check_grids, check_one_split, check_others, check_size, rows_of
from tests.semantic.maps.toys import SCHEMA, discs, rows_for, write_maps, write_pairs

COUNT = 24


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return write_pairs(tmp_path_factory.mktemp("pairs"), discs(COUNT))


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return write_maps(tmp_path_factory.mktemp("maps"), discs(COUNT))


def test_a_map_comes_with_its_own_image_in_the_networks_ranges(pairs: ImageSet) -> None:
    rows = [3, 9, 20, 21]
    stored = discs(COUNT)
    maps, images = PairBatches(pairs, rows, SCHEMA, seed=1).batch(5, 7)
    assert (maps.dtype, images.dtype) == (torch.int64, torch.float32)
    assert (maps.shape, images.shape) == ((7, 32, 32), (7, 1, 32, 32))
    greys = ((images + 1) * 127.5).round()
    for one, grey in zip(maps, greys, strict=True):
        number = int(grey[0, 0, 0])  # background has id 0, so the grey there is the image's number
        assert number in rows
        assert np.array_equal(SCHEMA.to_stored(one.numpy()), stored[number])
    assert image_tensor(np.array([0, 255], dtype=np.uint8)).tolist() == [-1.0, 1.0]


def test_batches_are_a_pure_function_of_seed_and_position(pairs: ImageSet, maps: ImageSet) -> None:
    def both(seed: int) -> list[PairBatches | UnpairedBatches]:
        rows = range(COUNT)
        return [
            PairBatches(pairs, rows, SCHEMA, seed=seed),
            UnpairedBatches(maps, rows, pairs, rows, SCHEMA, seed=seed),
        ]

    for one, again, other in zip(both(0), both(0), both(1), strict=True):
        late = again.batch(40, 8)
        whole = one.batch(0, 48)
        assert all(torch.equal(a[40:48], b) for a, b in zip(whole, late, strict=True))
        assert not torch.equal(whole[1], other.batch(0, 48)[1])
        with Prefetched(one, 8, first=40, pin=False) as ahead:
            assert all(torch.equal(a, b) for a, b in zip(ahead.batch(40, 8), late, strict=True))


def numbers(images: torch.Tensor) -> list[int]:
    return [int(number) for number in ((images[:, 0, 0, 0] + 1) * 127.5).round()]


def test_two_sides_go_their_own_ways(maps: ImageSet, pairs: ImageSet) -> None:
    rows = range(COUNT)
    images_alone = UnpairedBatches(maps, [0], pairs, rows, SCHEMA, seed=0).batch(0, 60)[1]
    here, images = UnpairedBatches(maps, rows, pairs, rows, SCHEMA, seed=0).batch(0, 60)
    assert torch.equal(images, images_alone)  # what is on one side decides nothing on the other
    assert sorted(numbers(images)[:COUNT]) == list(rows)
    stored = discs(COUNT)
    same = [np.array_equal(SCHEMA.to_stored(m.numpy()), stored[n]) for m, n in zip(here, numbers(images), strict=True)]
    assert sum(same) < 30  # by chance a few meet; pairs would be 60


def test_sides_may_have_any_lengths(maps: ImageSet, pairs: ImageSet) -> None:
    here, images = UnpairedBatches(maps, [1, 2], pairs, range(5), SCHEMA, seed=3).batch(0, 10)
    assert len(here) == len(images) == 10
    assert sorted(numbers(images)) == sorted([*range(5)] * 2)


def test_balanced_maps_show_rare_labels_as_often_as_common_ones(tmp_path: Path) -> None:
    stored = discs(20)
    stored[2:][stored[2:] == 9] = 3  # of twenty maps, the second alone shows a lesion
    found = write_pairs(tmp_path, stored)
    balance = rarest_classes(count_labels(found, range(20)), SCHEMA)
    balanced = PairBatches(found, range(20), SCHEMA, seed=0, balance=balance).batch(0, 40)[0]
    plain = PairBatches(found, range(20), SCHEMA, seed=0).batch(0, 40)[0]
    assert [sum(bool((one == 2).any()) for one in shown) for shown in (balanced, plain)] == [20, 2]


# ---------------------------------------------------------------- refusals


def test_an_empty_side_is_told_with_what_there_is(pairs: ImageSet) -> None:
    says = r"side B \(images\) is empty: .* has no row of test, it holds 20 of train, 4 of val; name another set"
    with pytest.raises(CohortError, match=says):
        rows_of(pairs, ["test"], "side B (images)")
    assert len(rows_of(pairs, ANYBODY, "side A (maps)")) == 20


def test_a_set_without_any_row_is_an_empty_side(tmp_path: Path) -> None:
    empty = write_maps(tmp_path, discs(1)[:0], [])
    with pytest.raises(CohortError, match=r"side A \(maps\) is empty: .* it holds nothing"):
        rows_of(empty, ANYBODY, "side A (maps)")


@pytest.mark.parametrize("shape", [(64, 64), (96, 32)])
def test_sides_that_are_multiples_of_32_are_fit(shape: tuple[int, int]) -> None:
    check_size(shape, "here")


def test_a_side_that_is_no_multiple_of_32_is_refused_with_one_that_is(tmp_path: Path) -> None:
    found = write_pairs(tmp_path, np.zeros((4, 50, 64), dtype=np.uint8))
    says = r": 50 x 64 pixels, but the networks halve each side five times, .* multiples of 32; store slices at 64 x 64"
    with pytest.raises(InputError, match=says):
        PairBatches(found, range(4), SCHEMA, seed=0)


def test_maps_and_images_of_different_grids_are_refused(tmp_path: Path, pairs: ImageSet) -> None:
    larger = write_maps(tmp_path / "larger", discs(4, 64))
    with pytest.raises(
        InputError, match=r"maps of .*larger are 64 x 64, but images of .* are 32 x 32; make both at one"
    ):
        UnpairedBatches(larger, range(4), pairs, range(4), SCHEMA, seed=0)
    finer = write_maps(tmp_path / "finer", discs(4), rows_for(4, spacing_row_mm=1.0))
    says = r"pixels of .*finer are 1 x 2 mm, but pixels of .* are 2 x 2 mm; make both with one field of view"
    with pytest.raises(InputError, match=says):
        UnpairedBatches(finer, range(4), pairs, range(4), SCHEMA, seed=0)


def test_spacings_that_vary_or_are_unknown_are_not_compared(tmp_path: Path, pairs: ImageSet) -> None:
    varied = [row | {"spacing_row_mm": 1.0 + place} for place, row in enumerate(rows_for(4))]
    check_grids(write_maps(tmp_path / "varied", discs(4), varied), range(4), pairs, range(4))
    unknown = write_maps(tmp_path / "unknown", discs(4), rows_for(4, spacing_row_mm=None))
    check_grids(unknown, range(4), pairs, range(4))


def test_a_patient_in_two_splits_of_two_sets_is_refused(tmp_path: Path, pairs: ImageSet, maps: ImageSet) -> None:
    check_one_split(pairs, maps)
    other = write_maps(tmp_path, discs(4), rows_for(4, split="val"))
    with pytest.raises(CohortError, match=r"patient p0 is in split train of .* and in split val of .*; give all data"):
        check_one_split(pairs, other)


def test_unpaired_sides_of_the_same_patients_are_refused(pairs: ImageSet, maps: ImageSet) -> None:
    check_others(maps, range(12), pairs, range(12, 24))
    with pytest.raises(CohortError, match=r"patient p1 and 1 others of 3 of side A .* are among the 5 of side B"):
        check_others(maps, range(12), pairs, range(4, 24))
