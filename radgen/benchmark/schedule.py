"""In which order a network sees synthetic and real images; every arm takes as many steps in all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from radgen.benchmark.batches import BOTH
from radgen.benchmark.settings import ArmSettings
from radgen.benchmark.training_settings import ArmTrainingSettings


@dataclass(frozen=True)
class Phase:
    """A stretch of training.

    Attributes
    ----------
    steps
        How many.
    rate
        Peak learning rate as a share of the usual one; it falls along a cosine within the phase.
    kinds
        Which images the batches hold: real, synthetic or both.
    pretext
        Whether the network learns a pretext task on unlabelled images instead.
    """

    steps: int
    rate: float = 1.0
    kinds: frozenset[str] = BOTH
    pretext: bool = False

    def rate_at(self, step: int) -> float:
        """Return the rate at a step of this phase, counted from 0, as a share of the usual one.

        >>> Phase(100).rate_at(0), round(Phase(100).rate_at(50), 3)
        (1.0, 0.5)
        """
        return self.rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))


def phases(arm: ArmSettings, settings: ArmTrainingSettings, steps: int) -> tuple[Phase, ...]:
    """Return the phases of an arm: their steps sum to `steps`, so no arm learns longer than another."""
    first = max(1, round(settings.pretrain_share * steps))
    rest = max(1, steps - first)
    if arm.method == "self_supervised":
        return Phase(first, pretext=True), Phase(rest)
    if arm.schedule == "mixed":
        return (Phase(steps),)
    after = frozenset({"real"}) if arm.schedule == "pretrain" else BOTH
    return Phase(first, kinds=frozenset({"synthetic"})), Phase(rest, rate=settings.finetune_rate, kinds=after)
