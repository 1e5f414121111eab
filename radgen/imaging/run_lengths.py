"""COCO's compressed run lengths: a binary mask as one short text.

Runs are counted down the columns, zeros first. From the third count on, the difference to the count two before is
stored. Each number is cut into groups of 5 bits, lowest first; a group is written as the character 48 + its value, + 32
where another group follows, and the sign is that of the last group's highest bit.

Source: Lin et al., Microsoft COCO, arXiv 1405.0312, and the data format page of cocodataset.org.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GROUP_BITS = 5
FIRST_CHARACTER = 48
SIGN, MORE = 0x10, 0x20


def encode(mask: NDArray[np.bool_]) -> str:
    """Return the run lengths of a mask, bool [H, W].

    >>> encode(np.zeros((2, 2), dtype=bool)), encode(np.ones((2, 2), dtype=bool))
    ('4', '04')
    """
    counts = run_lengths(mask)
    differences = [count - counts[place - 2] if place > 2 else count for place, count in enumerate(counts)]
    return "".join(map(_text, differences))


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return lengths of runs of zeros and ones in turn, down the columns; the first may be 0.

    >>> run_lengths(np.array([[True, False], [True, True]]))
    [0, 2, 1, 1]
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def _text(number: int) -> str:
    characters = []
    more = True
    while more:
        group = number & ((1 << GROUP_BITS) - 1)
        number >>= GROUP_BITS
        more = number != (-1 if group & SIGN else 0)
        characters.append(chr(FIRST_CHARACTER + (group | (MORE if more else 0))))
    return "".join(characters)
