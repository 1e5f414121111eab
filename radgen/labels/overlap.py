"""How well two label maps agree: the Dice losses and scores of the label room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SMOOTH = 1.0  # pixels: keeps the loss of a nearly absent structure finite
FOUND_PIXELS = 1  # a structure counts as found in an image that holds at least so many pixels of it


def dice_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Return cross entropy plus one minus the mean soft Dice of the structures that occur in the batch.

    Parameters
    ----------
    logits
        [n, labels, H, W].
    masks
        int64 [n, H, W].

    Notes
    -----
    The Dice term pools the pixels of the whole batch, so that a small lesion weighs as much as a large organ.
    Source: Milletari, Navab and Ahmadi 2016, V-Net (arXiv 1606.04797), equation in section 3; background left out.
    """
    probabilities = logits.softmax(dim=1)
    truth = F.one_hot(masks, logits.shape[1]).permute(0, 3, 1, 2).to(probabilities.dtype)
    both = (probabilities * truth).sum(dim=(0, 2, 3))
    sizes = probabilities.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    dice = ((2 * both + SMOOTH) / (sizes + SMOOTH))[1:]
    present = (truth.sum(dim=(0, 2, 3)) > 0)[1:].to(dice.dtype)
    missing = 1 - (dice * present).sum() / present.sum().clamp_min(1)
    return F.cross_entropy(logits, masks) + missing


@dataclass(frozen=True)
class StructureScore:
    """One structure's agreement over a set of images.

    Attributes
    ----------
    structure
        Name.
    dice
        Mean Dice over the images whose truth holds the structure; NaN when there is none.
    n
        Number of those images.
    found
        Share of them in which at least one pixel was painted as it; NaN when there is none.
    n_without
        Number of images whose truth does not hold the structure.
    false_alarms
        Share of those in which it was painted all the same; NaN when there is none.
    """

    structure: str
    dice: float
    n: int
    found: float
    n_without: int
    false_alarms: float


def score_structures(
    painted: NDArray[np.integer], truth: NDArray[np.integer], structures: Sequence[str]
) -> list[StructureScore]:
    """Compare label maps [n, H, W] image by image; structure k has label id k + 1."""
    scores = []
    for number, name in enumerate(structures, start=1):
        a, b = (painted == number).sum(axis=(1, 2)), (truth == number).sum(axis=(1, 2))
        both = ((painted == number) & (truth == number)).sum(axis=(1, 2))
        holds = b > 0
        dice = 2 * both[holds] / (a[holds] + b[holds])
        seen = a >= FOUND_PIXELS
        scores.append(
            StructureScore(
                name, _mean(dice), int(holds.sum()), _mean(seen[holds]), int((~holds).sum()), _mean(seen[~holds])
            )
        )
    return scores


def _mean(values: NDArray[np.bool_] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
