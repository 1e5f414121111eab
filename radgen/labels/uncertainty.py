"""How sure an ensemble is of its masks: the error it expects of each, and where its members disagree."""

from __future__ import annotations

import torch
from torch import Tensor

MEASURE = "expected error"  # what decides which pairs are dropped, in manifests
TOP_FRACTION = 0.1  # share of the pixels that decides an image's disagreement
LEAST_PIXELS = 1e-6  # keeps a structure that nobody believes in from dividing nothing by nothing


def expected_error(probabilities: Tensor) -> Tensor:
    """Return the error that an ensemble expects of its likeliest masks: 1 - mean Dice over structures, in [0, 1].

    If every pixel of a structure is right with its own probability, the Dice of a mask is about twice the probability
    that it covers, over the probability there is in all and its own size. A structure counts as much as the ensemble
    believes that it is there, which is the probability of its surest pixel; background does not count.

    Parameters
    ----------
    probabilities
        Float [n, labels, H, W], summing to 1 over labels.

    Returns
    -------
    Float [n].

    Notes
    -----
    Source: Borges, Pacheco and Silva 2024, Soft Dice confidence (arXiv 2402.10665), for one structure. The mean over
    structures is that of `radgen.labels.calibration.image_errors`, with belief in place of presence.

    >>> sure, unsure = [[[0.0, 1.0]], [[1.0, 0.0]]], [[[0.25, 1.0]], [[0.75, 0.0]]]  # two labels of two pixels each
    >>> [round(value, 3) for value in expected_error(torch.tensor([sure, unsure])).tolist()]
    [0.0, 0.143]
    """
    flat = probabilities.flatten(2)  # [n, labels, pixels]
    painted = (flat == flat.amax(dim=1, keepdim=True)).to(flat.dtype)
    covered = (flat * painted).sum(dim=2)
    missing = (1 - 2 * covered / (flat.sum(dim=2) + painted.sum(dim=2)).clamp_min(LEAST_PIXELS))[:, 1:]
    belief = flat.amax(dim=2)[:, 1:]
    return (missing * belief).sum(dim=1) / belief.sum(dim=1).clamp_min(LEAST_PIXELS)


def entropy(probabilities: Tensor, dim: int) -> Tensor:
    """Return the Shannon entropy in nats along a dimension; 0 log 0 is 0."""
    total: Tensor = torch.special.entr(probabilities).sum(dim=dim)
    return total


def jensen_shannon(probabilities: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of the members at each pixel: H(mean P) - mean H(P), in nats.

    Parameters
    ----------
    probabilities
        Float [members, n, labels, H, W], summing to 1 over labels.

    Returns
    -------
    Float [n, H, W] in [0, ln members], and at most ln labels.

    Notes
    -----
    Source: Lin 1991, Divergence measures based on the Shannon entropy, equation 5.1; used so by Li et al. 2022,
    BigDatasetGAN (arXiv 2201.04684).
    """
    divergence = entropy(probabilities.mean(dim=0), dim=1) - entropy(probabilities, dim=2).mean(dim=0)
    return divergence.clamp_min(0)  # rounding may leave -1e-8


def image_disagreement(divergence: Tensor) -> Tensor:
    """Return the mean over the most uncertain tenth of an image's pixels: [n, H, W] to [n].

    A mean over all pixels would say little: most of an image is background on which all heads agree.

    Source: Zhang et al. 2021, DatasetGAN (arXiv 2104.06490), section 3.
    """
    flat = divergence.flatten(1)
    count = max(1, round(TOP_FRACTION * flat.shape[1]))
    return flat.topk(count, dim=1).values.mean(dim=1)
