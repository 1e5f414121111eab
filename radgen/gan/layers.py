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
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def downsample(x: Tensor) -> Tensor:
    """Halve height and width by the mean of 2 x 2 pixels."""
    return F.avg_pool2d(x, 2)


class _Clip(torch.autograd.Function):
    """Clip to [-1, 1]; the gradient passes, except where it would push a clipped value further out."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ANN401 - torch's own context type hides saved tensors
        (x,) = ctx.saved_tensors
        outwards = ((x > 1) & (grad < 0)) | ((x < -1) & (grad > 0))
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
        return F.conv2d(x, self.weight * self._gain, self.bias, padding=self.weight.shape[-1] // 2)


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
        y = torch.addcmul(self.bias.to(y.dtype), y, restore[:, :, None, None].to(y.dtype))
        return y if noise is None else y + noise.to(y.dtype)
