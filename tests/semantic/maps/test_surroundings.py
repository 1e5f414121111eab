"""Background told apart by grey level: exact thresholds, of rows that are learnt from, and nothing drawn is touched."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.semantic.maps.batches import PairBatches, UnpairedBatches
from radgen.semantic.maps.lenders import Lenders
from radgen.semantic.maps.surroundings import (
    MapReader,
    Surroundings,
    find_surroundings,
    otsu_thresholds,
    padding_of,
    smoothed,
)
from tests.semantic.maps.toys import SCHEMA, SIDE, discs, rows_for, write_maps

COUNT = 6


def _stripes(folder: Path, maps: NDArray[np.uint8]) -> ImageSet:
    """Write maps on images of three stripes, dark, grey and bright; the last image is bright alone."""
    stripes = np.repeat(np.array([10, 100, 200], dtype=np.uint8), [12, 10, 10])[np.newaxis, :, np.newaxis]
    with ShardWriter(folder, "shard-000", (1, SIDE, SIDE), with_masks=True) as writer:
        for number, (row, one) in enumerate(zip(rows_for(len(maps)), maps, strict=True)):
            image = np.broadcast_to(stripes if number < len(maps) - 1 else np.uint8(255), (1, SIDE, SIDE))
            writer.append(row, np.ascontiguousarray(image), one)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return ImageSet(folder / "index.parquet")


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return _stripes(tmp_path_factory.mktemp("striped"), discs(COUNT))


def _spread_within(counts: NDArray[np.int64], starts: tuple[int, ...]) -> float:
    levels, total = np.arange(len(counts)), 0.0
    for first, last in zip((0, *starts), (*starts, len(counts)), strict=True):
        number = counts[first:last].sum()
        if not number:
            return np.inf
        mean = (counts * levels)[first:last].sum() / number
        total += float((counts[first:last] * (levels[first:last] - mean) ** 2).sum())
    return total


@pytest.mark.parametrize("groups", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_thresholds_are_the_best_of_all(groups: int, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 5, 12) * (np.arange(12) % 3 > 0)
    found = otsu_thresholds(counts, groups)
    least = min(_spread_within(counts, starts) for starts in combinations(range(1, 12), groups - 1))
    assert found == sorted(found)
    assert _spread_within(counts, tuple(int(np.ceil(level)) for level in found)) == pytest.approx(least)


def test_smoothing_is_a_gaussian_mean_and_no_image_knows_its_neighbours() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 9, 7), dtype=np.uint8)
    grey = images.astype(float).mean(axis=1)
    weights = np.exp(-(np.arange(-3, 4) ** 2) / 2.0)
    weights /= weights.sum()
    padded = np.pad(grey[2], 3, mode="edge")
    here = float((weights[:, None] * weights * padded[1:8, 2:9]).sum())
    many = smoothed(images, 1.0)
    assert many[2, 1, 2] == pytest.approx(here)
    assert np.array_equal(many[2:3], smoothed(images[2:3], 1.0))
    assert np.array_equal(smoothed(images, 0.0), grey)


def test_background_is_told_apart_by_the_images_own_grey_and_nothing_drawn_changes(striped: ImageSet) -> None:
    rows = np.arange(COUNT - 1)
    surroundings = find_surroundings(striped, rows, SCHEMA, groups=3, blur_px=0.0)
    reader = MapReader(striped, SCHEMA, surroundings)
    drawn, found = SCHEMA.to_classes(striped.masks(rows)), reader.classes(rows)
    assert reader.labels == SCHEMA.classes + 2 == 5
    assert np.array_equal(found[drawn > 0], drawn[drawn > 0])
    stripes = np.repeat([0, 3, 4], [12, 10, 10])[np.newaxis, :, np.newaxis]
    assert np.array_equal(found[drawn == 0], np.broadcast_to(stripes, drawn.shape)[drawn == 0])
    assert np.array_equal(found[3:4], reader.classes([3]))
    assert np.array_equal(MapReader(striped, SCHEMA).classes(rows), drawn)


def _crop() -> NDArray[np.uint8]:
    """Return a crop of tissue, grey 40, in black: 3 black rows above, 1 column right of it, a hole and a dot within."""
    image = np.full((1, 1, SIDE, SIDE), 40, dtype=np.uint8)
    image[..., :3, :] = image[..., :, -1:] = 0
    image[..., 12:17, 8:13] = image[..., 24:28, 20] = 0
    return image


def test_padding_is_black_areas_and_no_black_dots() -> None:
    image = _crop()
    found = np.zeros((SIDE, SIDE), dtype=bool)
    found[:3] = found[:, -1] = found[12:17, 8:13] = True
    assert np.array_equal(padding_of(image)[0], found)
    coloured = np.repeat(image, 3, axis=1)
    coloured[:, 1, :3] = 1
    assert not padding_of(coloured)[0, :3, :-1].any()


def test_grey_levels_beside_padding_are_not_smoothed_with_its_black() -> None:
    image = _crop()
    inside = ~padding_of(image)
    image[..., 24:28, 20] = 40
    assert smoothed(image, 1.0, inside)[inside] == pytest.approx(40.0)
    assert smoothed(image, 1.0)[0, 3, 5] < 30
    assert np.array_equal(smoothed(image, 0.0, inside), np.where(inside, 40.0, 0.0))
    assert smoothed(np.where(inside[:, np.newaxis], image, np.uint8(255)), 1.0, inside)[inside] == pytest.approx(40.0)
    assert not smoothed(image, 1.0, np.zeros_like(inside)).any()


def test_padding_alone_stays_background(tmp_path: Path) -> None:
    stripes = np.repeat(np.array([0, 60, 200], dtype=np.uint8), [12, 10, 10])[np.newaxis, :, np.newaxis]
    maps = discs(2)
    with ShardWriter(tmp_path, "shard-000", (1, SIDE, SIDE), with_masks=True) as writer:
        for row, one in zip(rows_for(2), maps, strict=True):
            writer.append(row, np.ascontiguousarray(np.broadcast_to(stripes, (1, SIDE, SIDE))), one)
    gather_index([tmp_path / "shard-000.index.parquet"], tmp_path / "index.parquet")
    images = ImageSet(tmp_path / "index.parquet")
    surroundings = find_surroundings(images, np.arange(2), SCHEMA, groups=2, blur_px=1.0, padding=True)
    # Of what is no padding alone: 60 and 200, smoothed at the border between them.
    assert surroundings.thresholds == (pytest.approx(130, abs=3),)
    reader = MapReader(images, SCHEMA, surroundings)
    drawn, found = SCHEMA.to_classes(images.masks([0, 1])), reader.classes([0, 1])
    assert reader.labels == SCHEMA.classes + 2
    expected = np.broadcast_to(np.repeat([0, 3, 4], [12, 10, 10])[np.newaxis, :, np.newaxis], drawn.shape)
    assert np.array_equal(found, np.where(drawn > 0, drawn, expected))
    assert not reader.paint(found)[found == 0].any()


def test_thresholds_come_from_the_rows_that_are_learnt(striped: ImageSet) -> None:
    learnt = find_surroundings(striped, np.arange(COUNT - 1), SCHEMA, groups=3, blur_px=0.0)
    other = find_surroundings(striped, np.arange(COUNT), SCHEMA, groups=3, blur_px=0.0)
    assert learnt.thresholds == (55.0, 150.0)
    assert other.thresholds[-1] > 155


def test_both_kinds_of_batches_hold_them(striped: ImageSet) -> None:
    surroundings, rows = Surroundings((50.0, 150.0), 0.0), range(COUNT - 1)
    pairs = PairBatches(striped, rows, SCHEMA, seed=0, surroundings=surroundings).batch(0, 4)
    apart = UnpairedBatches(striped, rows, striped, [COUNT - 1], SCHEMA, seed=0, surroundings=surroundings).batch(0, 4)
    assert {3, 4} <= set(np.unique(pairs[0].numpy()).tolist())
    # Side B is one bright image: what tells maps apart is their own.
    assert {0, 3, 4} <= set(np.unique(apart[0].numpy()).tolist())


def _class_of(number: int) -> str:
    """Return the class of an image; none but the last is of class c."""
    return "aabaabc"[number]


def test_maps_may_borrow_the_surroundings_of_images_of_their_class(tmp_path: Path) -> None:
    maps = discs(7)
    with ShardWriter(tmp_path, "shard-000", (1, SIDE, SIDE), with_masks=True) as writer:
        for number, (row, one) in enumerate(zip(rows_for(7), maps, strict=True)):
            image = np.full((1, SIDE, SIDE), 30 * number, dtype=np.uint8)
            writer.append(row | {"class_name": _class_of(number)}, image, one)
    gather_index([tmp_path / "shard-000.index.parquet"], tmp_path / "index.parquet")
    images = ImageSet(tmp_path / "index.parquet")
    # One group for each image's grey level: what a map stands in tells whose it is.
    surroundings = Surroundings(tuple(30 * number - 15.0 for number in range(1, 7)), 0.0)
    sides = (images, [0, 2, 6], images, [3, 4, 5])
    of_class = {"surroundings": surroundings, "lenders": Lenders(images, np.array([3, 4, 5]), by_class=True)}
    batches = UnpairedBatches(*sides, SCHEMA, seed=0, **of_class)
    drawn = SCHEMA.to_classes(images.masks([0, 2, 6]))
    lenders: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    found = batches.batch(0, 60)[0].numpy()
    for one in found:
        number = next(i for i in range(3) if np.array_equal(np.where(one < SCHEMA.classes, one, 0), drawn[i]))
        (label,) = set(np.unique(one[drawn[number] == 0]).tolist())
        lenders[number].add(label - SCHEMA.classes + 1)
    # Of class a, of class b, and of any, as no image is of class c.
    assert lenders == {0: {3, 4}, 1: {5}, 2: {3, 4, 5}}
    assert np.array_equal(batches.batch(8, 4)[0].numpy(), found[8:12])
    other = UnpairedBatches(*sides, SCHEMA, seed=1, **of_class)
    assert not np.array_equal(other.batch(0, 60)[0].numpy(), found)


def test_classes_that_somebody_labelled_choose_no_lender(striped: ImageSet) -> None:
    every = np.arange(COUNT)
    lenders = Lenders(striped, every, by_class=False)
    blind = {lenders.draw(name, number) for name in ("all", "other") for number in range(40)}
    assert blind == set(every.tolist())
    assert [lenders.draw("all", number) for number in range(9)] == [
        lenders.draw("other", number) for number in range(9)
    ]


def test_nothing_is_borrowed_where_no_surroundings_are_told_apart(striped: ImageSet) -> None:
    with pytest.raises(ValueError, match="maps are laid over surroundings of other images, but none are told apart"):
        MapReader(striped, SCHEMA).laid_over([0], striped, [1])


def test_surroundings_are_painted_in_shades_of_grey(striped: ImageSet) -> None:
    reader = MapReader(striped, SCHEMA, Surroundings((50.0, 150.0), 0.0))
    colours = reader.paint(np.array([[0, 1, 2, 3, 4]]))[0]
    assert np.array_equal(colours[:3], SCHEMA.paint(np.arange(3)))
    assert colours[3].tolist() == [colours[3, 0]] * 3 < colours[4].tolist() == [colours[4, 0]] * 3


def test_maps_without_images_and_too_few_grey_levels_end_in_one_sentence(striped: ImageSet, tmp_path: Path) -> None:
    alone = write_maps(tmp_path, discs(COUNT))
    with pytest.raises(InputError, match=r"maps without images, but surroundings are told apart by grey levels of a"):
        MapReader(alone, SCHEMA, Surroundings((50.0,), 1.0))
    with pytest.raises(InputError, match=r"background of 5 maps has 3 grey level\(s\), but semantic.surroundings asks"):
        find_surroundings(striped, np.arange(COUNT - 1), SCHEMA, groups=4, blur_px=0.0)
