"""Random batches: a pure function of seed and images seen that shows every row once per epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.imageset.torch import RowBatches
from radgen.imageset.writers import ShardWriter

CLASS_IDS = np.array([0] * 9 + [1] * 3)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("images")
    with ShardWriter(folder, "s", (1, 4, 4), with_masks=False) as writer:
        for number in range(20):
            writer.append({"image_id": str(number), "source": "real"}, np.full((1, 4, 4), number, dtype=np.uint8))
    return ImageSet(folder / "s.index.parquet")


def _batches(images: ImageSet, *, seed: int = 0, balanced: bool = False) -> RowBatches:
    return RowBatches(images, np.arange(8, 20), CLASS_IDS, seed=seed, balanced=balanced)


@pytest.mark.parametrize("balanced", [False, True])
def test_batches_are_a_pure_function_of_seed_and_position(images: ImageSet, balanced: bool) -> None:
    one, two = _batches(images, balanced=balanced), _batches(images, balanced=balanced)
    far = two.positions(70, 30)  # asked for first, and out of order
    whole = one.positions(0, 100)
    assert np.array_equal(whole[70:], far)
    assert np.array_equal(whole[20:45], two.positions(20, 25))
    assert not np.array_equal(whole, _batches(images, seed=1, balanced=balanced).positions(0, 100))


def test_every_epoch_shows_every_row_once_and_in_another_order(images: ImageSet) -> None:
    order = _batches(images).positions(0, 36).reshape(3, 12)
    assert (np.sort(order, axis=1) == np.arange(12)).all()
    assert not np.array_equal(order[0], order[1])


def test_balanced_classes_take_turns_and_each_has_its_epochs(images: ImageSet) -> None:
    order = _batches(images, balanced=True).positions(0, 36)
    classes = CLASS_IDS[order]
    assert (classes.reshape(-1, 2) == [0, 1]).all()
    rare, common = order[classes == 1].reshape(-1, 3), order[classes == 0].reshape(-1, 9)
    assert (np.sort(rare, axis=1) == [9, 10, 11]).all()
    assert (np.sort(common, axis=1) == np.arange(9)).all()


def test_batch_holds_the_pixels_of_its_rows(images: ImageSet) -> None:
    batches = _batches(images)
    pixels, class_ids = batches.batch(7, 5)
    places = batches.positions(7, 5)
    assert pixels.dtype == torch.uint8
    assert pixels[:, 0, 0, 0].tolist() == (places + 8).tolist()
    assert class_ids.tolist() == CLASS_IDS[places].tolist()


def test_no_rows_are_refused(images: ImageSet) -> None:
    with pytest.raises(CohortError, match="no rows to train on; check the source's train_on"):
        RowBatches(images, [], [], seed=0, balanced=True)
