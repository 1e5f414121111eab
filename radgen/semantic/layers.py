"""Layers of semantic synthesis: the Haar transform, spectrally normalised convolutions, resampling.

Feature maps are [n, c, h, w].
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

START_ITERATIONS = 10


def haar(x: Tensor) -> Tensor:
    """Transform maps [n, c, h, w] into their Haar coefficients [n, 4 c, h / 2, w / 2].

    The bands follow each other: mean, difference of columns, difference of rows, difference of both. The transform is
    orthonormal, so `inverse_haar` undoes it exactly but for rounding.

    Source: Haar 1910; Gal et al. 2021, "SWAGAN", section 3.
    """
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    top, bottom, left, right = a + b, c + d, a - b, c - d
    return torch.cat([top + bottom, left + right, top - bottom, left - right], dim=1) * 0.5


def inverse_haar(x: Tensor) -> Tensor:
    """Undo `haar`: [n, 4 c, h, w] to [n, c, 2 h, 2 w]."""
    mean, columns, rows, both = (x * 0.5).chunk(4, dim=1)
    top, bottom, left, right = mean + rows, mean - rows, columns + both, columns - both
    upper = torch.stack([top + left, top - left], dim=-1).flatten(-2)
    lower = torch.stack([bottom + right, bottom - right], dim=-1).flatten(-2)
    return torch.stack([upper, lower], dim=-2).flatten(-3, -2)


def halve_blurred(x: Tensor) -> Tensor:
    """Halve height and width after the binomial filter [1, 3, 3, 1] in both directions."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype) / 8
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def double(x: Tensor) -> Tensor:
    """Double height and width by repeating pixels."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _matrix(weight: Tensor) -> Tensor:
    """Return weights [o, c, s, s] as a matrix [o, s * s * c]: no copy, as they lie channels last."""
    return weight.permute(0, 2, 3, 1).flatten(1)


class _Divided(torch.autograd.Function):
    """Weights W divided by u' W v; its gradient takes three passes over the weights, autograd's own nine.

    Source: Miyato et al. 2018, equation 12: the gradient G in W / sigma becomes (G - <G, W / sigma> u v') / sigma.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, weight: Tensor, left: Tensor, right: Tensor) -> Tensor:
        right = _matrix(right.view(1, *weight.shape[1:]))[0]
        sigma = torch.dot(left, _matrix(weight) @ right)
        divided = weight / sigma
        ctx.save_for_backward(divided, left, right, sigma)
        return divided

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 - torch's own type hides saved tensors
        divided, left, right, sigma = ctx.saved_tensors
        along = torch.dot(_matrix(grad).flatten(), _matrix(divided).flatten())
        moved = torch.addr(_matrix(grad), left * -along, right).div_(sigma)
        outputs, inputs, size, _ = divided.shape
        return moved.view(outputs, size, size, inputs).permute(0, 3, 1, 2), None, None


class SpectralConv(nn.Module):
    """Convolution whose weights are divided by their largest singular value.

    The singular vectors move once per step, by `advance`, and not in the forward pass: a part of a batch is then a
    function of the weights alone, whichever process computes it.

    Source: Miyato et al. 2018, "Spectral normalization for generative adversarial networks", algorithm 1.

    Parameters
    ----------
    inputs, outputs
        Channels.
    size
        Height and width of the kernel, odd.
    """

    left: Tensor
    right: Tensor

    def __init__(self, inputs: int, outputs: int, *, size: int = 3, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, size, size))
        nn.init.xavier_normal_(self.weight, gain=0.02)  # the scale is divided out
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.register_buffer("left", F.normalize(torch.randn(outputs), dim=0))
        self.register_buffer("right", torch.zeros(inputs * size * size))
        for _ in range(START_ITERATIONS):
            self.advance()

    @torch.no_grad()
    def advance(self) -> None:
        """Take one step of the power iteration."""
        matrix = _matrix(self.weight)
        right = F.normalize(matrix.t() @ self.left, dim=0, eps=1e-12)
        self.left.copy_(F.normalize(matrix @ right, dim=0, eps=1e-12))
        inputs, size = self.weight.shape[1:3]
        self.right.copy_(right.view(size, size, inputs).permute(2, 0, 1).flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, h, w]."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.divided()
        return F.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)

    def divided(self) -> Tensor:
        """Return the weights divided by their largest singular value."""
        divided: Tensor = _Divided.apply(self.weight, self.left, self.right)
        return divided


def advance_norms(network: nn.Module) -> None:
    """Move the singular vectors of all spectrally normalised layers of a network."""
    for module in network.modules():
        if isinstance(module, SpectralConv):
            module.advance()
