"""Layers of the radiogenomic networks. Feature maps are [n, c, h, w].

Xu et al. normalise over the batch. Here maps are normalised image by image, in groups of channels: an image is then a
function of its own genes, noise and background, parts of a batch give what the whole gives, and there are no running
statistics that an averaged network would lack.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_DEVIATION = 0.02
EPSILON = 1e-5


class MapNorm(nn.GroupNorm):
    """Normalisation of each image, in groups of 8 channels at least, with a scale and a shift for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(max(1, channels // 8) if channels % 8 == 0 else 1, channels)


def start_weights(network: nn.Module) -> None:
    """Give a network its first weights: orthogonal, and scales near 1.

    Source: the published training of Xu et al.; Saxe et al. 2014 for orthogonal matrices.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, MapNorm):
            nn.init.normal_(module.weight, 1.0, NORM_DEVIATION)
            nn.init.zeros_(module.bias)


class GatedUpsample(nn.Module):
    """Double height and width, then convolve, normalise, and gate one half of the channels by the other (GLU)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False)
        self.norm = MapNorm(2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, 2 h, 2 w]."""
        return F.glu(self.norm(self.mix(F.interpolate(x, scale_factor=2, mode="nearest"))), dim=1)


def restyle(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Give each channel of an image a mean and a deviation [n, c]: adaptive instance normalisation.

    Source: Huang and Belongie 2017, "Arbitrary style transfer in real-time with AdaIN", equation 8.
    """
    normal = F.instance_norm(x.float(), eps=EPSILON)
    return normal * deviation[:, :, None, None] + mean[:, :, None, None]


@torch.no_grad()
def largest_part(mask: Tensor) -> Tensor:
    """Return the largest part of each mask, bool [n, h, w]; pixels touch by their sides.

    Every pixel of a part takes the highest number in it, in rounds until nothing changes.
    """
    count, height, width = mask.shape
    number = torch.arange(1, height * width + 1, device=mask.device, dtype=torch.float32).view(1, 1, height, width)
    labels = number.expand(count, 1, height, width) * mask[:, None]
    while True:
        across = F.max_pool2d(labels, (1, 3), 1, (0, 1))
        moved = torch.maximum(across, F.max_pool2d(labels, (3, 1), 1, (1, 0))) * mask[:, None]
        if torch.equal(moved, labels):
            break
        labels = moved
    flat = labels.view(count, -1).long()
    sizes = torch.zeros(count, height * width + 1, device=mask.device, dtype=torch.long)
    sizes.scatter_add_(1, flat, torch.ones_like(flat))
    sizes[:, 0] = 0
    best = sizes.argmax(dim=1, keepdim=True)
    return ((flat == best) & (flat > 0)).view(count, height, width)
