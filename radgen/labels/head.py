"""The label heads: from the frozen generator's feature maps to masks, all members of the ensemble in one network.

Every scale is reduced by a 1 x 1 convolution before anything is enlarged, so memory grows with the heads' own width and
not with the generator's: DatasetGAN's upsampled hypercolumns need 160 GB for 16 images, these maps fit beside anything.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from radgen.errors import CheckpointError
from radgen.provenance import atomic_path

FORMAT = "radgen-label-head-4"
LEAK = 0.2
SHARE = 2  # a member is so many times narrower than the generator
LEAST_WIDTH = 8
MOMENTUM = 0.05  # how fast the measured mean and variance follow the batches
EPSILON = 1e-5  # a channel that never changes stays small instead of dividing by nothing


@dataclass(frozen=True)
class HeadShape:
    """What rebuilds the heads and says for which generator they were made.

    Attributes
    ----------
    scales
        Names of the feature maps, smallest first, and channels of each.
    class_names, labels
        Image classes; names of mask labels, background first.
    members
        Heads in the ensemble.
    width
        Most channels of each member at a scale; fewer where the generator has few, which is where pixels are many.
    generator
        Digest of the generator's weights.
    """

    scales: tuple[tuple[str, int], ...]
    class_names: tuple[str, ...]
    labels: tuple[str, ...]
    members: int
    width: int
    generator: str

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each member, scale by scale."""
        return tuple(min(self.width, max(LEAST_WIDTH, count // SHARE)) for _, count in self.scales)


class Joined(NamedTuple):
    """Weights of one scale, all members side by side; reducing standardises the generator's channels too."""

    reduce: Tensor  # [members * width, c]
    mix: Tensor | None  # of each class, [classes, members * width before, members * width]; none at the first scale
    begin: Tensor  # of each class, [classes, members * width]: what the class and the standardising add
    around: Tensor  # [members * width, 1, 3, 3]; normalises too, but not in training
    offset: Tensor | None  # [members * width]; none in training


class LabelHeads(nn.Module):
    """An ensemble of heads: reduce each scale, add what the smaller ones said, look around, normalise, rectify.

    Members share nothing but the feature maps they look at. Every parameter is [members, ...], and every product serves
    all members at once: their channels lie side by side. Products come before enlarging, where maps are four times
    smaller; both are linear, so the order does not matter. Neighbours are looked at channel by channel, 3 x 3. The
    class scales and shifts what is handed on.

    Source: Li et al. 2022, BigDatasetGAN (arXiv 2201.04684), section 3.2, for reducing, enlarging and mixing by class;
    Perez et al. 2018, FiLM (arXiv 1709.07871), equation 2, for the modulation; Chollet 2017, Xception (arXiv
    1610.02357), for looking at neighbours channel by channel; Ioffe and Szegedy 2015, batch normalisation (arXiv
    1502.03167), algorithms 1 and 2. Written from the papers' descriptions.

    Parameters
    ----------
    shape
        Scales, labels, members and width.

    Attributes
    ----------
    centre, deviation
        Mean and standard deviation of each scale's channels [c] on the teaching images.
    mean, variance
        Of the members' own channels, [members, width] by scale: measured in training, and used outside of it.
    """

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.shape = shape
        members, classes, widths = shape.members, len(shape.class_names), shape.widths
        self.reduce = nn.ParameterDict(
            {name: _start(members, width, count) for (name, count), width in zip(shape.scales, widths, strict=True)}
        )
        self.mix = nn.ParameterList(_start(members, after, before) for before, after in itertools.pairwise(widths))
        self.bias = nn.ParameterList(torch.zeros(members, width) for width in widths)
        self.around = nn.ParameterList(_start_around(members, width) for width in widths)
        self.gain = nn.ParameterList(torch.ones(members, width) for width in widths)
        # The class modulates what a scale hands on, and the first scale itself. Zero for every class at first: a class
        # that nobody annotated is painted as the others are.
        modulated = (widths[0], *widths[:-1])
        self.scale = nn.ParameterList(torch.zeros(members, classes, width) for width in modulated)
        self.shift = nn.ParameterList(torch.zeros(members, classes, width) for width in modulated)
        self.paint = nn.Parameter(_start(members, len(shape.labels), widths[-1]))
        self.paint_bias = nn.Parameter(torch.zeros(members, len(shape.labels), 1))
        self.centre = nn.ParameterDict({name: _fixed(torch.zeros(count)) for name, count in shape.scales})
        self.deviation = nn.ParameterDict({name: _fixed(torch.ones(count)) for name, count in shape.scales})
        self.mean = nn.ParameterList(_fixed(torch.zeros(members, width)) for width in widths)
        self.variance = nn.ParameterList(_fixed(torch.ones(members, width)) for width in widths)

    def forward(self, features: Mapping[str, Tensor], class_ids: Tensor) -> Tensor:
        """Paint images.

        Parameters
        ----------
        features
            Float maps [n, c, h, w] by scale name.
        class_ids
            int64 [n].

        Returns
        -------
        Logits float32 [members, n, labels, H, W] at the largest scale.
        """
        return self.logits(self.hidden(features, class_ids))

    def joined(self) -> list[Joined]:
        """Return each scale's weights with the members side by side, as `hidden` uses them."""
        made = []
        for place, (name, _) in enumerate(self.shape.scales):
            weight: Tensor = self.reduce[name] / self.deviation[name]
            bias = -(weight @ self.centre[name]).flatten()
            # A class scales and shifts what is handed on: folded into the weights that mix it.
            scale, shift = (_by_class(table[place]) for table in (self.scale, self.shift))
            weight, mix, begin = weight.flatten(0, 1), None, bias.expand(len(shift), -1)
            if place:
                together = _side_by_side(self.mix[place - 1]).mT
                mix, begin = (1 + scale)[:, :, None] * together, shift @ together + begin
            around, offset = self.around[place], None
            if not self.training:
                factor = self.gain[place] * (self.variance[place] + EPSILON).rsqrt()
                around = around * factor[..., None, None]
                offset = (self.bias[place] - self.mean[place] * factor).flatten()
            around = around.flatten(0, 1)[:, None]
            made.append(Joined(weight, mix, begin, around, offset))
        return made

    def hidden(
        self, features: Mapping[str, Tensor], class_ids: Tensor, joined: Sequence[Joined] | None = None
    ) -> Tensor:
        """Return what the logits are linear in, the members side by side: float32 [n, members * width, H, W].

        Who asks for many small batches gives the joined weights, so that they are made but once.
        """
        x = torch.empty(0)  # nothing is handed on to the first scale
        for place, (weight, mix, begin, around, offset) in enumerate(joined or self.joined()):
            maps = features[self.shape.scales[place][0]].float()
            if mix is None:
                x = _reduce(begin[class_ids][:, None].repeat(1, maps[0, 0].numel(), 1), maps, weight)
                x = self._modulate(x, class_ids)
            else:
                # The bias is added before enlarging too: there are fewer pixels.
                small = torch.baddbmm(begin[class_ids][:, None], x.flatten(1, 2), mix[class_ids])
                x = _reduce(_enlarge(small.view(*x.shape[:3], -1), maps.shape[2:]).flatten(1, 2), maps, weight)
            x = x.view(len(maps), *maps.shape[2:], -1).permute(0, 3, 1, 2)
            x = F.conv2d(x, around, offset, padding=1, groups=len(around))
            if self.training:
                x = self._normalise(place, x)
            x = F.leaky_relu_(x, LEAK).permute(0, 2, 3, 1)
        return x.permute(0, 3, 1, 2)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return each member's logits [members, n, labels, H, W] from `hidden` of any size."""
        count, _, height, width = hidden.shape
        own = hidden.flatten(2).view(count, self.shape.members, -1, height * width).transpose(0, 1)
        logits = torch.matmul(self.paint[:, None], own) + self.paint_bias[:, None]
        return logits.view(self.shape.members, count, -1, height, width)

    def mean_logits(self, hidden: Tensor) -> Tensor:
        """Return the mean of the members' logits [n, labels, H, W]: one product for all members."""
        weight = (self.paint / self.shape.members).transpose(0, 1).flatten(1).expand(len(hidden), -1, -1)
        mean = torch.baddbmm(self.paint_bias.mean(dim=0), weight, hidden.flatten(2))
        return mean.view(len(hidden), -1, *hidden.shape[2:])

    def _normalise(self, place: int, x: Tensor) -> Tensor:
        """Bring each channel of [n, members * width, h, w] to mean 0 and deviation 1, and remember what they were."""
        values = (self.mean, self.variance, self.gain, self.bias)
        mean, variance, gain, bias = (value[place].view(-1) for value in values)
        return F.batch_norm(x, mean, variance, gain, bias, training=True, momentum=MOMENTUM, eps=EPSILON)

    def _modulate(self, x: Tensor, class_ids: Tensor) -> Tensor:
        """Scale and shift the first scale's [n, h * w, members * width] by the class of each image."""
        scale, shift = (_by_class(table[0])[class_ids][:, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, x, 1 + scale)


def _start(members: int, outputs: int, inputs: int) -> Tensor:
    """Draw initial weights that keep the variance of unit normal input."""
    return torch.randn(members, outputs, inputs) / math.sqrt(inputs)


def _start_around(members: int, width: int) -> Tensor:
    """Draw initial weights [members, width, 3, 3] that look at the pixel itself, and a little at its neighbours."""
    weights = 0.1 * torch.randn(members, width, 3, 3)
    weights[..., 1, 1] += 1
    return weights


def _by_class(table: Tensor) -> Tensor:
    """Turn each member's [members, classes, width] into [classes, members * width]."""
    return table.transpose(0, 1).flatten(1)


def _side_by_side(weights: Tensor) -> Tensor:
    """Return the block-diagonal matrix that applies each member's [members, outputs, inputs] to its own channels."""
    joined: Tensor = torch.block_diag(*weights)  # type: ignore[no-untyped-call]
    return joined


def _reduce(begin: Tensor, maps: Tensor, weight: Tensor) -> Tensor:
    """Add the product of weight [width, c] and maps [n, c, h, w] to [n, h * w, width], which is changed."""
    return begin.baddbmm_(maps.flatten(2).mT, weight.T.expand(len(maps), -1, -1))


def _fixed(values: Tensor) -> nn.Parameter:
    """Return values that belong to the weights and are measured, not learnt."""
    return nn.Parameter(values, requires_grad=False)


def _enlarge(x: Tensor, size: torch.Size) -> Tensor:
    """Enlarge maps [n, h, w, c] bilinearly; pixels' centres stay aligned."""
    maps = F.interpolate(x.permute(0, 3, 1, 2), size=tuple(size), mode="bilinear", align_corners=False)
    return maps.permute(0, 2, 3, 1)


# ---------------------------------------------------------------- files


def save_heads(heads: LabelHeads, path: Path) -> None:
    """Write an ensemble as safetensors, its shape in the metadata; same weights, same bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in sorted(heads.state_dict().items())}
    metadata = {FORMAT: json.dumps(asdict(heads.shape), sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_heads(path: Path, device: torch.device) -> LabelHeads:
    """Read an ensemble, in eval mode.

    Raises
    ------
    CheckpointError
        The file is missing, damaged or no label head of this version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            shape = _shape(json.loads((file.metadata() or {})[FORMAT]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        heads = LabelHeads(shape)
        heads.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        msg = f"{path}: not a label head of radgen ({error}); run the labels stage again"
        raise CheckpointError(msg) from error
    return heads.to(device).eval()


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
