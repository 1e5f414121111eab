"""Features do not depend on how images are grouped, and files that are no network are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from radgen.errors import CheckpointError, InputError
from radgen.features.network import BLOCK, ConvEncoder, FeatureNetwork, NetworkShape, load_features, save_network


def _network(side: int = 16, *, has_classes: bool = True) -> ConvEncoder:
    torch.manual_seed(0)
    return ConvEncoder(NetworkShape(1, side, side, 8, 4, ("a", "b"), has_classes, "classes"))


def _images(count: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, side, side), dtype=np.uint8)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> FeatureNetwork:
    path = tmp_path_factory.mktemp("network") / "weights.safetensors"
    save_network(_network(), path)
    return load_features(path)


@pytest.mark.parametrize("count", [1, 7, BLOCK, BLOCK + 1])
def test_feature_bytes_do_not_depend_on_how_many_images_are_asked_for(loaded: FeatureNetwork, count: int) -> None:
    images = _images(2 * BLOCK + 5)
    assert loaded.features(images)[:count].tobytes() == loaded.features(images[:count]).tobytes()
    assert loaded.class_probabilities(images)[:count].tobytes() == loaded.class_probabilities(images[:count]).tobytes()


def test_no_images_give_no_features(loaded: FeatureNetwork) -> None:
    assert loaded.features(_images(0)).shape == (0, 8)


def test_probabilities_sum_to_one(loaded: FeatureNetwork) -> None:
    np.testing.assert_allclose(loaded.class_probabilities(_images(9)).sum(axis=1), 1, rtol=1e-5)


def test_features_tell_where_a_thing_lies(loaded: FeatureNetwork) -> None:
    left, right = np.zeros((2, 1, 1, 16, 16), dtype=np.uint8)
    left[..., 6:10, 2:6], right[..., 6:10, 10:14] = 255, 255
    assert np.abs(loaded.features(left) - loaded.features(right)).max() > 1e-3


@pytest.mark.parametrize("side", [16, 32, 50, 64])
def test_any_side_has_a_network_whose_file_brings_it_back(tmp_path: Path, side: int) -> None:
    network = _network(side)
    save_network(network, tmp_path / "one.safetensors")
    save_network(network, tmp_path / "two.safetensors")
    again = load_features(tmp_path / "one.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    direct = FeatureNetwork(network, "", torch.device("cpu")).features(_images(3, side))
    assert again.features(_images(3, side)).tobytes() == direct.tobytes()
    assert again.class_names == ("a", "b")
    assert len(again.digest) == 32


def test_images_of_another_study_are_refused_with_both_shapes(loaded: FeatureNetwork) -> None:
    with pytest.raises(InputError, match=r"uint8 \(1, 20, 20\), but the feature network takes uint8 \(1, 16, 16\)"):
        loaded.features(_images(2, 20))


def test_probabilities_need_labels() -> None:
    network = FeatureNetwork(_network(has_classes=False), "f00d" * 8, torch.device("cpu"))
    with pytest.raises(CheckpointError, match="f00df00df00d was trained without class labels"):
        network.class_probabilities(_images(2))


@pytest.mark.parametrize("kind", ["missing", "text", "foreign"])
def test_a_file_that_is_no_network_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.safetensors"
    if kind == "text":
        path.write_text("not a network")
    if kind == "foreign":
        save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: not a feature network of radgen"):
        load_features(path)
