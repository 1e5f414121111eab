"""Painting with a generator that learns no more: its forward pass but for rounding, and faster.

More than half of the forward pass convolves labels and noise, and most of that is not needed for each image. A
convolution is linear, so each one that reads labels and noise is split into three parts:

- labels, once per map. Of a one-hot map all channels but one are zero: its convolution is the sum of nine rows of a
  table, one for the label under each tap of the kernel.
- noise that changes slowly or not at all. It is given by 5 x 5 points, and what they give to rows and to columns is
  the same for all images: its convolution is two small matrix products.
- noise of pixels, which alone is convolved.

Spectral norms are divided out once, and weights are laid out once as oneDNN wants them in bf16.

An image has the bytes that it has when it is painted alone. Several are painted at once where that is seen to change
nothing: the first batch of each size is painted one by one too, and compared.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.semantic.generator import (
    REGIONS,
    UNLABELLED,
    Modulation,
    SemanticGenerator,
    SemanticShape,
    every,
    split_noise,
    spread_out,
)
from radgen.semantic.layers import SpectralConv
from radgen.training.devices import choose_precision

AT_ONCE = 8  # images of a map; more are hardly faster
KERNEL = 3  # taps along each side, of all convolutions that read labels and noise
POINTS = 1 + REGIONS  # of slow noise along each side: that of the whole image, and those of regions
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Prepared(NamedTuple):
    """What all images of a map share: convolutions of its labels, [1, c, h, w] each."""

    start: Tensor
    blocks: list[list[Tensor]]


class Painter:
    """Paint images of maps.

    Parameters
    ----------
    generator
        In evaluation mode; a later change of its weights is not seen.
    precision
        bf16, fp32 or auto, see `choose_precision`.
    """

    def __init__(self, generator: SemanticGenerator, precision: str = "fp32") -> None:
        device, shape = generator.paint.weight.device, generator.shape
        self._shape, self._dtype = shape, DTYPES[choose_precision(precision, device)]
        first, *steps = generator.steps
        self._start = _Reader(generator.start, shape, first, self._dtype)
        self._blocks = [
            [_Reader(modulation.shared, shape, step, self._dtype) for modulation in modulations]
            for step, modulations in zip(steps, generator.modulations, strict=True)
        ]
        self._slow = {step: _Slow.of(shape, step, self._dtype, device) for step in generator.steps}
        self._generator = _frozen(generator, self._dtype)
        self._as_alone: dict[int, bool] = {}  # by number of images: whether each is what it is when painted alone

    @torch.inference_mode()
    def prepare(self, label_map: Tensor) -> Prepared:
        """Convolve the labels of a map int64 [H, W]."""
        blocks = [[reader.labels(label_map) for reader in block] for block in self._blocks]
        return Prepared(self._start.labels(label_map), blocks)

    def paint(self, prepared: Prepared, noise: Tensor) -> Tensor:
        """Paint an image of a prepared map for each noise of float32 [n, noise_length]: float32 [n, C, H, W]."""
        return torch.cat([self._part(prepared, some) for some in torch.split(noise, AT_ONCE)])

    def _part(self, prepared: Prepared, noise: Tensor) -> Tensor:
        count = len(noise)
        if count == 1 or self._as_alone.get(count, False):
            return self._at_once(prepared, noise)
        alone = torch.cat([self._at_once(prepared, one) for one in torch.split(noise, 1)])
        if count not in self._as_alone:
            self._as_alone[count] = torch.equal(self._at_once(prepared, noise), alone)
        return alone

    @torch.inference_mode()
    def _at_once(self, prepared: Prepared, noise: Tensor) -> Tensor:
        whole, regions, pixels = split_noise(self._shape, noise)
        points, pixels = _points(whole, regions), pixels.to(self._dtype)

        def read(readers: Sequence[_Reader], labels: Sequence[Tensor]) -> list[Tensor]:
            slow, here = self._slow[readers[0].step], every(pixels, readers[0].step)
            columns = slow.along_columns(points)
            return [one(own, columns, slow.rows, here) for one, own in zip(readers, labels, strict=True)]

        (start,) = read([self._start], [prepared.start])
        blocks = (
            [known.relu_() for known in read(readers, labels)]
            for readers, labels in zip(self._blocks, prepared.blocks, strict=True)
        )
        return self._generator.painted(start, blocks)


class _Slow(NamedTuple):
    """What the points of slow noise give to rows and to columns at one scale, under each tap.

    Outside the image they give 0, as convolutions pad with it.
    """

    rows: Tensor  # [h, 3 * 5]: taps, points
    columns: Tensor  # [w * 3, 5]: places and taps, points

    @classmethod
    def of(cls, shape: SemanticShape, step: int, dtype: torch.dtype, device: torch.device) -> _Slow:
        """Take every `step`-th pixel of each side."""
        rows, columns = (_under_taps(_given(side, step)) for side in (shape.height, shape.width))
        return cls(rows.flatten(1).to(device, dtype), columns.flatten(0, 1).to(device))

    def along_columns(self, points: Tensor) -> Tensor:
        """Spread points [n, 5, 5, c] along columns: [n, 5 * w, 3 * c], points of rows and places, taps and channels."""
        spread = self.columns @ points
        return spread.view(len(points), POINTS * len(self.columns) // KERNEL, -1).to(self.rows.dtype)


def _given(side: int, step: int) -> Tensor:
    """Return what each point gives to every `step`-th pixel of a side: [side / step, 5]."""
    one_each = torch.eye(REGIONS)[None, :, :, None].expand(-1, -1, -1, REGIONS)
    smooth = spread_out(one_each, (side, REGIONS))[0, :, :, 0].t()
    return torch.cat([torch.ones(side, 1), smooth], dim=1)[step // 2 :: step]


def _under_taps(line: Tensor) -> Tensor:
    """Return what lies before, at and after each place of a line [s, k], 0 outside: [s, 3, k]."""
    return F.pad(line, (0, 0, 1, 1)).unfold(0, KERNEL, 1).transpose(1, 2).contiguous()


def _points(whole: Tensor, regions: Tensor) -> Tensor:
    """Put noise of images [n, a] at point 0, 0 and that of regions [n, b, 4, 4] at the others: [n, 5, 5, a + b]."""
    first = whole.shape[1]
    points = whole.new_zeros(len(whole), POINTS, POINTS, first + regions.shape[1])
    points[:, 0, 0, :first] = whole
    points[:, 1:, 1:, first:] = regions.permute(0, 2, 3, 1)
    return points


class _Reader:
    """A convolution of labels and noise, split into its parts.

    Parameters
    ----------
    convolution
        3 x 3, over channels of labels, of images' noise, of regions' and of pixels'.
    shape
        How many there are of each.
    step
        It reads every so many pixels.
    dtype
        Of the arithmetic; labels are summed in fp32.
    """

    def __init__(self, convolution: nn.Conv2d, shape: SemanticShape, step: int, dtype: torch.dtype) -> None:
        self.step = step
        sizes = shape.networks
        channels = shape.labels, sizes.image_noise + sizes.region_noise, sizes.pixel_noise
        labels, slow, pixels = convolution.weight.detach().split_with_sizes(channels, dim=1)
        outputs = convolution.out_channels
        table = labels.permute(2, 3, 1, 0).reshape(-1, outputs)  # taps and labels
        self._table = torch.cat([table, table.new_zeros(1, outputs)])  # the last row is of what has no label
        self._bias = cast(Tensor, convolution.bias).detach()
        self._slow = (
            slow.permute(2, 3, 1, 0).reshape(KERNEL, -1, outputs).to(dtype)
        )  # taps of rows; of columns, channels
        self._pixels = _Frozen(pixels, None, dtype) if sizes.pixel_noise else None
        self._labels, self._dtype = shape.labels, dtype

    def labels(self, label_map: Tensor) -> Tensor:
        """Convolve the labels of a map [H, W]: [1, outputs, h, w]."""
        seen = every(label_map[None, None], self.step)[0, 0]
        around = F.pad(seen, (1, 1, 1, 1), value=UNLABELLED)
        under = around.unfold(0, KERNEL, 1).unfold(1, KERNEL, 1).reshape(-1, KERNEL**2)
        rows = under + self._labels * torch.arange(KERNEL**2, device=under.device)
        rows = torch.where(under == UNLABELLED, len(self._table) - 1, rows)
        summed = F.embedding_bag(rows, self._table, mode="sum") + self._bias
        return summed.to(self._dtype).view(1, *seen.shape, -1).permute(0, 3, 1, 2)

    def __call__(self, labels: Tensor, columns: Tensor, rows: Tensor, pixels: Tensor) -> Tensor:
        """Sum the parts: of labels, of slow noise (see `_Slow`) and of pixels [n, c, h, w]."""
        count = len(columns)
        total = self._pixels(pixels).add_(labels) if self._pixels else _copies(labels, count)
        given = (columns[:, None] @ self._slow).view(count, rows.shape[1], -1)  # taps and points of rows; w and outputs
        total.permute(0, 2, 3, 1).view(count, len(rows), -1).baddbmm_(rows.expand(count, -1, -1), given)
        return total


def _copies(x: Tensor, count: int) -> Tensor:
    return x.expand(count, -1, -1, -1).clone(memory_format=torch.channels_last)


class _Shortcut(nn.Module):
    """A modulation and the 1 x 1 convolution after it, whose outputs alone are shifted: they are fewer channels."""

    def __init__(self, modulation: Modulation, after: SpectralConv, dtype: torch.dtype) -> None:
        super().__init__()
        self._normalise, self._after = modulation.normalise, _Frozen(after.divided(), None, dtype)
        mix = after.divided().detach().flatten(1)
        self._channels = mix.shape[::-1]
        scale, shift = modulation.scale_shift.weight.detach().chunk(2)
        scale_bias, shift_bias = cast(Tensor, modulation.scale_shift.bias).detach().chunk(2)
        weight = torch.cat([scale, torch.einsum("oc,cikl->oikl", mix, shift)])
        self._scale_shift = _Frozen(weight, torch.cat([scale_bias, mix @ shift_bias]), dtype)

    def forward(self, x: Tensor, read: Tensor) -> Tensor:
        scale, shift = self._scale_shift(read).split_with_sizes(self._channels, dim=1)
        normal = self._normalise(x)
        moved: Tensor = self._after(torch.addcmul(normal, normal, scale)).add_(shift)
        return moved


class _Frozen(nn.Module):
    """A convolution whose weights stay as they are, of maps that always have the same sides."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self._weight = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        self._bias = None if bias is None else bias.detach().to(dtype)
        self._padding = weight.shape[-1] // 2
        self._packed: dict[int, Tensor] | None = {} if _packs(self._weight) else None

    def forward(self, x: Tensor) -> Tensor:
        if self._packed is None:
            return F.conv2d(x, self._weight, self._bias, padding=self._padding)
        # As torch's own compiler does it. Weights, most of what a small batch reads, are else laid out at every call.
        layout = [self._padding] * 2, [1, 1], [1, 1], 1
        packed = self._packed.get(len(x))
        if packed is None:
            packed = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *layout, list(x.shape))
            self._packed[len(x)] = packed
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(x, packed, self._bias, *layout, "none", [], "")
        return made


def _packs(weight: Tensor) -> bool:
    """Return whether oneDNN lays weights out on its own: in bf16, where the processor has it."""
    of_cpu = weight.dtype == torch.bfloat16 and weight.device.type == "cpu"
    return of_cpu and choose_precision("auto", weight.device) == "bf16"


def _frozen(generator: SemanticGenerator, dtype: torch.dtype) -> SemanticGenerator:
    """Return a copy whose convolutions are frozen; those that read labels and noise are never called."""
    frozen, shape = copy.deepcopy(generator), generator.shape
    for block in frozen.blocks:
        modulation, shortcut = block.shortcut_modulation, block.shortcut
        if isinstance(modulation, Modulation) and isinstance(shortcut, SpectralConv) and not shape.networks.wavelet:
            block.shortcut_modulation, block.shortcut = _Shortcut(modulation, shortcut, dtype), nn.Identity()
    for parent in list(frozen.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, SpectralConv | nn.Conv2d):
                weight = layer.divided() if isinstance(layer, SpectralConv) else layer.weight
                setattr(parent, name, _Frozen(weight, layer.bias, dtype))
    return frozen
