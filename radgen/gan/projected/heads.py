"""One head per scale: from a mixed map and a class to a few logits."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

END_PX = 8  # halving stops at this side
KERNEL = 4
WIDE_PX = 32  # a head has its least channels from here up
WIDEST = 4
VERDICT = 64  # channels that a class's embedding is compared with


class Block(nn.Module):
    """Spectrally normalised convolution and leaky ReLU.

    The paper has batch normalisation between them. Here nothing is: an image's logits depend on no other image, so
    parts of a batch on several devices add up to the whole, and no running average is saved. Group normalisation keeps
    that too, but hides how bright and strong a whole image is: before an untrained encoder a generator of toy images
    needed ten times as many of them; before a trained one it made no difference (docs/projected.md).
    """

    def __init__(self, inputs: int, outputs: int, *, halve: bool) -> None:
        super().__init__()
        convolution = (
            nn.Conv2d(inputs, outputs, KERNEL, stride=2, padding=1)
            if halve
            else nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.convolution = spectral_norm(convolution)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, h/2, w/2], or to the same size."""
        return F.leaky_relu(self.convolution(x), 0.2)


class Head(nn.Module):
    """Halve a map to at most 8 pixels, then compare every place with the class.

    A logit is the scalar product of a place's 64 numbers with an affine map of the class's embedding, divided by 8.
    The affine map's offset is the part that all classes share.

    Source: Sauer et al. 2021, section 4; Miyato and Koyama 2018, "cGANs with projection discriminator", equation 3.

    Parameters
    ----------
    channels, size_px
        Of the mixed map.
    width
        Channels at 32 pixels and above; twice as many at 16 and four times at 8 and below.
    embedding
        Length of a class's embedding.
    """

    def __init__(self, channels: int, size_px: int, width: int, embedding: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        while size_px > END_PX:
            size_px //= 2
            outputs = channels_at(size_px, width)
            blocks.append(Block(channels, outputs, halve=True))
            channels = outputs
        if not blocks:
            blocks.append(Block(channels, channels_at(size_px, width), halve=False))
            channels = channels_at(size_px, width)
        self.blocks = nn.Sequential(*blocks)
        self.verdict = spectral_norm(nn.Conv2d(channels, VERDICT, min(KERNEL, size_px)))
        self.to_class = nn.Linear(embedding, VERDICT)
        # What all classes share and what sets one apart start equally strong, embeddings being of variance one.
        nn.init.normal_(self.to_class.weight, std=embedding**-0.5)
        nn.init.normal_(self.to_class.bias)

    def forward(self, x: Tensor, embeddings: Tensor) -> Tensor:
        """Judge a map [n, channels, size, size] and class embeddings [n, D]: float32 logits [n, k], one per place."""
        places = self.verdict(self.blocks(x)).float()
        with torch.autocast(x.device.type, enabled=False):
            classes = self.to_class(embeddings.float())[:, :, None, None]
            logits: Tensor = (places * classes).sum(dim=1).flatten(1) / math.sqrt(VERDICT)
        return logits


def channels_at(size_px: int, width: int) -> int:
    """Return a head's channels where its map has a side of `size_px`.

    >>> [channels_at(size, 32) for size in (64, 32, 16, 8, 4)]
    [32, 32, 64, 128, 128]
    """
    return width * min(WIDEST, max(1, WIDE_PX // size_px))
