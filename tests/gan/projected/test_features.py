"""Frozen maps: grey images are what tripled and normalised ones would be, and nothing of the network is trained."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.features.network import ConvEncoder, NetworkShape, to_network
from radgen.gan.projected.backbones import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    Colours,
    Ladder,
    encoder_backbone,
    random_backbone,
)
from radgen.gan.projected.features import FeatureMaps

HALF = (0.5, 0.5, 0.5)


def _colour_network(channels: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU())


def _normalised(images: Tensor, mean: Colours, std: Colours) -> Tensor:
    colours = (images.double() + 1).div(2).expand(-1, 3, -1, -1)
    return (colours - torch.tensor(mean).double()[:, None, None]) / torch.tensor(std).double()[:, None, None]


@pytest.mark.parametrize(("mean", "std"), [(IMAGENET_MEAN, IMAGENET_STD), (HALF, HALF), (HALF, IMAGENET_STD)])
def test_grey_images_are_not_tripled_and_the_border_is_right(mean: Colours, std: Colours) -> None:
    network = _colour_network().eval()
    reference = copy.deepcopy(network).double()
    features = FeatureMaps(Backbone(Ladder([network]), "", mean, std), 1, 8, scales=1)
    images = torch.rand(2, 1, 8, 8) * 2 - 1
    # float64 and padding with zeros of the normalised, tripled image
    expected = reference(_normalised(images, mean, std))
    torch.testing.assert_close(features(images)[0].double(), expected, atol=1e-6, rtol=1e-5)
    assert network[0].weight.shape[1] == (1 if mean == HALF else 2)  # type: ignore[union-attr]


def test_colour_images_are_normalised() -> None:
    network = _colour_network().eval()
    reference = copy.deepcopy(network).double()
    features = FeatureMaps(Backbone(Ladder([network]), "", IMAGENET_MEAN, IMAGENET_STD), 3, 8, scales=1)
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    expected = reference(_normalised(images, IMAGENET_MEAN, IMAGENET_STD))
    torch.testing.assert_close(features(images)[0].double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_torchvisions_maps_are_those_of_its_own_network(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    features = FeatureMaps(random_backbone(name), 1, 64, scales=4)
    torch.manual_seed(0)
    network = getattr(models, name)(weights=None).eval()
    images = torch.rand(1, 1, 64, 64) * 2 - 1
    seen: list[Tensor] = []
    last = network.layer4 if name == "resnet50" else network.features
    last.register_forward_hook(lambda *call: seen.append(call[2].clone()))
    network(_normalised(images, IMAGENET_MEAN, IMAGENET_STD).float())
    torch.testing.assert_close(features(images)[-1], seen[0], atol=1e-4, rtol=1e-3)


def test_the_encoders_maps_are_its_stages() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(NetworkShape(1, 32, 32, 4, 4))
    encoder.train()
    for _ in range(3):
        encoder.embed(torch.randn(8, 1, 32, 32))  # running statistics that are not 0 and 1
    encoder.eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    features = FeatureMaps(encoder_backbone(encoder), 1, 32, scales=4)
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    x = images
    for ours, stage in zip(features(images), encoder.stages, strict=True):
        x = stage(x)
        torch.testing.assert_close(ours, x, atol=1e-5, rtol=1e-4)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize(
    ("px", "scales", "sizes"),
    [
        (16, 4, [8, 4]),
        (32, 4, [16, 8, 4]),
        (64, 4, [32, 16, 8, 4]),
        (128, 4, [32, 16, 8, 4]),
        (256, 4, [64, 32, 16, 8]),
        (64, 2, [16, 8]),
    ],
)
def test_scales_follow_from_the_image(px: int, scales: int, sizes: list[int]) -> None:
    backbone = encoder_backbone(ConvEncoder(NetworkShape(1, px, px, 2, 2)))
    features = FeatureMaps(backbone, 1, px, scales=scales)
    assert [shape[1] for shape in features.shapes] == sizes
    maps = features(torch.zeros(1, 1, px, px))
    assert [tuple(x.shape[1:]) for x in maps] == list(features.shapes)


def test_nothing_is_trained_saved_or_set_to_training() -> None:
    features = FeatureMaps(Backbone(Ladder([_colour_network()]), "", HALF, HALF), 1, 8, scales=1)
    nn.Sequential(features).train()
    assert not any(module.training for module in features.modules())
    assert not list(features.parameters())
    assert not features.state_dict()
    images = torch.zeros(1, 1, 8, 8, requires_grad=True)
    features(images)[0].sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_magnitudes_are_those_of_the_maps() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(NetworkShape(1, 32, 32, 4, 4))
    plain = FeatureMaps(encoder_backbone(encoder), 1, 32, scales=4).magnitudes
    encoder.stages[-1].norm_same.weight.data *= 100  # type: ignore[union-attr, operator]
    louder = FeatureMaps(encoder_backbone(encoder), 1, 32, scales=4).magnitudes
    assert louder[:-1] == plain[:-1]
    assert louder[-1] > 20 * plain[-1]


def test_images_are_resized_only_where_the_network_asks() -> None:
    sizes: list[int] = []

    class Spy(Ladder):
        def forward(self, x: Tensor, count: int) -> list[Tensor]:
            sizes.append(x.shape[-1])
            return super().forward(x, count)

    for fixed_px, input_px in ((0, 0), (24, 0), (0, 12)):
        backbone = Backbone(Spy([_colour_network()]), "", HALF, HALF, fixed_px)
        FeatureMaps(backbone, 1, 8, scales=1, input_px=input_px)(torch.zeros(1, 1, 8, 8))
    assert sizes == [8, 8, 8, 24, 24, 24, 12, 12, 12]  # twice on building


def test_pooled_features_do_not_depend_on_the_company() -> None:
    backbone = encoder_backbone(ConvEncoder(NetworkShape(1, 16, 16, 2, 2)))
    features = FeatureMaps(backbone, 1, 16, scales=4)
    images = np.random.default_rng(0).integers(0, 256, (70, 1, 16, 16), dtype=np.uint8)
    whole = features.pooled(images)
    torch.testing.assert_close(
        torch.from_numpy(whole[:3]), features(to_network(images[:3], torch.device("cpu")))[-1].mean(dim=(2, 3))
    )
    assert np.array_equal(whole[3:40], features.pooled(images[3:40]))


@pytest.mark.parametrize(
    ("backbone", "channels", "input_px", "message"),
    [
        (Backbone(Ladder([_colour_network()]), "", HALF, HALF), 2, 0, "images have 2 channels, but .* takes 1 or 3"),
        (Backbone(Ladder([_colour_network()]), "", HALF, HALF, 24), 1, 8, "input_px is 8, but .* accepts 24 alone"),
        (Backbone(Ladder([_colour_network()]), "", HALF, HALF, 0, 75), 1, 0, "images of 8 pixels, but .* needs 75"),
        (Backbone(Ladder([_colour_network()]), "", HALF, HALF), 1, 2, "images of 2 pixels leave .* no map"),
        (Backbone(Ladder([_colour_network(4)]), "", HALF, HALF), 1, 0, "does not begin with a convolution of 3"),
    ],
)
def test_images_that_do_not_fit_are_refused(backbone: Backbone, channels: int, input_px: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeatureMaps(backbone, channels, 8, scales=1, input_px=input_px)
