"""Small computed volumes: an abdomen on a couch under a blanket, and a head in MR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.imaging.volume import CANONICAL_DIRECTIONS, Volume

Mask = NDArray[np.bool_]
SLICES, SIDE = 4, 160
SPACING_MM = (5.0, 3.0, 3.0)
AIR, SOFT, LUNG, FOAM, SHELL, BLANKET = -1000, 40, -850, -900, 150, -250


@dataclass
class Scene:
    """A computed CT and what is in it; boolean [slices, rows, columns]."""

    hu: NDArray[np.int16]
    trunk: Mask
    lung: Mask
    arm: Mask
    couch: Mask
    blanket: Mask


def ellipse(row: float, col: float, height: float, width: float) -> Mask:
    """Return an ellipse of the given half axes in pixels on a slice of the toys' size."""
    rows, cols = np.mgrid[:SIDE, :SIDE]
    return np.asarray(((rows - row) / height) ** 2 + ((cols - col) / width) ** 2 <= 1)


def scene(*, contact: bool = False, lying: bool = False) -> Scene:
    """Draw an abdomen with a lung, two arms, a curved couch shell over foam, and a blanket.

    `contact` lets the left arm touch the trunk; `lying` lays the trunk onto the couch, which touches it over 10 cm.
    """
    rows, cols = np.mgrid[:SIDE, :SIDE]
    trunk = ellipse(75, 80, 32, 42)
    lung = ellipse(70, 62, 12, 10)
    arm = ellipse(80, 24, 11, 9) | ellipse(80, 131 if contact else 135, 11, 10)
    top = (105 if lying else 118) - 0.002 * (cols - 80) ** 2
    shell = (rows >= top) & (rows < top + 2) & (abs(cols - 80) < 70)
    foam = (rows >= top + 2) & (rows < top + 16) & (abs(cols - 80) < 68)
    blanket = np.abs(rows - (34 + 0.008 * (cols - 80) ** 2)) < 0.9
    hu = np.full((SIDE, SIDE), AIR, dtype=np.int16)
    shell &= ~trunk & ~arm
    for mask, value in ((blanket, BLANKET), (foam, FOAM), (shell, SHELL), (arm, SOFT), (trunk, SOFT), (lung, LUNG)):
        hu[mask] = value
    stack = (np.repeat(mask[None], SLICES, 0) for mask in (trunk, lung, arm, shell, blanket & ~trunk & ~arm))
    noise = np.random.default_rng(0).integers(-12, 13, (SLICES, SIDE, SIDE)).astype(np.int16)
    return Scene(np.repeat(hu[None], SLICES, 0) + noise, *stack)


def head_mr() -> tuple[NDArray[np.float32], Mask]:
    """Draw a head: bright scalp, dark skull, grey brain, dark ventricles, noisy air; the second result is its mask."""
    head, skull = ellipse(80, 80, 60, 48), ellipse(80, 80, 57, 45)
    brain, ventricle = ellipse(80, 80, 52, 40), ellipse(80, 80, 12, 6)
    grey = np.zeros((SIDE, SIDE), dtype=np.float32)
    for mask, value in ((head, 900.0), (skull, 15.0), (brain, 500.0), (ventricle, 90.0)):
        grey[mask] = value
    noise = np.random.default_rng(0).normal(0, 8, (2, SLICES, SIDE, SIDE))
    stack = np.hypot(np.repeat(grey[None], SLICES, 0) + noise[0], noise[1]).astype(np.float32)
    return stack, np.repeat(head[None], SLICES, 0)


def canonical_volume(array: NDArray[np.generic], spacing_mm: tuple[float, float, float] = SPACING_MM) -> Volume:
    """Return a volume whose axes are canonical as they are."""
    affine = np.eye(4)
    affine[:3, :3] = CANONICAL_DIRECTIONS.T * spacing_mm
    return Volume(array, affine)
