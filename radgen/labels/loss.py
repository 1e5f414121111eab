"""The heads' losses, cross entropy and Dice of every member at once: by masks, and by a teacher's opinion."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.labels.overlap import SMOOTH

LEAST_WEIGHT = 1e-6


def ensemble_loss(
    logits: Tensor, masks: Tensor, weights: Tensor, *, label_weights: Tensor | None = None, focus: float = 0.0
) -> Tensor:
    """Return each member's cross entropy plus one minus the mean soft Dice of the structures that occur in the batch.

    Parameters
    ----------
    logits
        [members, n, labels, H, W].
    masks
        int64 [n, H, W].
    weights
        Float [members, n]: how often each image counts for each member; 0 for those that it holds out.
    label_weights
        Float [members, labels]: what a pixel of each label weighs in the cross entropy; equal without.
    focus
        Exponent of the focal loss: pixels that are right already count (1 - p)^focus.

    Returns
    -------
    Float [members]; 0 for a member that none of the images counts for.

    Notes
    -----
    The Dice term pools the pixels of the whole batch, so that a small lesion weighs as much as a large organ.
    Source: Milletari, Navab and Ahmadi 2016, V-Net (arXiv 1606.04797), equation in section 3, background left out;
    Lin et al. 2017 (arXiv 1708.02002), equation 4, for the focal loss.
    """
    logs = logits.log_softmax(dim=2)
    probabilities = logs.exp()
    labels = logits.shape[2]
    truth = F.one_hot(masks, labels).permute(0, 3, 1, 2).to(logits.dtype)
    of_truth = (logs * truth).sum(dim=2)  # log p of the true label [members, n, H, W]
    per_pixel = -of_truth if focus == 0 else -((1 - of_truth.exp()) ** focus) * of_truth
    pixel_weights = torch.ones_like(per_pixel[:1]) if label_weights is None else label_weights[:, masks]
    entropy = ((per_pixel * pixel_weights).mean(dim=(2, 3)) * weights).sum(dim=1)
    total = (pixel_weights.mean(dim=(2, 3)) * weights).sum(dim=1)
    return entropy / total.clamp_min(LEAST_WEIGHT) + _missing(probabilities, truth, weights) * (total > 0)


def _missing(probabilities: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Return one minus the mean soft Dice of each member, [members]."""
    both = torch.einsum("mnl,mn->ml", (probabilities * truth).sum(dim=(3, 4)), weights)
    true_sizes = torch.einsum("nl,mn->ml", truth.sum(dim=(2, 3)), weights)
    sizes = torch.einsum("mnl,mn->ml", probabilities.sum(dim=(3, 4)), weights) + true_sizes
    dice = ((2 * both + SMOOTH) / (sizes + SMOOTH))[:, 1:]
    present = (true_sizes > 0)[:, 1:].to(dice.dtype)
    return 1 - (dice * present).sum(dim=1) / present.sum(dim=1).clamp_min(1)


def distillation_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return each member's cross entropy with its own teacher plus one minus the mean soft Dice of the structures.

    Parameters
    ----------
    logits
        [members, n, labels, H, W].
    targets
        Probabilities of each member's teacher, of the same shape.

    Returns
    -------
    Float [members].

    Notes
    -----
    The sizes in the Dice term are sums of squares, as in V-Net's equation: so it is highest where both agree, and not,
    as with plain sums, where the head is surer than its teacher.

    Source: Hinton, Vinyals and Dean 2015 (arXiv 1503.02531), section 2; Milletari, Navab and Ahmadi 2016, V-Net (arXiv
    1606.04797), equation in section 3, background left out, pixels of the whole batch pooled.
    """
    logs = logits.log_softmax(dim=2)
    probabilities = logs.exp()
    entropy = -(targets * logs).sum(dim=2).mean(dim=(1, 2, 3))
    both = (probabilities * targets).sum(dim=(1, 3, 4))
    sizes = (probabilities.square() + targets.square()).sum(dim=(1, 3, 4))
    dice = ((2 * both + SMOOTH) / (sizes + SMOOTH))[:, 1:]
    return entropy + 1 - dice.mean(dim=1)


def label_weights_of(counts: Tensor, balance: float) -> Tensor:
    """Return weights from pixel counts [..., labels]: frequency to the power of -balance, mean 1 over those that occur.

    >>> label_weights_of(torch.tensor([90.0, 10.0, 0.0]), 1.0)
    tensor([0.2000, 1.8000, 0.0000])
    """
    occurs = counts > 0
    weights = torch.where(occurs, counts.clamp_min(1).float() ** -balance, 0.0)
    return weights * occurs.sum(dim=-1, keepdim=True) / weights.sum(dim=-1, keepdim=True)
