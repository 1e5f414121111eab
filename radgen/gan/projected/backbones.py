"""Networks that can give maps at falling scales: the domain encoder, torchvision's and timm's."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from radgen.errors import ConfigError
from radgen.features.network import ConvEncoder, FeatureNetwork
from radgen.gan.projected.settings import ENCODER, TIMM_PREFIX, ProjectedSettings
from radgen.gan.projected.weights import fill, read_weights
from radgen.provenance import digest_file

Colours = tuple[float, ...]
IMAGENET_MEAN: Colours = (0.485, 0.456, 0.406)
IMAGENET_STD: Colours = (0.229, 0.224, 0.225)
PYRAMID = (4.0, 2.0, 1.0, 0.5)  # scales given to the blocks of a network whose maps all have one scale


class Levels(nn.Module):
    """A network seen as levels: `forward` gives the maps of the first `count` levels, finest first."""

    count: int

    def forward(self, x: Tensor, count: int) -> list[Tensor]:
        """Map [n, C, H, W] to `count` maps [n, c, h, w]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Backbone:
    """A network, its input, and which weights it has.

    Attributes
    ----------
    levels
        The network.
    digest
        Of its weights; "" for random ones.
    mean, std
        Of red, green and blue, grey levels in [0, 1]; empty where it takes images in [-1, 1] of the study's channels.
    fixed_px
        The one side it accepts; 0 for any.
    least_px
        The smallest side it accepts.
    """

    levels: Levels
    digest: str
    mean: Colours = ()
    std: Colours = ()
    fixed_px: int = 0
    least_px: int = 1


class Ladder(Levels):
    """Levels that follow each other, each of some modules."""

    def __init__(self, levels: Sequence[Sequence[nn.Module]]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Sequential(*modules) for modules in levels)
        self.count = len(levels)

    def forward(self, x: Tensor, count: int) -> list[Tensor]:
        """Map [n, C, H, W] to the maps of the first levels."""
        maps = []
        for level in self.levels[:count]:
            x = level(x)
            maps.append(x)
        return maps


class Intermediates(Levels):
    """Levels of one of timm's networks, by its own means of giving maps on the way."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        reductions = [int(stage["reduction"]) for stage in network.feature_info]  # type: ignore[union-attr]
        self.even = len(set(reductions)) == 1
        blocks = len(reductions)
        quarters = range(1, len(PYRAMID) + 1)
        self.indices = [blocks * part // len(PYRAMID) - 1 for part in quarters] if self.even else list(range(blocks))
        self.count = len(self.indices)

    def forward(self, x: Tensor, count: int) -> list[Tensor]:
        """Map [n, C, H, W] to the maps of the first levels."""
        maps: list[Tensor] = self.network.forward_intermediates(  # type: ignore[operator]
            x, indices=self.indices[:count], intermediates_only=True, output_fmt="NCHW", stop_early=True
        )
        if self.even:
            return [
                F.interpolate(x, scale_factor=factor, mode="bilinear", antialias=factor < 1)
                for x, factor in zip(maps, PYRAMID, strict=False)
            ]
        return maps


@dataclass(frozen=True)
class _Torchvision:
    """Which submodules make the levels at 1/4, 1/8, 1/16 and 1/32 of the image's side."""

    levels: tuple[tuple[str, ...], ...]
    options: dict[str, bool]
    least_px: int


