"""Class means: exact, whatever the order of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from radgen.errors import CohortError
from radgen.features.network import load_features
from radgen.gan.projected.embedding import class_means, first_embeddings
from tests.gan.toys import images_of, study


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (images.reshape(len(images), -1)[:, ::37] / np.float32(7.0)).astype(np.float32)


def _uneven(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Numbers of such different size that sums of them in float64 hang on the order."""
    sums = images.reshape(len(images), -1).sum(axis=1, dtype=np.int64)
    return (sums / 7 * 10.0 ** (sums % 13 - 9)).astype(np.float32)[:, None]


def test_class_means_are_the_means(tmp_path: Path) -> None:
    images = images_of(study(tmp_path))
    rows, ids = np.arange(113), images.column("class_id").astype(np.int64)[:113]
    means = class_means(_pixels, images, rows, ids, 2)
    assert means.dtype == np.float64
    for number in range(2):
        expected = _pixels(images.images(rows[ids == number])).astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(means[number], expected, atol=1e-6)


def test_the_order_of_rows_changes_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = study(tmp_path)
    images, encoder = images_of(folder), load_features(folder / "encoder/encoder.safetensors")
    ids = images.column("class_id").astype(np.int64)
    rows = np.arange(len(images))
    wholes = [class_means(embed, images, rows, ids, 2) for embed in (encoder.features, _uneven)]
    monkeypatch.setattr("radgen.gan.projected.embedding.IMAGES_AT_ONCE", 17)
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation(rows)
        for embed, whole in zip((encoder.features, _uneven), wholes, strict=True):
            assert class_means(embed, images, shuffled, ids[shuffled], 2).tobytes() == whole.tobytes()


def test_a_class_without_rows_has_the_mean_of_the_others(tmp_path: Path) -> None:
    images = images_of(study(tmp_path))
    ids = images.column("class_id").astype(np.int64) * 2
    means = class_means(_pixels, images, np.arange(len(images)), ids, 3)
    np.testing.assert_allclose(means[1], (means[0] + means[2]) / 2)


def test_no_rows_are_refused(tmp_path: Path) -> None:
    nothing = np.zeros(0, np.int64)
    with pytest.raises(CohortError, match="no training rows to take class means of; check the source's train_on"):
        class_means(_pixels, images_of(study(tmp_path)), nothing, nothing, 2)


def test_embeddings_begin_at_the_means_centred_and_scaled() -> None:
    means = np.array([[1.0, 5.0], [3.0, 5.0], [8.0, 2.0]])
    table = first_embeddings(3, 64, means, seed=1)
    assert table.mean(dim=0).abs().max().item() < 1e-6
    assert table.square().mean().item() == pytest.approx(1.0)
    centred = torch.from_numpy(means - means.mean(axis=0))
    torch.testing.assert_close(table / table[0, 0], (centred / centred[0, 0]).float())


def test_without_means_or_with_one_class_embeddings_are_random_by_seed() -> None:
    assert torch.equal(first_embeddings(2, 8, None, seed=1), first_embeddings(2, 8, None, seed=1))
    assert not torch.equal(first_embeddings(2, 8, None, seed=1), first_embeddings(2, 8, None, seed=2))
    assert first_embeddings(1, 8, np.ones((1, 5)), seed=1).abs().min() > 0
