"""The running average of a network's weights, counted in images."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ema_decay(*, seen_images: int, batch_size: int, half_life_images: float, rampup: float) -> float:
    """Return the share of the average that one step keeps.

    The average forgets half in `half_life_images`; early on the half-life is at most `rampup` times the images seen,
    so that the random start is forgotten.

    Source: Karras et al. 2020, "Training generative adversarial networks with limited data", appendix C.

    >>> round(ema_decay(seen_images=10_000, batch_size=500, half_life_images=500, rampup=1), 6)
    0.5
    """
    half_life = min(half_life_images, seen_images * rampup)
    return float(0.5 ** (batch_size / half_life)) if half_life > 0 else 0.0


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move every parameter of `average` towards `network`; buffers are left to their owner."""
    ours: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(network.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - decay)
