"""The input of the alias-free generator: a map of sines whose place and angle the style decides.

Source: Karras et al. 2021, section 3.2 (Fourier features) and appendix F (learned rotation and translation).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.gan.aliasfree.resampling import Span
from radgen.gan.aliasfree.schedule import FIRST_CUTOFF, MARGIN_PX
from radgen.gan.layers import EqualLinear


class FourierInput(nn.Module):
    """Sines of fixed random frequencies, turned and shifted by the style, mixed by one learned matrix.

    Parameters
    ----------
    w_dim
        Length of the style.
    channels
        Number of sines and of output channels.
    rate
        Sampling rate of the map; it has a margin on each side.

    Attributes
    ----------
    frequencies, phases
        Buffers [channels, 2] (horizontal, vertical; cycles per image) and [channels] (cycles).
    transform
        Buffer [3, 3]: where a point of the image comes from, on top of what the style says. The identity unless a user
        moves the picture.
    """

    frequencies: Tensor
    phases: Tensor
    transform: Tensor
    _places: Tensor

    def __init__(self, w_dim: int, channels: int, rate: int) -> None:
        super().__init__()
        # Evenly over a disc: the square root of an even number is a radius.
        radius = FIRST_CUTOFF * torch.rand(channels).sqrt()
        angle = 2 * math.pi * torch.rand(channels)
        self.register_buffer("frequencies", torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1))
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = EqualLinear(w_dim, 4, start=0.0)
        with torch.no_grad():
            self.affine.bias[0] = 1.0
        self._rate = rate
        size = rate + 2 * MARGIN_PX
        # In units of the image, zero in its middle.
        self.register_buffer("_places", (torch.arange(size) + 0.5 - size / 2) / rate, persistent=False)

    def forward(self, w: Tensor, span: Span) -> Tensor:
        """Map styles [n, w_dim] to the rows and columns `span` of the map [n, channels, h, w]."""
        with torch.autocast(w.device.type, enabled=False):
            moved = self._move(w.float()) @ self.transform
            frequencies = self.frequencies @ moved[:, :2, :2]  # [n, channels, 2]
            phases = self.phases + (self.frequencies @ moved[:, :2, 2:])[:, :, 0]  # [n, channels]
            places = self._places[span.start : span.stop]
            horizontal = frequencies[:, :, :1] * places
            vertical = frequencies[:, :, 1:] * places + phases[:, :, None]
            cycles = vertical[:, :, :, None] + horizontal[:, :, None, :]
            # Frequencies that the map cannot hold fade out.
            length = frequencies.norm(dim=2)
            share = (1 - (length - FIRST_CUTOFF) / (self._rate / 2 - FIRST_CUTOFF)).clamp(0, 1)
            waves = torch.sin(2 * math.pi * cycles) * share[:, :, None, None]
            weight = self.weight[:, :, None, None] / math.sqrt(self.weight.shape[1])
        return F.conv2d(waves, weight)

    def _move(self, w: Tensor) -> Tensor:
        """Return the rotation and translation that a style asks for, [n, 3, 3]."""
        four = self.affine(w)
        four = four / four[:, :2].norm(dim=1, keepdim=True)
        cosine, sine, right, below = four.unbind(1)
        zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
        rotate = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1).reshape(-1, 3, 3)
        shift = torch.stack([one, zero, -right, zero, one, -below, zero, zero, one], 1).reshape(-1, 3, 3)
        return rotate @ shift
