"""The three grids of the paper: one of background, genes and noise changes along a row, the others stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radgen.radiogenomic.synthesis.sampling import Nodule, RadiogenomicSampler

VARIES = ("background", "gene", "noise")
EDGE_BLUE, EDGE_RED, EDGE_GREEN = 60, 255, 190


def grid(
    sampler: RadiogenomicSampler, varies: str, profiles: NDArray[np.float32], backgrounds: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Draw one grid.

    Parameters
    ----------
    sampler
        Draws.
    varies
        One of `VARIES`: what changes from column to column. From row to row it is the genes that change, and in the
        grid of genes the background.
    profiles
        float32 [m, genes].
    backgrounds
        uint8 [m, H, W]; as many.

    Returns
    -------
    array of uint8
        [rows, columns, 3], red, green, blue: a background, then m nodules with the edges of their masks, in each row;
        below each row its switch maps.
    """
    count = len(profiles)
    lines = []
    for row in range(count):
        cells = [_cell(varies, row, column) for column in range(count)]
        drawn = [sampler.draw(profiles[gene], backgrounds[healthy], noise) for gene, healthy, noise in cells]
        first = backgrounds[cells[0][1]]
        lines.append(_line(first, drawn))
    return np.concatenate(lines)


def _cell(varies: str, row: int, column: int) -> tuple[int, int, int]:
    """Return profile, background and noise of one cell."""
    return {"background": (row, column, 0), "gene": (column, row, 0), "noise": (row, row, column)}[varies]


def _line(background: NDArray[np.uint8], drawn: Sequence[Nodule]) -> NDArray[np.uint8]:
    above = [_grey(background), *(outlined(nodule.image, nodule.mask) for nodule in drawn)]
    below = [np.zeros_like(above[0]), *(_grey(nodule.switch) for nodule in drawn)]
    return np.concatenate([np.concatenate(above, axis=1), np.concatenate(below, axis=1)])


def outlined(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image [H, W] in colours [H, W, 3], with the pixels just outside its mask in yellow."""
    inside = np.pad(mask > 127, 1)
    near = inside[:-2, 1:-1] | inside[2:, 1:-1] | inside[1:-1, :-2] | inside[1:-1, 2:]
    colours = _grey(image)
    colours[near & ~inside[1:-1, 1:-1]] = (EDGE_RED, EDGE_GREEN, EDGE_BLUE)
    return colours


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(image[:, :, None], 3, axis=2)
