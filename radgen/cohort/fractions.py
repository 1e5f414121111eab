"""Nested subsets of patients: a smaller fraction is always part of a larger one."""

from __future__ import annotations

from collections.abc import Iterable

from radgen.seeds import stable_unit


def low_patients(patients: Iterable[str], fraction: float, seed: int) -> frozenset[str]:
    """Choose a fraction of the patients by the stable rank of their keys.

    Parameters
    ----------
    patients
        Patient keys, usually those of the training split; repeats do not matter.
    fraction
        Between 0 and 1; at least one patient is chosen when there is one.
    seed
        Another seed gives another ranking.

    Returns
    -------
    frozenset of str
        For f < g, the patients of f are a subset of those of g.

    >>> everyone = [f"p{number}" for number in range(40)]
    >>> low_patients(everyone, 0.1, 0) < low_patients(everyone, 0.5, 0)
    True
    >>> len(low_patients(everyone, 0.1, 0))
    4
    """
    ranked = sorted(set(patients), key=lambda patient: (stable_unit("fraction", seed, patient), patient))
    return frozenset(ranked[: max(1, round(fraction * len(ranked)))])
