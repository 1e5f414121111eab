"""The simulated annotator's network: a small U-Net that paints label ids on grey images."""

from __future__ import annotations

import itertools
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

from radgen.errors import CheckpointError
from radgen.provenance import atomic_path

FORMAT = "radgen-segmenter-1"
BLOCK = 16  # images per forward pass, the last block padded: batch size changes low bits
GROUP_CHANNELS = 8


@dataclass(frozen=True)
class SegmenterShape:
    """What rebuilds a segmenter: channels per level, names of its labels (background first)."""

    image_channels: int
    channels: tuple[int, ...]
    labels: tuple[str, ...]


class Segmenter(nn.Module):
    """U-Net with group normalisation: two convolutions per level, halved by mean, doubled bilinearly, joined by skips.

    Images whose sides are no multiple of the coarsest step are padded and cropped inside.

    Source: Ronneberger, Fischer and Brox 2015, U-Net (arXiv 1505.04597), figure 1.

    Parameters
    ----------
    shape
        Channels and labels.
    """

    def __init__(self, shape: SegmenterShape) -> None:
        super().__init__()
        self.shape = shape
        sizes = (shape.image_channels, *shape.channels)
        self.down = nn.ModuleList(_Level(a, b) for a, b in itertools.pairwise(sizes))
        upper = list(reversed(shape.channels))
        self.up = nn.ModuleList(_Level(a + b, b) for a, b in itertools.pairwise(upper))
        self.paint = nn.Conv2d(shape.channels[0], len(shape.labels), 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [n, C, H, W] in [-1, 1] to logits [n, labels, H, W]."""
        height, width = images.shape[-2:]
        step = 1 << (len(self.shape.channels) - 1)
        x = F.pad(images, (0, -width % step, 0, -height % step), value=-1.0)
        skips: list[Tensor] = []
        for level in self.down:
            x = level(F.avg_pool2d(x, 2) if skips else x)
            skips.append(x)
        for level, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = level(torch.cat([x, skip], dim=1))
        logits: Tensor = self.paint(x)[..., :height, :width]
        return logits


class _Level(nn.Sequential):
    """Two 3 x 3 convolutions, each normalised and rectified."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for count in (inputs, outputs):
            groups = max(1, outputs // GROUP_CHANNELS) if outputs % GROUP_CHANNELS == 0 else 1
            layers += [nn.Conv2d(count, outputs, 3, padding=1, bias=False), nn.GroupNorm(groups, outputs), nn.SiLU()]
        super().__init__(*layers)


def to_network(images: NDArray[np.uint8]) -> Tensor:
    """Turn stored images uint8 [n, C, H, W] into float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).float().div_(127.5).sub_(1.0)


def predict(segmenter: Segmenter, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.uint8]:
    """Paint images.

    Parameters
    ----------
    segmenter
        The network, on `device`.
    images
        uint8 [n, C, H, W].
    device
        Where it runs.

    Returns
    -------
    uint8 [n, H, W] of label ids. An image's mask does not depend on the images beside it.
    """
    segmenter.eval()
    masks = np.empty((len(images), *images.shape[-2:]), dtype=np.uint8)
    block = np.zeros((BLOCK, *images.shape[1:]), dtype=np.uint8)
    with torch.no_grad():
        for start in range(0, len(images), BLOCK):
            part = images[start : start + BLOCK]
            block[: len(part)] = part
            logits = segmenter(to_network(block).to(device))
            masks[start : start + len(part)] = logits.argmax(dim=1)[: len(part)].to(torch.uint8).cpu().numpy()
    return masks


def save_segmenter(segmenter: Segmenter, path: Path) -> None:
    """Write a segmenter as safetensors with its shape in the metadata; same weights, same bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in sorted(segmenter.state_dict().items())}
    metadata = {FORMAT: json.dumps(asdict(segmenter.shape), sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_segmenter(path: Path, device: torch.device) -> Segmenter:
    """Read a segmenter.

    Raises
    ------
    CheckpointError
        The file is missing, damaged or no segmenter.
    """
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {})[FORMAT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        shape = SegmenterShape(plain["image_channels"], tuple(plain["channels"]), tuple(plain["labels"]))
        segmenter = Segmenter(shape)
        segmenter.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        msg = f"{path}: not a segmenter of radgen ({error}); run the annotator stage again"
        raise CheckpointError(msg) from error
    return segmenter.to(device).eval()


def check_segmenter(shape: SegmenterShape, labels: tuple[str, ...]) -> None:
    """Refuse a segmenter that paints other labels than the study's.

    Raises
    ------
    CheckpointError
        With both lists.
    """
    if shape.labels != labels:
        msg = (
            f"the annotator paints {', '.join(shape.labels)}, but the study's labels are {', '.join(labels)}; "
            "run the annotator stage again"
        )
        raise CheckpointError(msg)
