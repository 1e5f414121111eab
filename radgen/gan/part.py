"""A part of a batch as a game sees it: real images, their classes, and random draws that belong to this part alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """Some images of one step.

    Attributes
    ----------
    real
        Float32 [n, C, H, W], grey levels in [-1, 1].
    class_ids
        int64 [n].
    seen_images
        Images seen before the step: what schedules depend on.
    step
        Number of the step, from 0: what periodic terms depend on.
    random
        Source of every draw, seeded by the number of the part's first image; on the CPU, so that draws are the same
        on every device.
    """

    real: Tensor
    class_ids: Tensor
    seen_images: int
    step: int
    random: torch.Generator

    def normal(self, length: int) -> Tensor:
        """Draw standard normal numbers [n, length]."""
        return torch.randn(len(self.real), length, generator=self.random).to(self.real.device)
