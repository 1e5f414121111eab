"""The residual discriminator's game: rebuilding at first, then adversarial losses with gradient penalties.

The discriminator's trunk also reads a latent off each real image, from which the generator rebuilds it. For the first
images that is all they learn, as a variational autoencoder; then the adversarial game begins with a generator that
knows the anatomy and its variety, and rebuilding goes on at a coarser scale, so that no kind of image is dropped.

Source: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", for joining the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.gan.adaptive import Adaptive, sureness
from radgen.gan.augment import augment
from radgen.gan.discriminator import Discriminator
from radgen.gan.kinds import ImageGenerator
from radgen.gan.losses import LOSSES, gradient_penalty, rebuilding
from radgen.gan.part import Part
from radgen.gan.settings import GanSettings
from radgen.gan.variety import Variety
from radgen.training.adversarial import Losses
from radgen.training.devices import autocast

Guide = Callable[[Tensor], Tensor]


class ResidualGame:
    """Losses of a generator and the residual discriminator, and their gradients.

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
        self, discriminator: Discriminator, settings: GanSettings, guide: Guide | None, *, resolution: int
    ) -> None:
        self.discriminator = discriminator
        self._settings = settings
        self._guide = guide
        self._loss = LOSSES[settings.loss]
        self.adaptive = Adaptive(settings.augment)
        self.variety = Variety(resolution)

    @property
    def followers(self) -> Mapping[str, nn.Module]:
        """What is remembered of the discriminator's verdicts, and of distances between real images."""
        return {"adaptive": self.adaptive, "variety": self.variety}

    def follow(self, losses: Mapping[str, float]) -> None:
        """Adapt the changes to the batch just played, and remember how far apart its real images were."""
        self.variety.remember(losses, self._settings.batch_size)
        if "sureness" in losses:
            self.adaptive.adapt(losses["sureness"], batch_size=self._settings.batch_size)

    def backward(self, generator: ImageGenerator, part: Part, share: float) -> Losses:
        """Add the gradients of one part, times `share`; return losses by phase."""
        if part.seen_images < self._settings.rebuild.alone_images:
            return self._rebuild(generator, part, share)
        return self._play(generator, part, share)

    def _read(self, trunk: Tensor, part: Part) -> tuple[Tensor, Tensor, Tensor]:
        """Draw a latent of each real image; return it, and mean and log variance of what it was drawn from."""
        mean, log_variance = self.discriminator.read(trunk)
        spread = (0.5 * log_variance).exp()
        return mean + spread * part.normal(mean.shape[1]), mean, log_variance

    def _rebuild(self, generator: ImageGenerator, part: Part, share: float) -> Losses:
        """Learn to rebuild real images, pixel by pixel."""
        device, precision = part.real.device, self._settings.precision
        with autocast(device, precision):
            trunk = self.discriminator.trunk(augment(part.real, self.adaptive.now(), part.random))
        latent, mean, log_variance = self._read(trunk, part)
        with autocast(device, precision):
            rebuilt = generator(latent, part.class_ids, part.normal(generator.noise_length))
        loss, losses = rebuilding(rebuilt, part.real, mean, log_variance, self._settings.rebuild)
        (share * loss).backward()  # type: ignore[no-untyped-call]
        return losses

    def _play(self, generator: ImageGenerator, part: Part, share: float) -> Losses:
        """Play the adversarial game and rebuild; both networks' gradients are taken at the same weights."""
        settings, device, count = self._settings, part.real.device, len(part.real)
        penalised, changes = part.step % settings.penalty_every == 0, self.adaptive.now()
        shown = augment(part.real, changes, part.random).requires_grad_(penalised)
        with autocast(device, settings.precision):
            trunk = self.discriminator.trunk(shown)
        latent, mean, log_variance = self._read(trunk, part)
        z = part.normal(latent.shape[1])
        noise = torch.cat([part.normal(generator.noise_length) for _ in range(2)])
        with autocast(device, settings.precision):
            made = generator(torch.cat([latent, z]), part.class_ids.repeat(2), noise)
        # The generator's graph is walked once, for both of its tasks: from the leaf the gradient is carried over.
        fake = made[count:].detach().requires_grad_()
        real_logits = self.discriminator.judge(trunk, part.class_ids)
        shown_fake = augment(fake, changes, part.random)
        with autocast(device, settings.precision):
            fake_logits = self.discriminator(shown_fake, part.class_ids)
        slope, losses = self._convince(fake, real_logits.detach(), fake_logits, part.class_ids)
        if settings.variety > 0:
            losses |= self.variety.noted(part.real, part.class_ids)
        loss, rebuilt = rebuilding(
            made[:count], part.real, mean, log_variance, settings.rebuild, coarser=settings.rebuild.coarser
        )
        loss = loss + self._tell_apart(shown, shown_fake, real_logits, fake_logits, losses, penalised=penalised)
        torch.autograd.backward([share * loss, made[count:]], [None, share * slope])
        return losses | rebuilt

    def _convince(
        self, fake: Tensor, real_logits: Tensor, fake_logits: Tensor, class_ids: Tensor
    ) -> tuple[Tensor, Losses]:
        """Return the gradient of the generator's loss in the generated images, and the loss by part."""
        loss = self._loss.generator(real_logits, fake_logits)
        losses = {"generator": loss.detach()}
        if self._settings.variety > 0:
            lacking = self.variety.lacking(fake, class_ids)
            losses["variety"] = lacking.detach()
            loss = loss + self._settings.variety * lacking
        if self._guide is not None:
            guidance = F.cross_entropy(self._guide(fake), class_ids)
            losses["guidance"] = guidance.detach()
            loss = loss + self._settings.guidance * guidance
        (slope,) = torch.autograd.grad(loss, fake, retain_graph=True)
        return slope, losses

    def _tell_apart(
        self, real: Tensor, fake: Tensor, real_logits: Tensor, fake_logits: Tensor, losses: Losses, *, penalised: bool
    ) -> Tensor:
        """Return the discriminator's loss with its penalties, and note the parts."""
        settings = self._settings
        loss = self._loss.discriminator(real_logits, fake_logits)
        losses["discriminator"] = loss.detach()
        losses["sureness"] = sureness(real_logits, fake_logits, relative=self._loss.generator_sees_real)
        if penalised:
            penalty = gradient_penalty(real_logits, real)
            if self._loss.penalise_fake:
                penalty = penalty + gradient_penalty(fake_logits, fake)
            losses["penalty"] = penalty.detach()
            loss = loss + settings.gamma / 2 * settings.penalty_every * penalty
        return loss
