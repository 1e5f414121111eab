"""The perceptual distance in AlexNet's features: torchvision's maps, equation 1 of the paper, files refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import models

from radgen.errors import CheckpointError, InputError
from radgen.metrics.alexnet import AlexNetDistance
from radgen.metrics.settings import MetricsSettings

CPU = torch.device("cpu")
CHANNELS = (64, 192, 384, 256, 256)
RECTIFIED = (1, 4, 7, 9, 11)  # torchvision's numbers of the rectifiers behind the convolutions


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of torchvision's AlexNet, without its classifier."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("alexnet") / "random.pth"
    torch.save(models.alexnet(weights=None).features.state_dict(prefix="features."), path)
    return path


@pytest.fixture(scope="module")
def lpips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the channels under LPIPS' names."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("lpips") / "alex.pth"
    torch.save({f"lin{number}.model.1.weight": torch.rand(1, one, 1, 1) for number, one in enumerate(CHANNELS)}, path)
    return path


def pictures(seed: int, channels: int = 1, side: int = 40) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (18, channels, side, side)).astype(np.uint8)


def expected(
    alexnet: Path, weights: list[Tensor], one: NDArray[np.uint8], two: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return equation 1 by torchvision's own network, on images scaled as its weights expect."""
    layers = models.alexnet(weights=None).features[:12]
    layers.load_state_dict({name.removeprefix("features."): value for name, value in torch.load(alexnet).items()})
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    sides = []
    for images in (one, two):
        x, maps = torch.from_numpy(images).float().div(255).repeat(1, 3 // images.shape[1], 1, 1), []
        x = (x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
        for number, layer in enumerate(layers):
            x = layer(x)
            maps += [x.clone()] if number in RECTIFIED else []
        sides.append([each / (each.norm(dim=1, keepdim=True) + 1e-10) for each in maps])
    total = sum(((a - b) ** 2 * w).sum(1).mean((1, 2)) for a, b, w in zip(*sides, weights, strict=True))
    return total.detach().numpy()  # type: ignore[union-attr]


@pytest.mark.parametrize("channels", [1, 3])
def test_distance_is_the_papers_on_torchvisions_maps(alexnet: Path, lpips: Path, channels: int) -> None:
    one, two = pictures(1, channels), pictures(2, channels)
    plain, learnt = AlexNetDistance(alexnet, None, CPU), AlexNetDistance(alexnet, lpips, CPU)
    assert (plain.name, learnt.name) == ("alexnet_distance", "lpips")
    ones = [torch.ones(1, count, 1, 1) for count in CHANNELS]
    np.testing.assert_allclose(plain.between(one, two), expected(alexnet, ones, one, two), rtol=1e-4)
    weights = list(torch.load(lpips).values())
    np.testing.assert_allclose(learnt.between(one, two), expected(alexnet, weights, one, two), rtol=1e-4)


def test_distance_is_none_to_itself_and_grows_with_the_change(alexnet: Path) -> None:
    distance, base = AlexNetDistance(alexnet, None, CPU), pictures(1)
    noise = np.random.default_rng(3).normal(size=base.shape)
    found = [
        float(distance.between(base, (base + size * noise).clip(0, 255).astype(np.uint8)).mean()) for size in (0, 8, 64)
    ]
    assert found[0] == 0 < found[1] < found[2]


def test_other_files_and_images_are_refused_in_words(alexnet: Path, lpips: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"alex\.pth: features\.0\.weight of shape .* there is no such tensor"):
        AlexNetDistance(lpips, None, CPU)
    torch.save(torch.load(lpips) | {"lin1.model.1.weight": torch.ones(1, 3, 1, 1)}, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=r"lin1\.model\.1\.weight of shape .* \(1, 3, 1, 1\); give"):
        AlexNetDistance(alexnet, tmp_path / "vgg.pth", CPU)
    small = pictures(1, side=30)
    with pytest.raises(InputError, match=r"images of \(1, 30, 30\): AlexNet takes 1 or 3 channels and sides of at lea"):
        AlexNetDistance(alexnet, None, CPU).between(small, small)
    with pytest.raises(ValueError, match="lpips_weights weigh AlexNet's channels; give alexnet_weights too"):
        MetricsSettings(lpips_weights=str(lpips))
