"""One layer of the alias-free generator: modulated convolution, then an activation between two filters.

Source: Karras et al. 2021, section 3; Karras et al. 2020, equations 1 to 3 (modulation).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.gan.aliasfree.inference import convolve, filtered_rectifier
from radgen.gan.aliasfree.resampling import Span, resampling
from radgen.gan.aliasfree.schedule import Layer
from radgen.gan.layers import ACTIVATION_GAIN, EPSILON, LEAK, EqualLinear

CLAMP = 256.0
TILED_CHANNELS = 32  # below, the tiles' own sums cost more than they save


class ModulatedLayer(nn.Module):
    """Convolution by one shared kernel of maps scaled by style, bias; without activation (the projection to the image).

    Parameters
    ----------
    layer
        Its numbers.
    w_dim
        Length of the style.

    Attributes
    ----------
    magnitude
        Buffer []: running mean square of the input, by whose root it is divided. StyleGAN-XL never moves it from 1.
    """

    magnitude: Tensor

    def __init__(self, layer: Layer, w_dim: int) -> None:
        super().__init__()
        self.plan = layer
        self.affine = EqualLinear(w_dim, layer.inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(layer.outputs, layer.inputs, layer.kernel, layer.kernel))
        self.bias = nn.Parameter(torch.zeros(layer.outputs))
        self.register_buffer("magnitude", torch.ones(()))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map [n, inputs, h, w] and styles [n, w_dim] to [n, outputs, h, w]."""
        with torch.autocast(x.device.type, enabled=False):
            style = self.affine(w.to(self.weight.dtype)) / math.sqrt(self.plan.inputs) * self.magnitude.rsqrt()
        x = x * style[:, :, None, None].to(x.dtype)
        return F.conv2d(x, self.weight, self.bias).clamp(-CLAMP, CLAMP)


class FilteredLayer(ModulatedLayer):
    """Modulated convolution whose output variance is restored, bias, and filtered leaky rectifier.

    Parameters
    ----------
    layer
        Its numbers.
    w_dim
        Length of the style.
    wanted
        Rows and columns of its output that somebody needs.

    Attributes
    ----------
    needed
        Rows and columns of the input that those depend on.
    """

    _up: Tensor
    _vertical: Tensor
    _horizontal: Tensor

    def __init__(self, layer: Layer, w_dim: int, wanted: Span) -> None:
        super().__init__(layer, w_dim)
        self.wanted = wanted
        matrices = resampling(layer, wanted)
        # A rectifier passes factors on, so its gain is split between the two sides of the up-filter.
        up = torch.from_numpy(matrices.up * math.sqrt(ACTIVATION_GAIN))
        self.register_buffer("_up", up.float(), persistent=False)
        for name, side in (("_vertical", 0), ("_horizontal", 1)):
            stacked = torch.stack([torch.from_numpy(pair[side]) for pair in matrices.down])
            self.register_buffer(name, stacked.float(), persistent=False)
        reach = layer.kernel - 1
        conv = matrices.conv
        self.needed = Span(max(0, conv.start - reach), min(layer.in_size, conv.stop))
        self._by_tiles = layer.kernel == 3 and min(layer.inputs, layer.outputs) >= TILED_CHANNELS
        self._padding = (max(0, reach - conv.start), max(0, conv.stop - layer.in_size))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map rows `needed` [n, inputs, h, w] and styles [n, w_dim] to rows `wanted` [n, outputs, h, w]."""
        with torch.autocast(x.device.type, enabled=False):
            style = self.affine(w.to(self.weight.dtype))
            style = style * torch.rsqrt(style.square().mean(dim=1, keepdim=True) + EPSILON)
            weight = self.weight * torch.rsqrt(self.weight.square().mean(dim=(1, 2, 3), keepdim=True) + EPSILON)
            restore = torch.rsqrt(style.square() @ weight.square().sum(dim=(2, 3)).t() + EPSILON)
            restore = restore * self.magnitude.rsqrt()
        x = x * style[:, :, None, None].to(x.dtype)
        before, after = self._padding
        x = F.pad(x, (before, after, before, after))
        is_fast = not torch.is_grad_enabled() and x.device.type == "cpu"
        if is_fast and self._by_tiles and not torch.is_autocast_enabled("cpu") and x.dtype == torch.float32:
            x = convolve(x.permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)
        else:
            x = F.conv2d(x, weight)
        x = torch.addcmul(self.bias.to(x.dtype)[:, None, None], x, restore[:, :, None, None].to(x.dtype))
        if not is_fast:
            return self._activate(x)
        up, vertical, horizontal = (each.to(x.dtype) for each in (self._up, self._vertical, self._horizontal))
        with torch.autocast(x.device.type, enabled=False):
            return filtered_rectifier(x.permute(0, 2, 3, 1), up, vertical, horizontal, CLAMP).permute(0, 3, 1, 2)

    def _activate(self, x: Tensor) -> Tensor:
        up = self._up.to(x.dtype)
        x = F.leaky_relu(up @ x @ up.t(), LEAK).clamp(-CLAMP, CLAMP)
        parts = [a @ x @ b.t() for a, b in zip(self._vertical.to(x.dtype), self._horizontal.to(x.dtype), strict=True)]
        return torch.stack(parts).sum(dim=0) if len(parts) > 1 else parts[0]
