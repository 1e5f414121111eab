"""One step of adversarial training, and all the state it changes."""

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
from radgen.gan.losses import LOSSES, gradient_penalty
from radgen.gan.sampling import from_grey
from radgen.gan.settings import GanSettings
from radgen.imageset.torch import RowBatches
from radgen.seeds import derive_seed
from radgen.training.devices import autocast, place
from radgen.training.ema import ema_decay, move_average

Guide = Callable[[Tensor], Tensor]


class GanTrainer:
    """Generator, discriminator, running average and both optimisers, moved one batch at a time.

    A step is a function of this state, the data and the number of images seen: resumed training is the same training.

    Parameters
    ----------
    shape
        Of the generator; the discriminator takes resolution, image channels and classes from it.
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
        self.discriminator = Discriminator(
            shape.resolution, shape.image_channels, shape.classes, settings.discriminator_channels
        )
        place(self.generator, device)
        place(self.discriminator, device)
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        self._optimisers = {
            name: torch.optim.Adam(
                network.parameters(), settings.learning_rate, betas=(0.0, settings.beta2), eps=1e-8, fused=True
            )
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }
        self._loss = LOSSES[settings.loss]

    def step(self, seen_images: int) -> dict[str, float]:
        """Show one batch of real images, the first of them being image number `seen_images`.

        Returns
        -------
        dict
            Losses by phase: discriminator, generator, penalty in the steps that compute one, guidance where there is.
        """
        random = torch.Generator().manual_seed(derive_seed("gan", self.settings.seed, "step", seen_images))
        grey, class_ids = self._batches.batch(seen_images, self.batch_size)
        class_ids = class_ids.to(self._device)
        real = from_grey(grey.numpy(), self._device)
        if self.settings.mirror:
            flipped = (torch.rand(len(real), 1, 1, 1, generator=random) < 0.5).to(self._device)
            real = torch.where(flipped, real.flip(3), real)
        z, noise = self._latents(random)
        self.generator.requires_grad_(requires_grad=True)
        with autocast(self._device, self.settings.precision):
            fake = self.generator(z, class_ids, noise)
        losses = self._move_discriminator(seen_images, real, fake.detach(), class_ids, random)
        losses |= self._move_generator(real, fake, class_ids, random)
        self._move_average(seen_images, z, class_ids)
        values = torch.stack(list(losses.values())).tolist()
        return dict(zip(losses, values, strict=True))

    def _latents(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        z = torch.randn(self.batch_size, self.generator.shape.z_dim, generator=random)
        noise = torch.randn(self.batch_size, self.generator.noise_length, generator=random)
        return z.to(self._device), noise.to(self._device)

    def _move_discriminator(
        self, seen_images: int, real: Tensor, fake: Tensor, class_ids: Tensor, random: torch.Generator
    ) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(requires_grad=True)
        penalised = (seen_images // self.batch_size) % self.settings.penalty_every == 0
        real = augment(real, self.settings.augment, random).requires_grad_(penalised)
        fake = augment(fake, self.settings.augment, random).requires_grad_(penalised and self._loss.penalise_fake)
        with autocast(self._device, self.settings.precision):
            real_logits = self.discriminator(real, class_ids)
            fake_logits = self.discriminator(fake, class_ids)
        loss = self._loss.discriminator(real_logits, fake_logits)
        found = {"discriminator": loss.detach()}
        if penalised:
            penalty = gradient_penalty(real_logits, real)
            if self._loss.penalise_fake:
                penalty = penalty + gradient_penalty(fake_logits, fake)
            found["penalty"] = penalty.detach()
            loss = loss + self.settings.gamma / 2 * self.settings.penalty_every * penalty
        self._update("discriminator", loss)
        return found

    def _move_generator(
        self, real: Tensor, fake: Tensor, class_ids: Tensor, random: torch.Generator
    ) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(requires_grad=False)
        fake = augment(fake, self.settings.augment, random)
        real_logits = torch.zeros(len(real), device=self._device)
        with autocast(self._device, self.settings.precision):
            fake_logits = self.discriminator(fake, class_ids)
            if self._loss.generator_sees_real:
                with torch.no_grad():
                    real_logits = self.discriminator(augment(real, self.settings.augment, random), class_ids)
        loss = self._loss.generator(real_logits, fake_logits)
        found = {"generator": loss.detach()}
        if self._guide is not None:
            guidance = F.cross_entropy(self._guide(fake), class_ids)
            found["guidance"] = guidance.detach()
            loss = loss + self.settings.guidance * guidance
        self._update("generator", loss)
        return found

    def _update(self, name: str, loss: Tensor) -> None:
        optimiser = self._optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

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
