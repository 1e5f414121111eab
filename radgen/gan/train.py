"""One step of training, and all the state it changes.

The discriminator's trunk also reads a latent off each real image, from which the generator rebuilds it. For the first
images that is all they learn, as a variational autoencoder; then the adversarial game begins with a generator that
knows the anatomy and its variety, and rebuilding goes on at a coarser scale, so that no kind of image is dropped.

Source: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", for joining the two.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.gan.augment import augment
from radgen.gan.discriminator import Discriminator
from radgen.gan.generator import Generator, GeneratorShape
from radgen.gan.losses import LOSSES, gradient_penalty, rebuilding
from radgen.gan.sampling import from_grey
from radgen.gan.settings import GanSettings
from radgen.imageset.torch import RowBatches
from radgen.seeds import derive_seed
from radgen.training.devices import autocast, place
from radgen.training.ema import ema_decay, move_average

Guide = Callable[[Tensor], Tensor]
Losses = dict[str, Tensor]


class GanTrainer:
    """Generator, discriminator, running average and both optimisers, moved one batch at a time.

    A step is a function of this state, the data and the number of images seen: resumed training is the same training.

    Parameters
    ----------
    shape
        Of the generator; the discriminator takes resolution, image channels, classes and latent from it.
    settings
        Of the training.
    batches
        Real images.
    device
        Where it runs.
    guide
        Class logits [n, classes] of images [n, C, H, W] in [-1, 1]: a frozen classifier that generated images must
        convince of their class (StyleGAN-XL's classifier guidance, by the domain's own encoder); None for none.
    """

    def __init__(
        self,
        shape: GeneratorShape,
        settings: GanSettings,
        batches: RowBatches,
        device: torch.device,
        guide: Guide | None = None,
    ) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self._batches = batches
        self._device = device
        self._guide = guide if settings.guidance > 0 else None
        torch.manual_seed(derive_seed("gan", settings.seed, "weights"))
        self.generator = Generator(shape)
        self.discriminator = Discriminator(shape, settings.discriminator_channels)
        place(self.generator, device)
        place(self.discriminator, device)
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        betas = (settings.beta1, settings.beta2)
        self._optimisers = {
            name: torch.optim.Adam(network.parameters(), settings.learning_rate, betas=betas, fused=True)
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }
        self._loss = LOSSES[settings.loss]

    def step(self, seen_images: int) -> dict[str, float]:
        """Show one batch of real images, the first of them being image number `seen_images`.

        Returns
        -------
        dict
            Losses by phase: rebuilding and latent, then also discriminator, generator, penalty in the steps that
            compute one, and guidance where there is.
        """
        random = torch.Generator().manual_seed(derive_seed("gan", self.settings.seed, "step", seen_images))
        real, class_ids = self._real(seen_images, random)
        for optimiser in self._optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        z = self._normal(self.generator.shape.z_dim, random)
        if seen_images < self.settings.rebuild.alone_images:
            losses = self._rebuild(real, class_ids, random)
        else:
            losses = self._play(real, class_ids, z, random, penalised=self._is_penalised(seen_images))
        for optimiser in self._optimisers.values():
            optimiser.step()
        self._move_average(seen_images, z, class_ids)
        values = torch.stack(list(losses.values())).tolist()
        return dict(zip(losses, values, strict=True))

    def _real(self, seen_images: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        grey, class_ids = self._batches.batch(seen_images, self.batch_size)
        real = from_grey(grey.numpy(), self._device)
        if self.settings.mirror:
            flipped = (torch.rand(len(real), 1, 1, 1, generator=random) < 0.5).to(self._device)
            real = torch.where(flipped, real.flip(3), real)
        return real, class_ids.to(self._device)

    def _normal(self, length: int, random: torch.Generator) -> Tensor:
        # Drawn on the CPU: the same numbers on every device.
        return torch.randn(self.batch_size, length, generator=random).to(self._device)

    def _is_penalised(self, seen_images: int) -> bool:
        return (seen_images // self.batch_size) % self.settings.penalty_every == 0

    def _read(self, trunk: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw a latent of each real image; return it, and mean and log variance of what it was drawn from."""
        mean, log_variance = self.discriminator.read(trunk)
        spread = (0.5 * log_variance).exp()
        return mean + spread * self._normal(mean.shape[1], random), mean, log_variance

    def _rebuild(self, real: Tensor, class_ids: Tensor, random: torch.Generator) -> Losses:
        """Learn to rebuild real images, pixel by pixel."""
        with autocast(self._device, self.settings.precision):
            trunk = self.discriminator.trunk(augment(real, self.settings.augment, random))
        latent, mean, log_variance = self._read(trunk, random)
        with autocast(self._device, self.settings.precision):
            rebuilt = self.generator(latent, class_ids, self._normal(self.generator.noise_length, random))
        loss, losses = rebuilding(rebuilt, real, mean, log_variance, self.settings.rebuild)
        loss.backward()  # type: ignore[no-untyped-call]
        return losses

    def _play(self, real: Tensor, class_ids: Tensor, z: Tensor, random: torch.Generator, *, penalised: bool) -> Losses:
        """Play the adversarial game and rebuild; both networks' gradients are taken at the same weights."""
        count = len(real)
        shown = augment(real, self.settings.augment, random).requires_grad_(penalised)
        with autocast(self._device, self.settings.precision):
            trunk = self.discriminator.trunk(shown)
        latent, mean, log_variance = self._read(trunk, random)
        noise = torch.cat([self._normal(self.generator.noise_length, random) for _ in range(2)])
        with autocast(self._device, self.settings.precision):
            made = self.generator(torch.cat([latent, z]), class_ids.repeat(2), noise)
        # The generator's graph is walked once, for both of its tasks: from the leaf the gradient is carried over.
        fake = made[count:].detach().requires_grad_()
        real_logits = self.discriminator.judge(trunk, class_ids)
        shown_fake = augment(fake, self.settings.augment, random)
        with autocast(self._device, self.settings.precision):
            fake_logits = self.discriminator(shown_fake, class_ids)
        slope, losses = self._convince(fake, real_logits.detach(), fake_logits, class_ids)
        loss, rebuilt = rebuilding(
            made[:count], real, mean, log_variance, self.settings.rebuild, coarser=self.settings.rebuild.coarser
        )
        loss = loss + self._tell_apart(shown, shown_fake, real_logits, fake_logits, losses, penalised=penalised)
        torch.autograd.backward([loss, made[count:]], [None, slope])
        return losses | rebuilt

    def _convince(
        self, fake: Tensor, real_logits: Tensor, fake_logits: Tensor, class_ids: Tensor
    ) -> tuple[Tensor, Losses]:
        """Return the gradient of the generator's loss in the generated images, and the loss by part."""
        loss = self._loss.generator(real_logits, fake_logits)
        losses = {"generator": loss.detach()}
        if self._guide is not None:
            guidance = F.cross_entropy(self._guide(fake), class_ids)
            losses["guidance"] = guidance.detach()
            loss = loss + self.settings.guidance * guidance
        (slope,) = torch.autograd.grad(loss, fake, retain_graph=True)
        return slope, losses

    def _tell_apart(
        self, real: Tensor, fake: Tensor, real_logits: Tensor, fake_logits: Tensor, losses: Losses, *, penalised: bool
    ) -> Tensor:
        """Return the discriminator's loss with its penalties, and note the parts."""
        loss = self._loss.discriminator(real_logits, fake_logits)
        losses["discriminator"] = loss.detach()
        if penalised:
            penalty = gradient_penalty(real_logits, real)
            if self._loss.penalise_fake:
                penalty = penalty + gradient_penalty(fake_logits, fake)
            losses["penalty"] = penalty.detach()
            loss = loss + self.settings.gamma / 2 * self.settings.penalty_every * penalty
        return loss

    def _move_average(self, seen_images: int, z: Tensor, class_ids: Tensor) -> None:
        decay = ema_decay(
            seen_images=seen_images,
            batch_size=self.batch_size,
            half_life_images=self.settings.ema_half_life_images,
            rampup=self.settings.ema_rampup,
        )
        move_average(self.average, self.generator, decay)
        # The published network is the average, so its own styles make the class averages.
        with torch.no_grad():
            self.average.mapping.track(self.average.mapping(z, class_ids), class_ids)

    def state(self) -> dict[str, Any]:
        """Return everything a step changes, as tensors and plain dicts."""
        networks = {name: network.state_dict() for name, network in self._networks().items()}
        return networks | {f"{name}_optimiser": item.state_dict() for name, item in self._optimisers.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        for name, network in self._networks().items():
            network.load_state_dict(state[name])
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(state[f"{name}_optimiser"])

    def _networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
