"""Layers shared by generator and discriminator: equalised learning rate, style modulation, resampling.

Feature maps are [n, c, h, w]. Weights are stored with unit variance and scaled when used, so that Adam's step is the
same share of every weight (Karras et al. 2018, "Progressive growing of GANs", section 4.1).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2
ACTIVATION_GAIN = math.sqrt(2)  # keeps the variance of unit normal input through the leaky rectifier
EPSILON = 1e-8
STYLE_START = 0.25  # images first differ little: variety is learnt sooner than it is unlearnt


def activate(x: Tensor) -> Tensor:
    """Leaky rectifier. Layers before it carry `ACTIVATION_GAIN`: scaling maps again would cost a pass over memory."""
    return F.leaky_relu(x, LEAK)


def normalise(x: Tensor) -> Tensor:
    """Scale each row of [n, d] to unit second moment."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)


def upsample(x: Tensor) -> Tensor:
    """Double height and width bilinearly."""
    if x.shape[1] == 1:  # torch works channel by channel: one alone is faster as two small matrix products
        rows, columns = (_doubling(size, x) for size in x.shape[2:])
        return rows @ x @ columns.t()
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _doubling(size: int, like: Tensor) -> Tensor:
    """Return the matrix [2 size, size] that doubles a line bilinearly; its entries are exact in bf16."""
    lines = torch.eye(size, device=like.device)[None]
    return F.interpolate(lines, scale_factor=2, mode="linear", align_corners=False)[0].t().to(like.dtype)


def downsample(x: Tensor) -> Tensor:
    """Halve height and width by the mean of 2 x 2 pixels."""
    return F.avg_pool2d(x, 2)


class _AddMap(torch.autograd.Function):
    """Add a map [1, c, h, w] to each of [n, c, h, w]; its gradient is a product with ones, faster than torch's sum."""

    @staticmethod
    def forward(_ctx: torch.autograd.function.FunctionCtx, x: Tensor, common: Tensor) -> Tensor:
        return x + common

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - as below
        count, channels, height, width = grad.shape
        flat = grad.permute(0, 2, 3, 1).reshape(count, -1)
        total = (flat.new_ones(1, count) @ flat).view(1, height, width, channels)
        return grad, total.permute(0, 3, 1, 2)


def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """Add a bias [1, c, 1, 1], or [1, c, h, w] where it differs from place to place, to maps [n, c, h, w]."""
    bias = bias.to(x.dtype)
    if bias.shape[2:] != x.shape[2:]:
        return x + bias
    added: Tensor = _AddMap.apply(x, bias)
    return added


def pointwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve with 1 x 1 kernels [o, c, 1, 1]: a matrix product over pixels, without a copy of channels-last maps."""
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class _Clip(torch.autograd.Function):
    """Clip to [-1, 1]; the gradient passes, except where it would push a clipped value further out."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ANN401 - torch's own context type hides saved tensors
        (x,) = ctx.saved_tensors
        outwards = (x.abs() > 1) & (x * grad < 0)
        return grad.masked_fill(outwards, 0.0)


def clip_grey(x: Tensor) -> Tensor:
    """Clip grey levels to [-1, 1], as the display window clips real images.

    Real images hold exact black and white; a generator that cannot would be told apart by that alone.
    """
    clipped: Tensor = _Clip.apply(x)
    return clipped


class EqualLinear(nn.Module):
    """Fully connected layer with equalised learning rate.

    Parameters
    ----------
    inputs, outputs
        Lengths of the vectors.
    bias
        Initial value of every bias.
    gain
        Standard deviation of the output for unit normal input.
    rate
        Share of the learning rate this layer follows.
    start
        Initial weights, as a share of those that keep variance.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: float = 0.0,
        gain: float = 1.0,
        rate: float = 1.0,
        start: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * start / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self._gain = gain * rate / math.sqrt(inputs)
        self._rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs] to [n, outputs]."""
        return F.linear(x, self.weight * self._gain, self.bias * self._rate)


class EqualConv(nn.Module):
    """Convolution with equalised learning rate, same height and width.

    Parameters
    ----------
    inputs, outputs
        Channels.
    size
        Height and width of the kernel, odd.
    gain
        Standard deviation of the output for unit normal input.
    start
        Initial weights, as a share of those that keep variance.
    """

    def __init__(self, inputs: int, outputs: int, *, size: int = 3, gain: float = 1.0, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size) * start)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._gain = gain / math.sqrt(inputs * size * size)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, h, w]."""
        weight = self.weight * self._gain
        if weight.shape[-1] == 1:
            return pointwise(x, weight, self.bias)
        return F.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)


class ModulatedConv(nn.Module):
    """3 x 3 convolution whose input channels are scaled by a style and whose output variance is restored.

    Scaling the maps before and after one shared convolution equals a convolution with weights of its own for each
    image, and costs no grouped convolution.

    Source: Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", equations 1 to 3.

    Parameters
    ----------
    inputs, outputs
        Channels.
    w_dim
        Length of the style vector w.
    size
        Height and width of the output where the bias differs from place to place, 1 where it does not. Bodies lie alike
        in every picture, so what is common to all of them need not be drawn out of the smallest scale.
    gain
        Standard deviation of the output for unit normal input.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, *, size: int = 1, gain: float = ACTIVATION_GAIN) -> None:
        super().__init__()
        self.style = EqualLinear(w_dim, inputs, bias=1.0, start=STYLE_START)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(1, outputs, size, size))
        self._gain = gain

    def forward(self, x: Tensor, w: Tensor, *, double: bool = False, noise: Tensor | None = None) -> Tensor:
        """Map [n, inputs, h, w] and styles [n, w_dim] to [n, outputs, h, w], before activation.

        With `double` the map is upsampled once it is scaled, which is cheaper than after. Noise [n, 1, h, w] is added.
        """
        with torch.autocast(x.device.type, enabled=False):
            style = self.style(w.float())
            power = self.weight.square().sum(dim=(2, 3))  # [outputs, inputs]
            restore = torch.rsqrt(style.square() @ power.t() + EPSILON) * self._gain  # [n, outputs]
        x = x * style[:, :, None, None].to(x.dtype)
        y = F.conv2d(upsample(x) if double else x, self.weight, padding=1)
        y = add_bias(y * restore[:, :, None, None].to(y.dtype), self.bias)  # torch.addcmul is four times slower in bf16
        return y if noise is None else y + noise.to(y.dtype)
