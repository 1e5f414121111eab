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
from radgen.semantic.maps.surroundings import MapReader, Surroundings, find_surroundings, otsu_thresholds, smoothed
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
