"""The residual discriminator: tells real from generated images of a stated class."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from radgen.gan.generator import RESIDUAL_GAIN, channels_at, scales_of
from radgen.gan.kinds import Shape
from radgen.gan.layers import ACTIVATION_GAIN, EqualConv, EqualLinear, activate, downsample

GROUP_SIZE = 4
LOG_VARIANCE_RANGE = (-8.0, 4.0)
LOG_VARIANCE_START = -2.0  # latents first say something of their image, or they are not listened to
VARIANCE_FLOOR = 1e-6


class ResidualBlock(nn.Module):
    """Two convolutions, one before and one after halving the scale, beside a 1 x 1 shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualConv(inputs, inputs, gain=ACTIVATION_GAIN)
        # Activation gain times residual gain is one.
        self.second = EqualConv(inputs, outputs, gain=1.0)
        self.shortcut = EqualConv(inputs, outputs, size=1, gain=RESIDUAL_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, h/2, w/2]."""
        shortcut = self.shortcut(downsample(x))
        x = downsample(activate(self.first(x)))
        out: Tensor = activate(self.second(x)) + shortcut
        return out


class Discriminator(nn.Module):
    """Residual discriminator with minibatch standard deviation and class projection, which also reads latents.

    Judging and reading share the trunk: what tells real from generated must also hold what the image shows.

    Source: Karras et al. 2018 (minibatch standard deviation); Miyato and Koyama 2018, "cGANs with projection
    discriminator", equation 3; Liu et al. 2021, "Towards faster and stabilized GAN training", section 3.2 (rebuilding
    real images keeps a discriminator of few images from learning them by heart).

    Parameters
    ----------
    shape
        Of the generator it plays against.
    channels
        Channels at 4, 8, 16, ... pixels; the last number serves all larger scales.
    """

    def __init__(self, shape: Shape, channels: tuple[int, ...]) -> None:
        super().__init__()
        scales = scales_of(shape.resolution)
        counts = channels_at(channels, scales)[::-1]
        self.from_image = EqualConv(shape.image_channels, counts[0], gain=ACTIVATION_GAIN)
        self.blocks = nn.ModuleList(ResidualBlock(inputs, outputs) for inputs, outputs in itertools.pairwise(counts))
        self.last = EqualConv(counts[-1] + 1, counts[-1], gain=ACTIVATION_GAIN)
        length = counts[-1] * scales[0] ** 2
        self.flat = EqualLinear(length, counts[-1], gain=ACTIVATION_GAIN)
        self.verdict = EqualLinear(counts[-1], 1)
        self.embedding = nn.Parameter(torch.randn(shape.classes, counts[-1]))
        self.latent = EqualLinear(length, 2 * shape.z_dim)

    def trunk(self, images: Tensor) -> Tensor:
        """Map images [n, C, H, W] to float32 features [n, D]."""
        x = activate(self.from_image(images.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x)
        x = activate(self.last(torch.cat([x, minibatch_deviation(x)], dim=1)))
        return x.float().flatten(1)

    def judge(self, trunk: Tensor, class_ids: Tensor) -> Tensor:
        """Map the trunk's features [n, D] and stated classes [n] to logits [n], above 0 for real."""
        with torch.autocast(trunk.device.type, enabled=False):
            features = activate(self.flat(trunk))
            projection = (features * self.embedding[class_ids]).sum(dim=1) / math.sqrt(features.shape[1])
            logits: Tensor = self.verdict(features)[:, 0] + projection
        return logits

    def read(self, trunk: Tensor) -> tuple[Tensor, Tensor]:
        """Map the trunk's features [n, D] to mean and log variance of a latent, [n, z_dim] each."""
        with torch.autocast(trunk.device.type, enabled=False):
            mean, log_variance = self.latent(trunk).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE) + LOG_VARIANCE_START

    def forward(self, images: Tensor, class_ids: Tensor) -> Tensor:
        """Judge images [n, C, H, W] of stated classes [n]: float32 logits [n], above 0 for real."""
        return self.judge(self.trunk(images), class_ids)


def minibatch_deviation(x: Tensor) -> Tensor:
    """Return one map [n, 1, h, w]: how much images of a group differ from each other, a number per group.

    A group takes every n/4-th image, so that it holds one class where classes take turns. A batch that groups of four
    do not divide is one group.
    """
    count, channels, height, width = x.shape
    size = GROUP_SIZE if count % GROUP_SIZE == 0 else count
    grouped = x.float().reshape(size, count // size, channels, height, width)
    variance = (grouped - grouped.mean(dim=0)).square().mean(dim=0)  # several times faster than torch's var over groups
    deviation = (variance + VARIANCE_FLOOR).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat(size)[:, None, None, None].expand(-1, 1, height, width).to(x.dtype)
