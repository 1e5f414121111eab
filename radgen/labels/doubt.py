"""A sampler that also tells how sure the label heads are of what it draws, for the choice of images to annotate."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.errors import CheckpointError
from radgen.gan.sampling import Block, Sampler
from radgen.labels.head import LabelHeads, load_heads
from radgen.labels.painting import paint


class DoubtingSampler:
    """Draw blocks with their features, and judge the block drawn last without drawing it again.

    Parameters
    ----------
    sampler
        Of the generator that the heads read.
    heads
        The ensemble, on the sampler's device.
    """

    def __init__(self, sampler: Sampler, heads: LabelHeads) -> None:
        self.class_names = sampler.class_names
        self._heads = heads
        self._draw = functools.lru_cache(maxsize=1)(functools.partial(sampler.block, with_features=True))

    @classmethod
    def load(cls, head: Path, sampler: Sampler, device: torch.device, generator: str) -> DoubtingSampler:
        """Read the heads of a generator.

        Raises
        ------
        CheckpointError
            The file cannot be read, or its heads were taught on another generator.
        """
        heads = load_heads(head, device)
        if heads.shape.generator != generator:
            msg = (
                f"{head}: was taught on generator {heads.shape.generator}, but the generator is now {generator}; "
                "run the labels stage again"
            )
            raise CheckpointError(msg)
        return cls(sampler, heads)

    def block(self, class_id: int, block: int) -> Block:
        """Return one block of one class."""
        return self._draw(class_id, block)

    def doubt(self, class_id: int, block: int) -> NDArray[np.float64]:
        """Return the error that the heads expect of each image of a block: float64 [16] in [0, 1]."""
        return paint(self._heads, self._draw(class_id, block).features, class_id)[1]
