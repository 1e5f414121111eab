"""The coupling test in several spaces, and the same test where it must find nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radgen.radiogenomic.coupling import Coupling, coupling_test
from radgen.radiogenomic.evaluation.settings import RadiogenomicScoresSettings
from radgen.radiogenomic.evaluation.sides import ENCODER, RADIOMIC, Side
from radgen.radiogenomic.saliency_scores import binomial_bounds
from radgen.seeds import random_generator

LEVEL = 0.05
CONFIDENCE = 0.99
SPACES = (RADIOMIC, ENCODER)


@dataclass(frozen=True)
class CouplingScore:
    """What the test found in one space.

    Parameters
    ----------
    space
        radiomic | encoder.
    found
        The test of the own pairing.
    shuffled
        p-values of the same test after the patients' genes were shuffled.
    """

    space: str
    found: Coupling
    shuffled: tuple[float, ...]

    @property
    def below_level(self) -> int:
        """How many shuffles have p < .05."""
        return sum(p < LEVEL for p in self.shuffled)

    @property
    def bounds(self) -> tuple[int, int]:
        """The fewest and the most of them that chance explains."""
        return binomial_bounds(len(self.shuffled), LEVEL, CONFIDENCE)

    @property
    def honest(self) -> bool:
        """Whether the test finds no more than chance where there is nothing to find."""
        low, high = self.bounds
        return low <= self.below_level <= high

    @property
    def words(self) -> str:
        """The result in one sentence."""
        found, (_, most) = self.found, self.bounds
        verdict = "nearer to" if found.p_value < LEVEL else "not shown to be nearer to"
        return (
            f"Images from a patient's genes are {verdict} that patient's own held-out nodules than to others' "
            f"({self.space} features, {found.patients} patients, mean distance {found.own:.2f} against "
            f"{found.others:.2f}, p = {found.p_value:.4f}); with shuffled genes {self.below_level} of "
            f"{len(self.shuffled)} tests have p < .05, and chance explains up to {most}"
        )


def coupling_scores(generated: Side, real: Side, settings: RadiogenomicScoresSettings) -> list[CouplingScore]:
    """Test the coupling of generated and real nodules of the same held-out patients in each space.

    Raises
    ------
    ValueError
        Fewer than three patients are on both sides.
    """
    scores = []
    for space in SPACES:
        made, there = generated.spaces[space], real.spaces[space]
        found = coupling_test(
            made, generated.patients, there, real.patients, permutations=settings.permutations, seed=settings.seed
        )
        names = np.intersect1d(generated.patients.astype(str), real.patients.astype(str))
        shuffled = []
        for number in range(settings.shuffles):
            order = random_generator("gene shuffle", settings.seed, number).permutation(len(names))
            other = dict(zip(names.tolist(), names[order].tolist(), strict=True))
            owners = np.array([other.get(patient, "") for patient in generated.patients], dtype=object)
            test = coupling_test(
                made, owners, there, real.patients, permutations=settings.permutations, seed=settings.seed
            )
            shuffled.append(test.p_value)
        scores.append(CouplingScore(space, found, tuple(shuffled)))
    return scores
