"""The two judges: a U-Net that names the label of every pixel, and a wavelet discriminator of whole images."""

from __future__ import annotations

import itertools
import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.gan.layers import ACTIVATION_GAIN, EqualConv, EqualLinear, activate
from radgen.semantic.generator import LEAK, SemanticShape
from radgen.semantic.layers import SpectralConv, double, haar, halve_blurred


class _Residual(nn.Module):
    """Two convolutions beside a shortcut; the first block of all is not activated before."""

    def __init__(self, inputs: int, outputs: int, *, first: bool = False) -> None:
        super().__init__()
        self._first = first
        self.one, self.two = SpectralConv(inputs, outputs), SpectralConv(outputs, outputs)
        self.shortcut = SpectralConv(inputs, outputs, size=1, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.one(x if self._first else F.leaky_relu(x, LEAK))
        y = self.two(F.leaky_relu(y, LEAK))
        total: Tensor = y + (x if self.shortcut is None else self.shortcut(x))
        return total


class PixelJudge(nn.Module):
    """U-Net of residual blocks that gives each pixel one logit per label and one more for "generated".

    Source: Sushko et al. 2021, "You only need adversarial supervision for semantic image synthesis" (OASIS), section
    3.1. As the unpaired mode's segmenter the last logit is never a target.

    Parameters
    ----------
    shape
        Of the generator: channels, labels, sizes.
    free
        Whether the last layer's weights are left as they are. Divided by their largest singular value they keep logits
        so near to each other that an opponent stays undecided for thousands of images; a helper does not mind.
    """

    def __init__(self, shape: SemanticShape, *, free: bool) -> None:
        super().__init__()
        sizes = shape.networks.segmenter_channels
        pairs = list(itertools.pairwise((shape.image_channels, *sizes)))
        self.down = nn.ModuleList(_Residual(a, b, first=not number) for number, (a, b) in enumerate(pairs))
        skips = list(reversed(sizes[:-1]))
        below = [sizes[-1], *skips]
        self.up = nn.ModuleList(_Residual(a + b, b) for a, b in zip(below, skips, strict=False))
        last = partial(nn.Conv2d, kernel_size=1) if free else partial(SpectralConv, size=1)
        self.name = last(sizes[0], shape.labels + 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [n, C, H, W] in [-1, 1] to logits float32 [n, labels + 1, H, W]."""
        skips: list[Tensor] = []
        x = images
        for number, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if number else x)
            skips.append(x)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = block(torch.cat([double(x), skip], dim=1))
        logits: Tensor = self.name(F.leaky_relu(x, LEAK)).float()
        return logits


class WaveletJudge(nn.Module):
    """Discriminator of whole images that sees Haar coefficients at every scale, and gives one logit per image.

    Images are independent of each other: there is no statistic over the batch.

    Source: Gal et al. 2021, "SWAGAN", figure 3; Eskandar et al. 2021, "USIS", section 5.

    Parameters
    ----------
    shape
        Of the generator: sides, channels, sizes.
    """

    def __init__(self, shape: SemanticShape) -> None:
        super().__init__()
        sizes = shape.networks.discriminator_channels
        self.read = nn.ModuleList(
            EqualConv(4 * shape.image_channels, channels, size=1, gain=ACTIVATION_GAIN) for channels in sizes[:-1]
        )
        self.same = nn.ModuleList(EqualConv(a, a, gain=ACTIVATION_GAIN) for a in sizes[:-1])
        self.wider = nn.ModuleList(EqualConv(a, b, gain=ACTIVATION_GAIN) for a, b in itertools.pairwise(sizes))
        self.last = nn.ModuleList(EqualConv(sizes[-1], sizes[-1], gain=ACTIVATION_GAIN) for _ in range(2))
        places = (shape.height >> 5) * (shape.width >> 5)
        self.gather = EqualLinear(sizes[-1] * places, sizes[-1], gain=ACTIVATION_GAIN)
        self.judge = EqualLinear(sizes[-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [n, C, H, W] in [-1, 1] to logits float32 [n], above 0 for real."""
        x: Tensor | None = None
        for read, same, wider in zip(self.read, self.same, self.wider, strict=True):
            seen = activate(read(haar(images)))
            x = seen if x is None else (x + seen) * math.sqrt(0.5)
            x = F.avg_pool2d(activate(wider(activate(same(x)))), 2)
            images = halve_blurred(images)
        for layer in self.last:
            x = activate(layer(x))
        assert x is not None  # noqa: S101 - there are four scales
        logits: Tensor = self.judge(activate(self.gather(x.flatten(1)))).float()
        return logits[:, 0]
