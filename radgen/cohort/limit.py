"""A smaller cohort for a trial: few patients, but of every split and every class."""

from __future__ import annotations

from collections.abc import Mapping

from radgen.cohort.settings import SPLITS
from radgen.seeds import stable_unit


def spread_patients(strata: Mapping[str, tuple[str, str]], count: int) -> frozenset[str]:
    """Choose patients in rounds, one from each pair of split and kind in turn, by the stable rank of their keys.

    Parameters
    ----------
    strata
        Patient key to (split, kind), where kind is the class or what is known of it.
    count
        How many to keep; all when there are no more.

    Returns
    -------
    frozenset of str
        Kinds take turns within a round, so that few patients still cover every split of the first kind.
    """
    queues: dict[tuple[str, int], list[str]] = {}
    for patient in sorted(strata, key=lambda name: (stable_unit("limit", name), name)):
        split, kind = strata[patient]
        queues.setdefault((kind, SPLITS.index(split)), []).append(patient)
    chosen: list[str] = []
    while len(chosen) < count and any(queues.values()):
        for stratum in sorted(queues):
            if queues[stratum] and len(chosen) < count:
                chosen.append(queues[stratum].pop(0))
    return frozenset(chosen)
