"""Adversarial losses: tensors in, tensors out; time, files and devices are the trainer's business.

Logits are those of the discriminator, above 0 for real. All losses are means over the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.gan.settings import RebuildSettings

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


def hinge_discriminator(real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]) -> Tensor:
    """Hinge loss of a discriminator of several heads: mean of relu(1 - D(x)) + relu(1 + D(G(z))).

    It is the mean over heads of the mean over images and places. StyleGAN-XL sums over the images of a batch part and
    over its feature networks; its adversarial terms are images times networks larger than these, so a weight beside
    them (as that of classifier guidance) means that much less there.

    Source: Lim and Ye 2017, "Geometric GAN", equation 19; Sauer et al. 2021, "Projected GANs converge faster",
    equation 4.

    Parameters
    ----------
    real_logits, fake_logits
        [n, k] of each head.
    """
    sides = (F.relu(1 - logits).mean() for logits in real_logits), (F.relu(1 + logits).mean() for logits in fake_logits)
    return torch.stack([real + fake for real, fake in zip(*sides, strict=True)]).mean()


def hinge_generator(fake_logits: Sequence[Tensor]) -> Tensor:
    """Loss of the generator that goes with it: minus the mean over heads of the mean logit."""
    return -torch.stack([logits.mean() for logits in fake_logits]).mean()


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


def rebuilding(
    rebuilt: Tensor, real: Tensor, mean: Tensor, log_variance: Tensor, settings: RebuildSettings, *, coarser: int = 1
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a variational autoencoder: squared difference of images, and how far latents are from standard normal.

    The negative evidence bound with Gaussian grey levels of standard deviation `settings.tolerance`, scaled so that
    the squared difference per pixel has the weight `settings.weight`.

    Source: Kingma and Welling 2014, "Auto-encoding variational Bayes", equation 10.

    Parameters
    ----------
    rebuilt, real
        [n, C, H, W].
    mean, log_variance
        Of the latents, [n, z_dim].
    settings
        Weight and tolerance.
    coarser
        Side of the squares of pixels that are averaged before images are compared.

    Returns
    -------
    loss, parts
        The weighted sum; and by name the mean squared difference and the divergence of latents in nats.
    """
    difference = F.avg_pool2d(rebuilt - real, coarser).square().mean()
    divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1).mean()
    share = 2 * settings.tolerance**2 / real[0].numel()
    loss = settings.weight * (difference + share * divergence)
    return loss, {"rebuilding": difference.detach(), "latent": divergence.detach()}


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
