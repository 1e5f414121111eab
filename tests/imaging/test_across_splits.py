"""Near-duplicates of different splits are listed, those of one split are not, and the comparison is bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.imageset.core import write_index
from radgen.imageset.writers import ShardWriter
from radgen.imaging.across_splits import CORRELATION, near_duplicates

SIDE = 48


def stored(folder: Path, images: list[tuple[str, str, NDArray[np.uint8]]]) -> Path:
    """Store (series, split, picture) as one shard with its index."""
    with ShardWriter(folder, "shard-000", (1, SIDE, SIDE), with_masks=False) as writer:
        for number, (series, split, picture) in enumerate(images):
            row = {"image_id": f"i{number}", "source": "real", "split": split, "series": series, "patient": series}
            writer.append(row, picture[None])
    return folder / "shard-000.index.parquet"


def picture(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(20, 230, (12, 12)), np.ones((4, 4))).astype(np.uint8)


def test_copies_in_different_splits_are_listed_and_those_in_one_are_not(tmp_path: Path) -> None:
    noisy = (picture(1) + np.random.default_rng(9).integers(0, 9, (SIDE, SIDE))).astype(np.uint8)
    images = [(f"s{seed}", ("train", "test")[seed % 2], picture(seed)) for seed in range(40)]
    images += [("copy", "train", noisy), ("twin", "train", picture(2)), ("flat", "test", np.zeros_like(noisy))]
    pairs, compared = near_duplicates(stored(tmp_path, images))
    assert compared == 43
    (row,) = pairs.to_pylist()
    assert (row["image_one"], row["image_two"]) == ("i1", "i40")
    assert (row["series_one"], row["series_two"]) == ("s1", "copy")
    assert (row["split_one"], row["split_two"]) == ("test", "train")
    assert CORRELATION <= row["correlation"] < 1


def test_equal_images_make_no_more_rows_than_images(tmp_path: Path) -> None:
    images = [(f"s{number}", ("train", "val")[number % 2], picture(0)) for number in range(30)]
    pairs, _ = near_duplicates(stored(tmp_path, images))
    assert 0 < pairs.num_rows <= 30


def test_of_many_images_each_series_gives_its_share(tmp_path: Path) -> None:
    images = [(f"s{number // 20}", "train", picture(number)) for number in range(100)]
    images += [("other", "test", picture(20)), *(("other", "test", picture(200 + number)) for number in range(19))]
    pairs, compared = near_duplicates(stored(tmp_path, images), most=30)
    assert compared == 30
    assert [(row["series_one"], row["series_two"]) for row in pairs.to_pylist()] == [("s1", "other")]


def test_an_empty_set_and_a_set_of_one_split_have_none(tmp_path: Path) -> None:
    write_index(tmp_path / "index.parquet", [])
    assert near_duplicates(tmp_path / "index.parquet")[0].num_rows == 0
    pairs, compared = near_duplicates(stored(tmp_path, [("a", "train", picture(0)), ("b", "train", picture(0))]))
    assert (pairs.num_rows, compared) == (0, 2)
