"""Networks and formulas that turn images into features for distances: by name, with a digest and the resize they use.

Packages and weights are optional: a study names files, and nothing is ever fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.errors import CheckpointError, ConfigError, InputError
from radgen.features.network import FeatureNetwork
from radgen.gan.projected.weights import read_weights
from radgen.metrics.settings import MetricsSettings, NetworkSettings
from radgen.metrics.texture import RADIOMICS_VERSION, radiomics
from radgen.provenance import digest_file

JUDGE, INCEPTION, RADIOMICS = "judge", "inception", "radiomics"
INCEPTION_DIMENSION = 2_048
BLOCK = 8  # images at once, the last block padded: batch size changes low bits


@dataclass(frozen=True)
class Extractor:
    """A way to features.

    Attributes
    ----------
    name
        judge, inception, radiomics, or the study's name for a network.
    digest
        Of its weights, or the version of its formulas.
    resize
        How images come to the size it sees, in words.
    dimension
        Features of one image.
    features
        From images uint8 [n, C, H, W] to float32 [n, D].
    """

    name: str
    digest: str
    resize: str
    dimension: int
    features: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def judge_extractor(judge: FeatureNetwork) -> Extractor:
    """Return the study's judge, which sees images as they are stored."""
    return Extractor(JUDGE, judge.digest, "none", judge.dimension, judge.features)


def extra_extractors(settings: MetricsSettings, shape: tuple[int, int, int], device: torch.device) -> list[Extractor]:
    """Return what a study asks for beside the judge.

    Parameters
    ----------
    settings
        Names and files.
    shape
        (C, H, W) of the images.
    device
        Where networks run.

    Raises
    ------
    ConfigError, CheckpointError
        A package is missing; a file is missing, damaged or another network's.
    """
    found = []
    if settings.inception_weights:
        found.append(inception_extractor(Path(settings.inception_weights), device))
    for name, network in settings.networks.items():
        found.append(_network_extractor(name, network, shape, device))
    if settings.radiomics:
        found.append(
            Extractor(
                RADIOMICS, RADIOMICS_VERSION, "none", radiomics(np.zeros((1, *shape), np.uint8)).shape[1], radiomics
            )
        )
    return found


def inception_extractor(weights: Path, device: torch.device) -> Extractor:
    """Return pytorch-fid's Inception network with weights from a file: what papers call FID.

    Source: Heusel et al., "GANs trained by a two time-scale update rule", 2017. pytorch-fid's own distance fails beside
    SciPy 1.18; only its network is used here.

    Raises
    ------
    ConfigError
        pytorch-fid is not installed.
    CheckpointError
        The file is missing, or holds another network.
    """
    try:
        from pytorch_fid import inception
    except ImportError as error:
        msg = f"metrics.inception_weights needs the package pytorch-fid, which is not installed ({error})"
        raise ConfigError(msg) from error
    network = _filled(inception, read_weights(weights), weights).to(device).eval().requires_grad_(requires_grad=False)

    def features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return _blocks(images, lambda x: network(x)[0].flatten(1), INCEPTION_DIMENSION, device)

    return Extractor(INCEPTION, digest_file(weights), "bilinear to 299", INCEPTION_DIMENSION, features)


def _filled(inception: object, state: Mapping[str, torch.Tensor], weights: Path) -> torch.nn.Module:
    """Build the network with these weights: the package would fetch its own while it builds."""
    fetch = inception.load_state_dict_from_url  # type: ignore[attr-defined]
    inception.load_state_dict_from_url = lambda *_words, **_more: state  # type: ignore[attr-defined]
    try:
        network: torch.nn.Module = inception.InceptionV3()  # type: ignore[attr-defined]
    except (RuntimeError, AttributeError, TypeError) as error:
        first = str(error).splitlines()[0]
        msg = f"{weights}: does not hold pytorch-fid's Inception network ({first}); give its own file"
        raise CheckpointError(msg) from error
    finally:
        inception.load_state_dict_from_url = fetch  # type: ignore[attr-defined]
    return network


def _network_extractor(
    name: str, settings: NetworkSettings, shape: tuple[int, int, int], device: torch.device
) -> Extractor:
    """Return a network of torchvision or timm: the mean over places of its coarsest map."""
    from radgen.gan.projected.backbones import random_backbone
    from radgen.gan.projected.features import FeatureMaps

    path = Path(settings.weights)
    if not path.is_file():
        msg = f"metrics.networks.{name}: {settings.weights or 'no file'} is no file of weights; `radgen weights check`"
        raise ConfigError(msg)
    backbone = random_backbone(settings.network, path)
    maps = FeatureMaps(backbone, shape[0], shape[1], scales=4, input_px=settings.input_px).to(device)
    resize = f"bilinear, antialiased, to {maps.input_px}"
    return Extractor(name, backbone.digest, resize, maps.shapes[-1][0], maps.pooled)


def _blocks(
    images: NDArray[np.uint8],
    network: Callable[[torch.Tensor], torch.Tensor],
    dimension: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Show grey images as three equal colours, in [0, 1], in even blocks."""
    if images.shape[1] not in {1, 3}:
        msg = f"images have {images.shape[1]} channels, but a network of colour images takes 1 or 3"
        raise InputError(msg)
    out = np.empty((len(images), dimension), dtype=np.float32)
    block = np.zeros((BLOCK, 3, *images.shape[2:]), dtype=np.uint8)
    with torch.no_grad():
        for start in range(0, len(images), BLOCK):
            part = images[start : start + BLOCK]
            block[: len(part)] = part
            block[len(part) :] = 0
            found = network(torch.from_numpy(block).to(device).float() / 255)
            out[start : start + len(part)] = found[: len(part)].float().cpu().numpy()
    return out
