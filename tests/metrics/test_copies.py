"""Near-copies of training images are told by features and by pixels, at the limit that other patients set."""

from __future__ import annotations

import numpy as np
import pytest

from radgen.features.network import FeatureNetwork, load_features
from radgen.imageset.core import ImageSet
from radgen.metrics.copies import CopyGuard, copy_guard
from tests.labels.toys import CPU, real_pictures, save_encoder_file, write_real


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> FeatureNetwork:
    return load_features(save_encoder_file(tmp_path_factory.mktemp("encoder") / "encoder.safetensors"), CPU)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return ImageSet(write_real(tmp_path_factory.mktemp("real"), patients=80, per_patient=4))


def flagged(guard: CopyGuard, images: np.ndarray) -> list[bool]:
    return list(guard.is_copy(images, guard.network.features(images)))


def test_training_images_are_copies_and_brighter_ones_too(real: ImageSet, network: FeatureNetwork) -> None:
    training = real.rows_where(split="train")
    guard = copy_guard(network, real, training, quantile=0.05)
    images = real.images(training[:6])
    brighter = (images // 2 + 40).astype(np.uint8)  # features move, normalised pixels do not
    assert flagged(guard, images) == [True] * 6
    assert flagged(guard, brighter) == [True] * 6


def test_about_the_share_of_other_peoples_images_is_flagged(real: ImageSet, network: FeatureNetwork) -> None:
    training = real.rows_where(split="train")
    others, _ = real_pictures(400, seed=77)
    few, half = (np.mean(flagged(copy_guard(network, real, training, quantile=q), others)) for q in (0.02, 0.5))
    assert 0 < few < 0.1  # by either of two distances, so up to twice the share
    assert 0.4 < half < 0.9


def test_only_training_patients_set_the_limit(real: ImageSet, network: FeatureNetwork) -> None:
    training = real.rows_where(split="train")
    patients = real.column("patient")[training]
    guard = copy_guard(network, real, training, quantile=0.0)
    features = network.features(real.images(training)).astype(np.float64)
    apart = np.linalg.norm(features[:, None] - features[None, :], axis=-1)[patients[:, None] != patients[None, :]]
    assert guard.limits[0] == pytest.approx(apart.min(), rel=1e-4)


def test_a_single_patient_sets_no_limit(real: ImageSet, network: FeatureNetwork) -> None:
    training = real.rows_where(patient="patient1")
    guard = copy_guard(network, real, training, quantile=0.5)
    assert guard.limits == (0.0, 0.0)
    assert flagged(guard, real.images(training[:2])) == [False, False]
