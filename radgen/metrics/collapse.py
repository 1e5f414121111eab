"""Whether a generator in training has collapsed: how many real images its samples reach, and how often they repeat.

A Frechet distance alone falls while samples crowd: it looks at means and covariances, where one good picture a hundred
times over still costs less than a hundred blurred ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.metrics.distances import nearest
from radgen.metrics.prdc import prdc

NEIGHBOURS = 5
LEAST_RECALL = 0.1  # of real validation patients reach about 0.9 among each other
MOST_DUPLICATES = 0.25
DUPLICATE_QUANTILE = 0.01  # real images of two patients lie nearer than a duplicate in so many cases


@dataclass(frozen=True)
class Reference:
    """Real images that samples are compared with.

    Attributes
    ----------
    features
        float32 [n, D].
    patients
        Patient numbers int64 [n]: images of one patient resemble each other and count as no pair.
    """

    features: NDArray[np.float32]
    patients: NDArray[np.int64]

    @property
    def says_enough(self) -> bool:
        """Whether every image has neighbours of other patients, without which neither number is defined."""
        others = len(self.patients) - np.bincount(self.patients)[self.patients]
        return len(others) > 0 and int(others.min()) >= NEIGHBOURS


def variety(samples: NDArray[np.float32], reference: Reference) -> dict[str, float]:
    """Return recall and duplicate rate of samples.

    Recall is the share of real images that lie among samples. A sample is a duplicate when another sample lies nearer
    to it than the nearest image of another patient does for all but a share `DUPLICATE_QUANTILE` of real images.

    Source: Kynkaanniemi et al. 2019, "Improved precision and recall metric for assessing generative models", eq. 2.

    Parameters
    ----------
    samples
        Features float32 [m, D], m > `NEIGHBOURS`.
    reference
        Real images, of which `says_enough` holds.
    """
    nobody = np.full(len(samples), -1, dtype=np.int64)
    found = prdc(reference.features, samples, k=NEIGHBOURS, real_patients=reference.patients, other_patients=nobody)
    apart, _ = nearest(
        reference.features, reference.features, patients=reference.patients, other_patients=reference.patients
    )
    # The first of a sample's neighbours among samples is itself.
    alone, _ = nearest(samples, samples, k=2)
    duplicates = alone < np.quantile(apart, DUPLICATE_QUANTILE)
    return {"recall": found.recall, "duplicates": float(duplicates.mean())}


def collapse_line(scores: Mapping[str, float]) -> str | None:
    """Return what is wrong with these scores in words, or None.

    >>> collapse_line({"recall": 0.5, "duplicates": 0.0}) is None
    True
    """
    parts = []
    if scores["recall"] < LEAST_RECALL:
        parts.append(f"recall {scores['recall']:.2f} is below {LEAST_RECALL}")
    if scores["duplicates"] > MOST_DUPLICATES:
        parts.append(f"{scores['duplicates']:.0%} of samples are duplicates, more than {MOST_DUPLICATES:.0%}")
    if not parts:
        return None
    return f"samples vary too little: {', '.join(parts)}; late in training this is a collapse, see docs/gan-loss.md"