_RESNET = _Torchvision((("conv1", "bn1", "relu", "maxpool", "layer1"), ("layer2",), ("layer3",), ("layer4",)), {}, 32)
_DENSENET = _Torchvision(
    (
        tuple(f"features.{name}" for name in ("conv0", "norm0", "relu0", "pool0", "denseblock1")),
        ("features.transition1", "features.denseblock2"),
        ("features.transition2", "features.denseblock3"),
        ("features.transition3", "features.denseblock4", "features.norm5"),
    ),
    {},
    32,
)
_INCEPTION = _Torchvision(
    (
        ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1"),
        ("Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d"),
        ("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
        ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
    ),
    {"aux_logits": False, "init_weights": False},
    75,
)
_TORCHVISION = {"resnet50": _RESNET, "densenet121": _DENSENET, "inception_v3": _INCEPTION}


def load_backbone(settings: ProjectedSettings, encoder: FeatureNetwork | None = None) -> Backbone:
    """Return the feature network that settings name.

    Parameters
    ----------
    settings
        Of the discriminator.
    encoder
        The domain encoder, where that is the network.

    Raises
    ------
    ConfigError
        A file or a package is missing, or timm has no such network.
    CheckpointError
        The file does not hold the network's weights.
    """
    if settings.network == ENCODER:
        if encoder is None or settings.weights:
            said = "a weights file" if settings.weights else "no encoder"
            msg = f"projected.network is {ENCODER}, but {said} was given; name the network of the file, or leave it out"
            raise ConfigError(msg)
        return encoder_backbone(encoder.module, encoder.digest)
    path = Path(settings.weights)
    if not settings.weights or not path.is_file():
        given = f"{path} is no file" if settings.weights else "projected.weights names none"
        msg = f"projected.network {settings.network} needs a file of its weights, but {given}; download it and name it"
        raise ConfigError(msg)
    backbone = random_backbone(settings.network, path)
    return replace(backbone, mean=settings.mean or backbone.mean, std=settings.std or backbone.std)


def encoder_backbone(encoder: ConvEncoder, digest: str = "") -> Backbone:
    """Return the domain encoder's stages as levels, a copy with normalisation folded into the convolutions."""
    stages = copy.deepcopy(encoder.stages).eval()
    for stage in stages:
        for name in ("down", "same"):
            convolution, norm = getattr(stage, name), getattr(stage, f"norm_{name}")
            setattr(stage, name, fuse_conv_bn_eval(convolution, norm))
            setattr(stage, f"norm_{name}", nn.Identity())
    return Backbone(Ladder([[stage] for stage in stages]), digest)


def random_backbone(name: str, weights: Path | None = None) -> Backbone:
    """Return a network of torchvision or timm by its name in the settings, with weights of a file or random ones.

    Raises
    ------
    ConfigError
        The package is missing, or timm has no such network.
    CheckpointError
        The file does not hold the network's weights.
    """
    if name.startswith(TIMM_PREFIX):
        network = _timm_network(name.removeprefix(TIMM_PREFIX))
        facts: dict[str, Any] = network.default_cfg  # type: ignore[assignment]
        fixed_px = int(facts["input_size"][-1]) if facts.get("fixed_input_size") else 0
        empty = Backbone(Intermediates(network), "", tuple(facts["mean"]), tuple(facts["std"]), fixed_px)
    else:
        plan = _TORCHVISION[name]
        network = getattr(_optional("torchvision.models", name), name)(weights=None, **plan.options)
        ladder = Ladder([[network.get_submodule(part) for part in level] for level in plan.levels])
        empty = Backbone(ladder, "", IMAGENET_MEAN, IMAGENET_STD, 0, plan.least_px)
    if weights is None:
        return empty
    fill(network, read_weights(weights), str(weights))
    return replace(empty, digest=digest_file(weights))


def _timm_network(name: str) -> nn.Module:
    timm = _optional("timm", f"{TIMM_PREFIX}{name}")
    if not timm.is_model(name):
        close = ", ".join(timm.list_models(f"*{name[:8]}*")[:3]) or "none like it"
        msg = f"projected.network: timm {timm.__version__} has no network {name!r} ({close}); see timm.list_models()"
        raise ConfigError(msg)
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    if not hasattr(network, "forward_intermediates") or not getattr(network, "feature_info", None):
        msg = f"projected.network: timm's {name} gives no maps on the way; choose a convolutional network or a ViT"
        raise ConfigError(msg)
    return network


def _optional(module: str, network: str) -> Any:  # noqa: ANN401 - a module
    """Import by name: training runs without these packages wherever settings do not ask for them."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        msg = (
            f"projected.network {network} needs the package {package}, which is not installed ({error}); "
            f"pip install {package}, or set projected.network: {ENCODER}"
        )
        raise ConfigError(msg) from error
