"""Run lengths of binary masks, and COCO's short text of them: one codec for what goes out and what comes back.

Runs of zeros and ones take turns, zeros first, down the columns. In the text, from the fourth count on the difference
to the count two before is stored. Each number is cut into groups of 5 bits, lowest first; a group is written as the
character 48 + its value, + 32 where another group follows, and the sign is that of the last group's highest bit.

Source: Lin et al., Microsoft COCO, arXiv 1405.0312, and the data format page of cocodataset.org.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GROUP_BITS = 5
FIRST_CHARACTER = 48
SIGN, MORE = 0x10, 0x20
MOST_BITS = 30  # of a number before its last group: no picture has as many pixels


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return lengths of runs of zeros and ones in turn, down the columns of a mask [H, W]; the first may be 0.

    >>> run_lengths(np.array([[True, False], [True, True]]))
    [0, 2, 1, 1]
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def text_of_counts(counts: Sequence[int]) -> str:
    """Return COCO's text of run lengths.

    >>> text_of_counts([4]), text_of_counts([0, 4])
    ('4', '04')
    """
    differences = (count - counts[place - 2] if place > 2 else count for place, count in enumerate(counts))
    return "".join(map(_text, differences))


def counts_of_text(text: str) -> NDArray[np.int64]:
    """Return the run lengths that COCO's text codes, int64 [n].

    >>> counts_of_text("04").tolist()
    [0, 4]

    Raises
    ------
    ValueError
        A character is none of the code's, a number has no end, or the text stops within one: what stands where.
    """
    counts: list[int] = []
    number = shift = 0
    for place, character in enumerate(text):
        code = ord(character) - FIRST_CHARACTER
        if not 0 <= code < 2 * MORE or shift > MOST_BITS:
            msg = f"has {character!r} as character {place + 1}, where no code goes on"
            raise ValueError(msg)
        number |= (code & (MORE - 1)) << shift
        shift += GROUP_BITS
        if code & MORE:
            continue
        if code & SIGN:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number = shift = 0
    if shift:
        msg = f"ends within a number after {len(text)} characters"
        raise ValueError(msg)
    return np.array(counts, np.int64)


def _text(number: int) -> str:
    characters = []
    more = True
    while more:
        group = number & ((1 << GROUP_BITS) - 1)
        number >>= GROUP_BITS
        more = number != (-1 if group & SIGN else 0)
        characters.append(chr(FIRST_CHARACTER + (group | (MORE if more else 0))))
    return "".join(characters)
