"""Nodules from genes: an image is a function of weights, profile, background, seed and the number of its noise alone.

Noise is counted by itself: draw k is the same whoever's genes and whichever background it is joined with, so that one
of the three can change while the others stay. Each image is made alone, in fp32, because batch size changes the lowest
bits of sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import InputError
from radgen.gan.sampling import from_grey, to_grey
from radgen.radiogenomic.synthesis.checkpoint import RadiogenomicCard, load_radiogenomic
from radgen.radiogenomic.synthesis.layers import largest_part
from radgen.radiogenomic.synthesis.networks import RadiogenomicGenerator, draw_noise
from radgen.seeds import derive_seed


@dataclass(frozen=True, eq=False)
class Nodule:
    """One synthetic nodule.

    Parameters
    ----------
    image
        uint8 [H, W], greys of the patches' window.
    mask
        uint8 [H, W], cover by the nodule's largest part, 255 is whole.
    switch
        uint8 [H, W], how much the genes changed the background's maps: 0 nothing, 255 all.
    seed
        Of its noise.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    switch: NDArray[np.uint8]
    seed: int


class RadiogenomicSampler:
    """Draw nodules.

    Parameters
    ----------
    generator
        In evaluation mode.
    card
        Of its weights.
    seed
        Of the noise.
    """

    def __init__(self, generator: RadiogenomicGenerator, card: RadiogenomicCard, *, seed: int) -> None:
        self.generator, self.card = generator, card
        self._seed = seed
        self._device = generator.generator.start.weight.device

    @property
    def resolution(self) -> int:
        """Rows and columns of an image."""
        return self.generator.shape.resolution

    def seed_of(self, number: int) -> int:
        """Return the seed of one draw of noise."""
        return derive_seed("radiogenomic sample", self._seed, self.card.source, number)

    @torch.no_grad()
    def draw(self, profile: NDArray[np.float32], background: NDArray[np.uint8], number: int) -> Nodule:
        """Draw one nodule: its largest part; wherever else something was drawn, the background stays as it is.

        Parameters
        ----------
        profile
            Standardised expression float32 [genes].
        background
            Healthy patch uint8 [H, W].
        number
            Of the noise.

        Raises
        ------
        InputError
            The profile or the background is of another size than the generator learnt.
        """
        shape = self.generator.shape
        side = (shape.resolution, shape.resolution)
        if profile.shape != (shape.genes,) or background.shape != side:
            msg = (
                f"a profile of {profile.shape} genes and a background of {background.shape} pixels, but the generator "
                f"{self.card.source} learnt {shape.genes} genes and {side} pixels; bring them to these"
            )
            raise InputError(msg)
        seed = self.seed_of(number)
        genes = torch.from_numpy(np.ascontiguousarray(profile))[None].to(self._device)
        healthy = from_grey(background[None, None], self._device)
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            drawn = self.generator(genes, draw_noise(shape, [seed]).to(self._device), healthy)
        work = F.interpolate(1 - drawn.switch, size=side, mode="bilinear", align_corners=False)
        near = _near(drawn.mask)
        image = torch.where(near > 0, drawn.image, healthy)
        return Nodule(to_grey(image)[0, 0], _cover(drawn.mask, near), to_grey(2 * work - 1)[0, 0], seed)

    @torch.no_grad()
    def codes(self, profiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the codes of profiles [n, genes], each made alone: float32 [n, embed_dim]."""
        rows = torch.from_numpy(np.ascontiguousarray(profiles)).to(self._device)
        found = torch.cat([self.generator.encoder(row[None]) for row in rows])
        return np.asarray(found.cpu().numpy())


def _near(mask: Tensor) -> Tensor:
    """Return where the largest part of a mask [1, 1, H, W] and its soft edge lie: 0 or 1 of the same shape."""
    part = largest_part(mask[:, 0] > 0)[:, None].float()
    return F.max_pool2d(part, 3, stride=1, padding=1)


def _cover(mask: Tensor, near: Tensor) -> NDArray[np.uint8]:
    """Return the cover of that part: uint8 [H, W]."""
    return np.asarray(to_grey((mask + 1) * near - 1)[0, 0])


def load_radiogenomic_sampler(weights: Path, *, seed: int, device: torch.device | str) -> RadiogenomicSampler:
    """Open published weights for sampling.

    Raises
    ------
    CheckpointError
        The file is missing, damaged or foreign.
    """
    generator, card = load_radiogenomic(weights, torch.device(device))
    return RadiogenomicSampler(generator, card, seed=seed)
