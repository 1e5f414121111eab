"""Losses of "Correlation via synthesis": least squares over four kinds of pairs, and the background's own.

All are means over images of what each image gives, so that parts of a batch sum to the whole.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.radiogenomic.synthesis.networks import Discriminator, Verdicts
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings

PAIRS = 4


class Real(NamedTuple):
    """A patient's image and mask, and another patient's; each [n, 1, H, W] in [-1, 1]."""

    image: Tensor
    mask: Tensor
    other_image: Tensor
    other_mask: Tensor


def squares(verdicts: Tensor, target: float) -> Tensor:
    """Return the mean squared distance of verdicts [n] from a target (Mao et al. 2017, LSGAN, equation 9)."""
    return (verdicts - target).square().mean()


def generator_loss(verdicts: Verdicts, settings: RadiogenomicSettings) -> Tensor:
    """Return how far the discriminator is from taking drawn images for real."""
    weights = (settings.c_i, settings.c_is, settings.c_isc)
    return torch.stack([w * squares(v, 1.0) for w, v in zip(weights, verdicts, strict=True)]).sum()


def discriminator_loss(
    discriminator: Discriminator,
    drawn: Verdicts,
    real: Real,
    codes: Tensor,
    settings: RadiogenomicSettings,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the discriminator's loss over the four kinds of pairs.

    ===================================== ===== ============ ====================
    pair                                  image image, mask  image, mask and code
    ===================================== ===== ============ ====================
    the patient's image and mask          1     1            1
    another patient's image and mask      1     1            0
    the patient's image, another's mask   1     0            0
    a drawn image and mask                0     0            0
    ===================================== ===== ============ ====================

    Parameters
    ----------
    discriminator
        Which judges.
    drawn
        Its verdicts on what was drawn.
    real
        Of the patients, and of others.
    codes
        Of the patient, without gradient.
    settings
        Weights.

    Returns
    -------
    loss, parts
        Means over the four pairs; the parts by verdict, detached and without weights.
    """
    count = len(codes)
    own_image, other_image = discriminator.judge_images(torch.cat([real.image, real.other_image])).view(2, count)
    images = torch.cat([real.image, real.other_image, real.image])
    masks = torch.cat([real.mask, real.other_mask, real.other_mask])
    pair, match = discriminator.judge_pairs(images, masks, codes.repeat(3, 1))
    own_pair, other_pair, torn_pair = pair.view(3, count)
    own_match, other_match, torn_match = match.view(3, count)
    # The image of the third pair is that of the first.
    image_loss = 2 * squares(own_image, 1) + squares(other_image, 1) + squares(drawn.image, 0)
    pair_loss = squares(own_pair, 1) + squares(other_pair, 1) + squares(torn_pair, 0) + squares(drawn.pair, 0)
    match_loss = squares(own_match, 1) + squares(other_match, 0) + squares(torn_match, 0) + squares(drawn.match, 0)
    parts = {"image": image_loss / PAIRS, "pair": pair_loss / PAIRS, "match": match_loss / PAIRS}
    loss = settings.c_i * parts["image"] + settings.c_is * parts["pair"] + settings.c_isc * parts["match"]
    return loss, {name: value.detach() for name, value in parts.items()}


def outside(masks: Tensor, erode_px: int) -> Tensor:
    """Return where an image must be its background: outside the mask, and not within reach of it.

    Parameters
    ----------
    masks
        [n, 1, H, W] in [-1, 1]; outside is below 0.
    erode_px
        Odd side of the square by which the outside is eroded; 1 for no erosion.

    Returns
    -------
    Tensor
        float32 of the same shape, 0 or 1.
    """
    inside = (masks.detach() >= 0).float()
    reach = erode_px // 2
    # By rows, then by columns: the square is the same.
    near = F.max_pool2d(F.max_pool2d(inside, (erode_px, 1), 1, (reach, 0)), (1, erode_px), 1, (0, reach))
    return 1 - near


def background_loss(images: Tensor, masks: Tensor, background: Tensor, erode_px: int) -> Tensor:
    """Return the mean absolute difference of images and backgrounds [n, 1, H, W] over the region `outside` gives."""
    region = outside(masks, erode_px)
    difference = (images - background).abs() * region
    sums, areas = difference.sum(dim=(1, 2, 3)), region.sum(dim=(1, 2, 3))
    return (sums / areas.clamp(min=1)).mean()
