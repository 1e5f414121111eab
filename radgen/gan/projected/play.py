"""The projected discriminator's game: hinge losses on maps of a frozen network, inputs blurred at first.

Source: Sauer et al. 2021, "Projected GANs converge faster"; Sauer et al. 2022, "StyleGAN-XL" (blur, guidance).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from radgen.gan.augment import augment
from radgen.gan.kinds import ImageGenerator
from radgen.gan.part import Part
from radgen.gan.projected.blur import blur, blur_sigma_px
from radgen.gan.projected.discriminator import ProjectedDiscriminator
from radgen.gan.projected.game import meet
from radgen.gan.residual_game import Guide
from radgen.gan.settings import GanSettings
from radgen.gan.variety import Variety
from radgen.training.adversarial import Losses
from radgen.training.devices import autocast


class ProjectedGame:
    """Losses of a generator and the projected discriminator, and their gradients.

    Parameters
    ----------
    discriminator
        The opponent.
    settings
        Of the training.
    guide
        Class logits [n, classes] of images [n, C, H, W] in [-1, 1], or None.
    resolution
        Height and width of the images in pixels.
    """

    def __init__(
        self, discriminator: ProjectedDiscriminator, settings: GanSettings, guide: Guide | None, *, resolution: int
    ) -> None:
        self.discriminator = discriminator
        self._settings = settings
        self._guide = guide
        self.variety = Variety(resolution)

    @property
    def followers(self) -> Mapping[str, nn.Module]:
        """What is remembered of distances between real images."""
        return {"variety": self.variety}

    def follow(self, losses: Mapping[str, float]) -> None:
        """Remember how far apart the real images of a step were."""
        self.variety.remember(losses, self._settings.batch_size)

    def backward(self, generator: ImageGenerator, part: Part, share: float) -> Losses:
        """Add the gradients of one part, times `share`; return losses by phase."""
        settings, device = self._settings, part.real.device
        projected = settings.projected
        sigma_px = blur_sigma_px(part.seen_images, start_px=projected.blur_sigma_px, images=projected.blur_images)
        with autocast(device, settings.precision):
            made = generator(part.normal(generator.shape.z_dim), part.class_ids, part.normal(generator.noise_length))
        fake = made.detach().requires_grad_()
        shown_real = blur(augment(part.real, settings.augment, part.random), sigma_px)
        shown_fake = blur(augment(fake, settings.augment, part.random), sigma_px)
        with autocast(device, settings.precision):
            meeting = meet(self.discriminator, shown_real, shown_fake, part.class_ids, fake)
        losses = {"discriminator": meeting.discriminator.detach(), "generator": meeting.generator}
        slope = meeting.slope
        if settings.variety > 0:
            losses |= self.variety.noted(part.real, part.class_ids)
            lacking = self.variety.lacking(fake, part.class_ids)
            losses["variety"] = lacking.detach()
            slope = slope + settings.variety * torch.autograd.grad(lacking, fake)[0]
        if self._guide is not None:
            guidance = F.cross_entropy(self._guide(fake), part.class_ids)
            losses["guidance"] = guidance.detach()
            slope = slope + settings.guidance * torch.autograd.grad(guidance, fake)[0]
        learning = [parameter for parameter in self.discriminator.parameters() if parameter.requires_grad]
        torch.autograd.backward(share * meeting.discriminator, inputs=learning)
        torch.autograd.backward(made, share * slope.to(made.dtype))
        return losses
