"""Adversarial losses: tensors in, tensors out; time, files and devices are the trainer's business.

Logits are those of the discriminator, above 0 for real. All losses are means over the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LossFunction = Callable[[Tensor, Tensor], Tensor]


def nonsaturating_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss of the discriminator: mean of softplus(-D(x)) + softplus(D(G(z))).

    Source: Goodfellow et al. 2014, "Generative adversarial nets", equation 1.
    """
    return (F.softplus(-real_logits) + F.softplus(fake_logits)).mean()


def nonsaturating_generator(_real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss of the generator that does not saturate: mean of softplus(-D(G(z)))."""
    return F.softplus(-fake_logits).mean()


def relativistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Paired loss of the discriminator: mean of softplus(-(D(x) - D(G(z)))), image by image.

    Source: Jolicoeur-Martineau 2019, "The relativistic discriminator"; Huang et al. 2024, "The GAN is dead; long live
    the GAN!", equation 2.
    """
    return F.softplus(fake_logits - real_logits).mean()


def relativistic_generator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Paired loss of the generator: mean of softplus(-(D(G(z)) - D(x))), image by image."""
    return F.softplus(real_logits - fake_logits).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Mean over images of the squared length of the discriminator's gradient.

    On real images it is R1, on generated ones R2; the loss takes gamma / 2 times it.

    Source: Mescheder et al. 2018, "Which training methods for GANs do actually converge?", equation 9.

    Parameters
    ----------
    logits
        [n], computed from `images`.
    images
        [n, C, H, W], requiring a gradient.
    """
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slope.float().square().sum(dim=(1, 2, 3)).mean()


class Loss(NamedTuple):
    """The two sides of an adversarial loss, and what else they look at.

    Attributes
    ----------
    discriminator, generator
        Functions of real and fake logits.
    generator_sees_real
        Whether the generator's side uses the real logits.
    penalise_fake
        Whether the gradient penalty falls on generated images too.
    """

    discriminator: LossFunction
    generator: LossFunction
    generator_sees_real: bool
    penalise_fake: bool


LOSSES = {
    "nonsaturating": Loss(
        nonsaturating_discriminator, nonsaturating_generator, generator_sees_real=False, penalise_fake=False
    ),
    "relativistic": Loss(
        relativistic_discriminator, relativistic_generator, generator_sees_real=True, penalise_fake=True
    ),
}
