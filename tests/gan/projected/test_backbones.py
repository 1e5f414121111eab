"""Feature networks by their names: weights from files, optional packages, and what is said where one is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from radgen.errors import CheckpointError, ConfigError
from radgen.features.network import ConvEncoder, FeatureNetwork, NetworkShape
from radgen.gan.projected.backbones import load_backbone, random_backbone
from radgen.gan.projected.features import FeatureMaps
from radgen.gan.projected.settings import ProjectedSettings
from radgen.provenance import digest_file


class TinyTransformer(nn.Module):
    """Eight blocks of one scale, told of as timm's networks tell."""

    def __init__(self) -> None:
        super().__init__()
        self.default_cfg = {
            "mean": (0.1, 0.2, 0.3),
            "std": (1, 1, 1),
            "input_size": (3, 32, 32),
            "fixed_input_size": True,
        }
        self.feature_info = [{"reduction": 8, "num_chs": 2}] * 8
        self.patch = nn.Conv2d(3, 2, 8, stride=8)

    def forward_intermediates(self, x: Tensor, indices: list[int], **_: object) -> list[Tensor]:
        assert x.shape[-1] == 32
        return [self.patch(x) * (index + 1) for index in indices]


def _fake_timm(**networks: Any) -> SimpleNamespace:
    return SimpleNamespace(
        __version__="0",
        is_model=lambda name: name in networks,
        list_models=lambda _pattern: sorted(networks),
        create_model=lambda name, **_: networks[name](),
    )


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", _fake_timm(tiny=TinyTransformer, blind=nn.Identity))


@pytest.mark.usefixtures("timm")
def test_a_network_of_one_scale_is_given_four(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, path = TinyTransformer(), tmp_path / "tiny.safetensors"
    save_file(network.state_dict(), path)
    backbone = load_backbone(ProjectedSettings(network="timm:tiny", weights=str(path)))
    assert backbone.digest == digest_file(path)
    assert (backbone.mean, backbone.fixed_px) == ((0.1, 0.2, 0.3), 32)
    features = FeatureMaps(backbone, 1, 16, scales=4)
    assert features.shapes == ((2, 16, 16), (2, 8, 8), (2, 4, 4), (2, 2, 2))
    maps = features(torch.full((1, 1, 16, 16), 0.5))
    # Blocks 2, 4, 6 and 8 of 8, of an image of one colour, are numbers in this ratio at every place.
    colours = torch.full((1, 3, 32, 32), 0.75) - torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    one = network.patch(colours)[0, :, 0, 0]
    for x, factor in zip(maps, (2, 4, 6, 8), strict=True):
        torch.testing.assert_close(x, (one * factor)[None, :, None, None].expand_as(x))


@pytest.mark.usefixtures("timm")
def test_networks_that_timm_does_not_have_or_that_give_no_maps_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"timm 0 has no network 'none' .*see timm\.list_models"):
        random_backbone("timm:none")
    with pytest.raises(ConfigError, match=r"timm's blind gives no maps on the way"):
        random_backbone("timm:blind")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ConfigError, match=r"timm:any needs the package timm, which is not installed .*pip install timm"
    ):
        random_backbone("timm:any")


@pytest.mark.parametrize(
    ("network", "levels", "least_px"),
    [
        ("timm:tf_efficientnet_lite0", [(16, 16), (24, 8), (40, 4), (112, 2)], 32),
        ("timm:deit_tiny_patch16_224", [], 32),
    ],
)
def test_timms_networks_give_maps(network: str, levels: list[tuple[int, int]], least_px: int) -> None:
    pytest.importorskip("timm")
    features = FeatureMaps(random_backbone(network), 1, least_px, scales=4)
    expected = levels or [(192, 56), (192, 28), (192, 14), (192, 7)]
    assert [(shape[0], shape[1]) for shape in features.shapes] == expected


def test_torchvisions_weights_come_from_a_file_and_nothing_is_downloaded(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    path = tmp_path / "resnet.pt"
    network = models.resnet50(weights=None).eval()
    torch.save({name: value for name, value in network.state_dict().items() if not name.startswith("fc.")}, path)
    backbone = load_backbone(
        ProjectedSettings(network="resnet50", weights=str(path), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    )
    assert backbone.mean == (0.5, 0.5, 0.5)
    features = FeatureMaps(backbone, 1, 64, scales=4)
    images = torch.rand(1, 1, 64, 64) * 2 - 1
    x = images.expand(-1, 3, -1, -1)
    for part in (network.conv1, network.bn1, network.relu, network.maxpool, network.layer1):
        x = part(x)
    torch.testing.assert_close(features(images)[0], x, atol=1e-4, rtol=1e-3)
    with pytest.raises(CheckpointError, match=r"resnet\.pt: has no features\.conv0\.weight"):
        load_backbone(ProjectedSettings(network="densenet121", weights=str(path)))


def test_what_was_not_given_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"resnet50 needs a file of its weights, but projected\.weights names none"):
        load_backbone(ProjectedSettings(network="resnet50"))
    missing = str(tmp_path / "none.pt")
    with pytest.raises(ConfigError, match=r"none\.pt is no file; download it and name it"):
        load_backbone(ProjectedSettings(network="resnet50", weights=missing))
    with pytest.raises(ConfigError, match=r"projected\.network is encoder, but no encoder was given"):
        load_backbone(ProjectedSettings())
    encoder = FeatureNetwork(ConvEncoder(NetworkShape(1, 16, 16, 2, 2)), "digest", torch.device("cpu"))
    with pytest.raises(ConfigError, match=r"projected\.network is encoder, but a weights file was given"):
        load_backbone(ProjectedSettings(weights=missing), encoder)
    assert load_backbone(ProjectedSettings(), encoder).digest == "digest"
