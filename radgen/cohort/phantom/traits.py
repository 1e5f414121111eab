"""Which patients have which trait: shared out evenly, so that a small archive holds its share of everything."""

from __future__ import annotations

from radgen.seeds import stable_unit

STEP = {
    "lesion": 0.618034,
    "masks": 0.414214,
    "arms": 0.732051,
    "blanket": 0.236068,
    "storage": 0.302776,
    "mr": 0.449490,
}
"""The step of each trait from one patient to the next: irrational numbers, no two alike."""


def place(seed: int, trait: str, number: int) -> float:
    """Return patient `number`'s place in [0, 1) for a trait.

    The places of consecutive patients fill the range evenly; each depends on the seed and the number alone, so that
    more patients change nobody.

    >>> sum(place(7, "lesion", number) < 0.5 for number in range(1, 13))
    6
    """
    return (stable_unit("phantom", seed, "trait", trait) + number * STEP[trait]) % 1.0
