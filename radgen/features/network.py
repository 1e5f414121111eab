"""The small feature network: a convolutional encoder, its optional class head, and how both are kept in one file.

The same network serves as encoder (may guide, embed and select) and as judge (scores only); they differ in seed, data
and objective, never in code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from radgen.errors import CheckpointError, InputError
from radgen.provenance import atomic_path, digest_file

FORMAT = "radgen-features-1"
# Images pass in blocks of exactly this many, the last one padded, because batch size changes low bits of the sums.
BLOCK = 64
SMALLEST_MAP = 4
WIDEST = 6
REDUCED_CHANNELS = 32


@dataclass(frozen=True)
class NetworkShape:
    """What rebuilds a network: image shape, feature dimension, width, class names and how it was taught."""

    channels: int
    height: int
    width_px: int
    dimension: int
    width: int
    class_names: tuple[str, ...] = ()
    has_classes: bool = False
    objective: str = ""


class ConvEncoder(nn.Module):
    """Strided residual stages down to 4 x 4 places, then a linear map to the features.

    Places are kept apart instead of averaged, because anatomy has a place: a shifted organ must move the features.
    0.2 M parameters for 64 x 64 pixels and width 16.

    Parameters
    ----------
    shape
        The network's shape.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        stages: list[nn.Module] = []
        channels, height, width_px, number = shape.channels, shape.height, shape.width_px, 0
        while min(height, width_px) > SMALLEST_MAP:
            wider = shape.width * min(2**number, WIDEST)
            stages.append(_Stage(channels, wider))
            channels, height, width_px, number = wider, (height + 1) // 2, (width_px + 1) // 2, number + 1
        self.stages = nn.Sequential(*stages)
        self.reduce = nn.Conv2d(channels, REDUCED_CHANNELS, 1)
        self.project = nn.Linear(REDUCED_CHANNELS * height * width_px, shape.dimension)
        self.classify = nn.Linear(shape.dimension, max(1, len(shape.class_names)))
        # Set after training from the training images, so that every feature has mean 0 and variance 1 on them.
        self.register_buffer("centre", torch.zeros(shape.dimension))
        self.register_buffer("scale", torch.ones(shape.dimension))

    def embed(self, images: Tensor) -> Tensor:
        """Map images [n, C, H, W] in [-1, 1] to raw features [n, D]."""
        places = F.leaky_relu(self.reduce(self.stages(images)), 0.2)
        features: Tensor = self.project(places.flatten(1))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Map images [n, C, H, W] in [-1, 1] to standardised features [n, D]."""
        features: Tensor = (self.embed(images) - self.centre) / self.scale
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Map standardised features [n, D] to class logits [n, K]."""
        scores: Tensor = self.classify(features)
        return scores


class _Stage(nn.Module):
    """Halve the map with a strided convolution, then add a residual one."""

    def __init__(self, channels: int, wider: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, wider, 3, stride=2, padding=1, bias=False)
        self.norm_down = nn.BatchNorm2d(wider)
        self.same = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.norm_same = nn.BatchNorm2d(wider)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.norm_down(self.down(x)), 0.2)
        return F.leaky_relu(x + self.norm_same(self.same(x)), 0.2)


class FeatureNetwork:
    """A frozen network that turns stored images into features, always in blocks of `BLOCK` images and in fp32.

    Parameters
    ----------
    module
        The network; it is put into eval mode and its parameters are frozen. Its `forward` is differentiable in the
        images, for guidance.
    digest
        Digest of the weights file.
    device
        Where it runs.
    """

    def __init__(self, module: ConvEncoder, digest: str, device: torch.device) -> None:
        self.module = module.to(device).eval().requires_grad_(False)
        self.shape = module.shape
        self.digest = digest
        self.device = device

    @property
    def dimension(self) -> int:
        """Number of features of one image."""
        return self.shape.dimension

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class id."""
        return self.shape.class_names

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features float32 [n, D] of images uint8 [n, C, H, W].

        Raises
        ------
        InputError
            The images have another shape or type than the network was trained on.
        """
        return self._blocks(images, self.module, self.dimension)

    @torch.no_grad()
    def class_ids(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the likeliest class id int64 [n] of images by their features float32 [n, D]."""
        return self.module.logits(torch.from_numpy(features).to(self.device)).argmax(dim=1).cpu().numpy()

    def class_probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return class probabilities float32 [n, K] of images uint8 [n, C, H, W].

        Raises
        ------
        CheckpointError
            The network never saw a class label.
        InputError
            The images have another shape or type than the network was trained on.
        """
        if not self.shape.has_classes:
            msg = (
                f"the feature network {self.digest[:12]} was trained without class labels, but class probabilities "
                "are asked for; train it in a setting that allows labels"
            )
            raise CheckpointError(msg)
        return self._blocks(images, _Probabilities(self.module), len(self.class_names))

    def _blocks(self, images: NDArray[np.uint8], network: nn.Module, columns: int) -> NDArray[np.float32]:
        expected = (self.shape.channels, self.shape.height, self.shape.width_px)
        if images.dtype != np.uint8 or images.shape[1:] != expected:
            msg = (
                f"images are {images.dtype} {images.shape[1:]}, but the feature network takes uint8 {expected}; "
                "give images of the study it was trained on"
            )
            raise InputError(msg)
        out = np.empty((len(images), columns), dtype=np.float32)
        block = np.zeros((BLOCK, *expected), dtype=np.uint8)
        with torch.no_grad():
            for start in range(0, len(images), BLOCK):
                part = images[start : start + BLOCK]
                block[: len(part)] = part
                block[len(part) :] = 0
                out[start : start + len(part)] = network(to_network(block, self.device))[: len(part)].cpu().numpy()
        return out


class _Probabilities(nn.Module):
    def __init__(self, module: ConvEncoder) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        return self.module.logits(self.module(images)).softmax(dim=1)


def to_network(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Turn stored images uint8 [n, C, H, W] into float32 in [-1, 1] on the device."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).float().div(127.5).sub(1.0)


def save_network(module: ConvEncoder, path: Path) -> None:
    """Write a network as safetensors, its shape in the metadata, with the same bytes for the same weights."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in sorted(module.state_dict().items())}
    # One metadata entry only: safetensors does not keep the order of several.
    metadata = {FORMAT: json.dumps(asdict(module.shape), sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_features(weights: Path, device: torch.device | str = "cpu") -> FeatureNetwork:
    """Read an encoder or a judge.

    Parameters
    ----------
    weights
        What `save_network` wrote.
    device
        Where it is to run.

    Raises
    ------
    CheckpointError
        The file is missing, damaged or no feature network.
    """
    try:
        with safe_open(weights, framework="pt") as file:
            plain = json.loads((file.metadata() or {})[FORMAT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        plain["class_names"] = tuple(plain["class_names"])
        module = ConvEncoder(NetworkShape(**plain))
        module.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        msg = f"{weights}: not a feature network of radgen ({error}); run the encoder or judge stage again"
        raise CheckpointError(msg) from error
    return FeatureNetwork(module, digest_file(weights), torch.device(device))
