"""How many pairs are drawn so that enough are left, and which job draws which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from radgen.gan.sampling import BLOCK_SIZE
from radgen.labels.settings import PairsSettings


@dataclass(frozen=True)
class PairsPlan:
    """What is to be made.

    Attributes
    ----------
    counts
        Pairs wanted of each class, by class name, in order of class id.
    drop_fraction
        Share of each class's images that is thrown away for uncertainty.
    source, checkpoint
        The generator's name and the digest of its weights.
    rows_per_shard
        Images per shard.
    least_class_probability
        Images to whose own class the classifier gives less are thrown away; 0 for none.
    spare_fraction
        Share drawn beyond for those.
    """

    counts: Mapping[str, int]
    drop_fraction: float
    source: str
    checkpoint: str
    rows_per_shard: int
    least_class_probability: float = 0.0
    spare_fraction: float = 0.0

    @classmethod
    def of(
        cls, pairs: PairsSettings, counts: Mapping[str, int], card: tuple[str, str], rows_per_shard: int, *, asked: bool
    ) -> Self:
        """Plan by the settings.

        Parameters
        ----------
        pairs, counts, rows_per_shard
            As the study has them.
        card
            The generator's name and digest.
        asked
            Whether there is a classifier that can be asked.
        """
        return cls(
            counts=counts,
            drop_fraction=pairs.drop_fraction,
            source=card[0],
            checkpoint=card[1],
            rows_per_shard=rows_per_shard,
            least_class_probability=pairs.least_class_probability if asked else 0.0,
            spare_fraction=pairs.spare_fraction,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class id."""
        return tuple(self.counts)

    def drawn(self, class_id: int) -> int:
        """Return how many images of a class are drawn so that the wanted number is left."""
        spare = self.spare_fraction if self.least_class_probability > 0 else 0.0
        return math.ceil(self.counts[self.class_names[class_id]] / (1 - self.drop_fraction) / (1 - spare))

    def stretch(self, job: int, jobs: int) -> list[tuple[int, int]]:
        """Return class id and number of each block that one of several jobs draws.

        >>> plan = PairsPlan({"a": 40, "b": 20}, 0.0, "main", "digest", 100)
        >>> plan.stretch(0, 2), plan.stretch(1, 2)
        ([(0, 0), (0, 1)], [(0, 2), (1, 0), (1, 1)])
        """
        line = [
            (class_id, number)
            for class_id in range(len(self.counts))
            for number in range(-(-self.drawn(class_id) // BLOCK_SIZE))
        ]
        return line[len(line) * job // jobs : len(line) * (job + 1) // jobs]
