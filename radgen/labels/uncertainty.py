"""Where the heads of an ensemble disagree."""

from __future__ import annotations

import torch
from torch import Tensor

TOP_FRACTION = 0.1  # share of the pixels that decides an image's score


def entropy(probabilities: Tensor, dim: int) -> Tensor:
    """Return the Shannon entropy in nats along a dimension; 0 log 0 is 0."""
    total: Tensor = torch.special.entr(probabilities).sum(dim=dim)
    return total


def jensen_shannon(probabilities: Tensor, logarithms: Tensor | None = None) -> Tensor:
    """Return the Jensen-Shannon divergence of the members at each pixel: H(mean P) - mean H(P), in nats.

    Parameters
    ----------
    probabilities
        Float [members, n, labels, H, W], summing to 1 over labels.
    logarithms
        Theirs, where the caller has them: they are dear.

    Returns
    -------
    Float [n, H, W] in [0, ln members], and at most ln labels.

    Notes
    -----
    Source: Lin 1991, Divergence measures based on the Shannon entropy, equation 5.1; used so by Li et al. 2022,
    BigDatasetGAN (arXiv 2201.04684).
    """
    own = entropy(probabilities, dim=2) if logarithms is None else -(probabilities * logarithms).sum(dim=2)
    divergence = entropy(probabilities.mean(dim=0), dim=1) - own.mean(dim=0)
    return divergence.clamp_min(0)  # rounding may leave -1e-8


def image_score(divergence: Tensor) -> Tensor:
    """Return the mean over the most uncertain tenth of an image's pixels: [n, H, W] to [n].

    A mean over all pixels would say little: most of an image is background on which all heads agree.
    """
    flat = divergence.flatten(1)
    count = max(1, round(TOP_FRACTION * flat.shape[1]))
    return flat.topk(count, dim=1).values.mean(dim=1)
