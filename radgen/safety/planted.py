"""Copies of training images planted on purpose: an audit that cannot find them says nothing.

Five kinds: another slice of a training volume, mirrored, shifted, patched (a square of 3/8 of the side from another
person), half-blended with another person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

SHIFT_SHARE = 1 / 16  # of the side, at most, each way
PATCH_SHARE = 3 / 8  # of the side

Pixels = NDArray[np.uint8]
OTHER_SLICE = "other_slice"  # the training image itself: it is planted by leaving it out of what it is looked up among


def mirrored(originals: Pixels, _donors: Pixels, _rng: np.random.Generator) -> Pixels:
    """Swap left and right."""
    return np.ascontiguousarray(originals[..., ::-1])


def shifted(originals: Pixels, _donors: Pixels, rng: np.random.Generator) -> Pixels:
    """Move by whole pixels both ways, at least one; what leaves the picture is lost, what comes in is black."""
    height, width = originals.shape[2:]
    reach = max(1, round(SHIFT_SHARE * min(height, width)))
    copies = np.zeros_like(originals)
    for copy, original in zip(copies, originals, strict=True):
        down, right = (int(rng.choice([-1, 1])) * int(rng.integers(1, reach + 1)) for _ in range(2))
        copy[:, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = original[
            :, max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
        ]
    return copies


def patched(originals: Pixels, donors: Pixels, rng: np.random.Generator) -> Pixels:
    """Replace a square at a random place by what another person has there."""
    height, width = originals.shape[2:]
    side = round(PATCH_SHARE * min(height, width))
    copies = originals.copy()
    for copy, donor in zip(copies, donors, strict=True):
        top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
        copy[:, top : top + side, left : left + side] = donor[:, top : top + side, left : left + side]
    return copies


def blended(originals: Pixels, donors: Pixels, _rng: np.random.Generator) -> Pixels:
    """Average with another person."""
    return ((originals.astype(np.uint16) + donors) // 2).astype(np.uint8)


KINDS: Mapping[str, Callable[[Pixels, Pixels, np.random.Generator], Pixels]] = {
    "mirrored": mirrored,
    "shifted": shifted,
    "patched": patched,
    "blended": blended,
}
