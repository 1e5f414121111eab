"""Losses of semantic synthesis: class-balanced entropy, LabelMix, and a body mask that has a gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.semantic.generator import UNLABELLED

MASK_WINDOW = 3  # pixels; grain at the threshold is averaged out before it
THUMBNAIL_BLOCKS = 8  # of the shorter side


def label_weights(maps: Tensor, labels: int, power: float = 1.0) -> Tensor:
    """Return what a pixel of each label counts: labelled pixels by pixels of the label, 0 for an absent one.

    Background is a label like any other; what is unlabelled counts nowhere.

    Source: Sushko et al. 2021, OASIS, equation 2.

    Parameters
    ----------
    maps
        int64 [n, H, W] of the whole batch, so that parts of it agree.
    labels
        Number of labels.
    power
        1 lets all labels count alike, 0 all pixels.

    Returns
    -------
    float32 [labels]
    """
    counts = torch.bincount(maps[maps != UNLABELLED], minlength=labels)[:labels].float()
    return torch.where(counts > 0, (counts.sum() / counts.clamp(min=1)) ** power, 0.0)


def balanced_entropy(logits: Tensor, maps: Tensor, weights: Tensor) -> Tensor:
    """Mean over all pixels of the weighted cross entropy; unlabelled pixels give 0.

    Parameters
    ----------
    logits
        [n, labels + 1, H, W]; the last one stands for "generated".
    maps
        int64 [n, H, W].
    weights
        [labels] from `label_weights`.
    """
    every = F.cross_entropy(logits, maps, reduction="none", ignore_index=UNLABELLED)
    return (every * weights[maps.clamp(min=0)]).mean()


def generated_entropy(logits: Tensor) -> Tensor:
    """Mean cross entropy of every pixel with the last label, "generated"."""
    return -logits.log_softmax(dim=1)[:, -1].mean()


def label_mask(maps: Tensor, labels: int, coins: Tensor) -> Tensor:
    """Return 1 where an image's coin for the pixel's label is 1: float32 [n, 1, H, W].

    Labels are drawn independently of each other, and what is unlabelled has a coin of its own.

    Parameters
    ----------
    maps
        int64 [n, H, W].
    labels
        Number of labels.
    coins
        0 or 1, [n, labels + 1]; the last one is of unlabelled pixels.
    """
    places = torch.where(maps == UNLABELLED, labels, maps).flatten(1)
    return coins.float().gather(1, places).view(len(maps), 1, *maps.shape[1:])


def label_mix(mixed: Tensor, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference between the logits of a mixed image and the mixture of its logits.

    Source: Sushko et al. 2021, OASIS, equation 4.
    """
    return F.mse_loss(mixed, mask * real + (1 - mask) * fake)


def shading(images: Tensor, inside: Tensor | None = None) -> Tensor:
    """Return images as thumbnails of the same mean and spread: [n, k], of mean 0 and norm 1, 0 for an even image.

    Blocks of an eighth of the shorter side leave no grain, and whatever makes a whole image brighter or richer in
    contrast is divided out: what stays is how light and dark lie in it.

    Parameters
    ----------
    images
        [n, C, H, W].
    inside
        bool [n, H, W], the pixels that count; a block counts by their number. None: all.
    """
    side = min(images.shape[-2:]) // THUMBNAIL_BLOCKS
    if inside is None:
        blocks = F.avg_pool2d(images, side).flatten(1)
        return F.normalize(blocks - blocks.mean(dim=1, keepdim=True), dim=1)
    counted = inside[:, None].to(images.dtype)
    share = F.avg_pool2d(counted, side)
    means = F.avg_pool2d(images * counted, side) / share.clamp(min=1 / side**2)
    weight = share.expand_as(means).flatten(1)
    blocks = means.flatten(1)
    centre = (weight * blocks).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp(min=1 / side**2)
    return F.normalize(weight.sqrt() * (blocks - centre), dim=1)


def likeness(one: Tensor, two: Tensor, most: float, inside: Tensor | None = None) -> Tensor:
    """Mean over images of how much nearer than `most` two images of one map are, in their shading; 0 at best.

    Source: Yang et al. 2019, "Diversity-sensitive conditional generative adversarial networks", equation 2; the
    distance of the noise, all but constant in many dimensions, is left out. Distances are those of `shading`: in
    plain grey levels grain or a change of brightness would be variety enough.
    """
    apart: Tensor = torch.linalg.vector_norm(shading(one, inside) - shading(two, inside), dim=1)
    return (most - apart).clamp(min=0).mean()


def soft_body(images: Tensor, threshold: float, softness: float) -> Tensor:
    """Return how surely each pixel is body, between 0 and 1, [n, H, W]; differentiable in the images [n, C, H, W]."""
    grey = images.mean(dim=1, keepdim=True)
    smooth = F.avg_pool2d(grey, MASK_WINDOW, 1, MASK_WINDOW // 2, count_include_pad=False)
    return torch.sigmoid((smooth[:, 0] - threshold) / softness)


def mask_loss(
    images: Tensor, maps: Tensor, *, threshold: float, softness: float, outside_ids: tuple[int, ...]
) -> Tensor:
    """Mean over all pixels of the difference between an image's soft body and its map's body.

    Parameters
    ----------
    images
        [n, C, H, W] in [-1, 1].
    maps
        int64 [n, H, W]; unlabelled pixels give 0.
    threshold, softness
        Grey levels, see `SemanticSettings`.
    outside_ids
        Labels that are not body.
    """
    difference = (soft_body(images, threshold, softness) - body_of(maps, outside_ids).float()).abs()
    return (difference * (maps != UNLABELLED)).mean()


def body_of(maps: Tensor, outside_ids: tuple[int, ...]) -> Tensor:
    """Return where maps int64 [n, H, W] show body, bool: all labels but these, and what is unlabelled."""
    return ~torch.isin(maps, torch.tensor(outside_ids, dtype=maps.dtype, device=maps.device))
