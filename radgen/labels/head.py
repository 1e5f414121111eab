"""The label head: from the frozen generator's feature maps to a mask, in one small network per ensemble member.

Every scale is reduced by a 1 x 1 convolution before anything is enlarged, so memory grows with the head's own width and
not with the generator's: DatasetGAN's upsampled hypercolumns need 160 GB for 16 images, these maps fit beside anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from radgen.errors import CheckpointError
from radgen.provenance import atomic_path

FORMAT = "radgen-label-head-1"
GROUP_CHANNELS = 8


@dataclass(frozen=True)
class HeadShape:
    """What rebuilds a head and says for which generator it was made.

    Attributes
    ----------
    scales
        Names of the feature maps, smallest first, and channels of each.
    class_names, labels
        Image classes; names of mask labels, background first.
    width, embedding
        Channels after reduction; length of the class embedding.
    dropout
        Share of feature channels dropped in training.
    generator
        Digest of the generator's weights.
    """

    scales: tuple[tuple[str, int], ...]
    class_names: tuple[str, ...]
    labels: tuple[str, ...]
    width: int
    embedding: int
    dropout: float
    generator: str


class LabelHead(nn.Module):
    """Reduce each scale, then enlarge, join and mix from the smallest scale up; the image class modulates each mix.

    Source: Li et al. 2022, BigDatasetGAN (arXiv 2201.04684), section 3.2; written from the paper's description.

    Parameters
    ----------
    shape
        Scales, labels and widths.
    """

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.shape = shape
        self.classes = nn.Embedding(len(shape.class_names), shape.embedding)
        self.reduce = nn.ModuleDict({name: nn.Conv2d(count, shape.width, 1) for name, count in shape.scales})
        self.mix = nn.ModuleList(
            Mix(shape.width if place == 0 else 2 * shape.width, shape.width, shape.embedding)
            for place in range(len(shape.scales))
        )
        self.paint = nn.Conv2d(shape.width, len(shape.labels), 1)

    def forward(self, features: Mapping[str, Tensor], class_ids: Tensor) -> Tensor:
        """Map feature maps by scale name ([n, c, h, w], c and h = w as the scale has them) and class ids int64 [n] to
        logits [n, labels, H, W] at the largest scale.
        """
        style = self.classes(class_ids)
        x: Tensor | None = None
        for (name, _), mix in zip(self.shape.scales, self.mix, strict=True):
            reduced = F.dropout2d(self.reduce[name](features[name].float()), self.shape.dropout, self.training)
            if x is None:
                x = mix(reduced, style)
            else:
                x = F.interpolate(x, size=reduced.shape[-2:], mode="bilinear", align_corners=False)
                x = x + mix(torch.cat([x, reduced], dim=1), style)
        logits: Tensor = self.paint(x)
        return logits


class Mix(nn.Module):
    """Twice: convolve 3 x 3, normalise, scale and shift by the class, rectify.

    Source: Perez et al. 2018, FiLM (arXiv 1709.07871), equation 2, for the scale and shift.
    """

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.first = _Modulated(inputs, outputs, embedding)
        self.second = _Modulated(outputs, outputs, embedding)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map [n, inputs, h, w] and class embeddings [n, e] to [n, outputs, h, w]."""
        mixed: Tensor = self.second(self.first(x, style), style)
        return mixed


class _Modulated(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        groups = max(1, outputs // GROUP_CHANNELS) if outputs % GROUP_CHANNELS == 0 else 1
        self.convolve = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(groups, outputs, affine=False)
        self.style = nn.Linear(embedding, 2 * outputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.style(style)[:, :, None, None].chunk(2, dim=1)
        return F.silu(self.norm(self.convolve(x)) * (1 + scale) + shift)


# ---------------------------------------------------------------- files


def save_heads(heads: list[LabelHead], path: Path) -> None:
    """Write an ensemble as safetensors, its shape in the metadata; same weights, same bytes."""
    tensors = {
        f"member_{number}.{name}": value.detach().cpu().contiguous()
        for number, head in enumerate(heads)
        for name, value in sorted(head.state_dict().items())
    }
    metadata = {FORMAT: json.dumps({"members": len(heads), "shape": asdict(heads[0].shape)}, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_heads(path: Path, device: torch.device) -> list[LabelHead]:
    """Read an ensemble, in eval mode.

    Raises
    ------
    CheckpointError
        The file is missing, damaged or no label head.
    """
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {})[FORMAT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        shape = _shape(plain["shape"])
        heads = [LabelHead(shape) for _ in range(plain["members"])]
        for number, head in enumerate(heads):
            start = f"member_{number}."
            head.load_state_dict({name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)})
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        msg = f"{path}: not a label head of radgen ({error}); run the labels stage again"
        raise CheckpointError(msg) from error
    return [head.to(device).eval() for head in heads]


def _shape(plain: Mapping[str, Any]) -> HeadShape:
    lists = {name: tuple(plain[name]) for name in ("class_names", "labels")}
    scales = tuple((str(name), int(count)) for name, count in plain["scales"])
    return HeadShape(**dict(plain) | lists | {"scales": scales})


def check_head(shape: HeadShape, *, generator: str, class_names: tuple[str, ...], labels: tuple[str, ...]) -> None:
    """Refuse a head that was made for another generator, other classes or other labels.

    Raises
    ------
    CheckpointError
        With both values.
    """
    wanted = {"generator": generator, "classes": class_names, "labels": labels}
    found = {"generator": shape.generator, "classes": shape.class_names, "labels": shape.labels}
    for name, value in wanted.items():
        if found[name] != value:
            msg = (
                f"the label head was made for {name} {found[name]}, but here it is {value}; run the labels stage again"
            )
            raise CheckpointError(msg)
