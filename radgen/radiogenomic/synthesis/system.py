"""Training of the radiogenomic generator, as a system of the adversarial trainer.

Encoder and generator learn from all verdicts on what is drawn, the discriminator from codes without gradient (Xu et
al. 2019). Both take their step at once, from the same weights; Xu et al. step one after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from radgen.gan.sampling import from_grey
from radgen.imageset.prefetch import Batches
from radgen.radiogenomic.synthesis.batches import BACKGROUND, IMAGE, MASK, OTHER_IMAGE, OTHER_MASK
from radgen.radiogenomic.synthesis.losses import Real, background_loss, discriminator_loss, generator_loss
from radgen.radiogenomic.synthesis.networks import (
    Discriminator,
    RadiogenomicGenerator,
    RadiogenomicShape,
    Verdicts,
    draw_noise,
)
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings
from radgen.seeds import derive_seed
from radgen.training.adversarial import AdversarialTrainer, Losses, Player
from radgen.training.devices import autocast, place
from radgen.training.ema import move_average
from radgen.training.ranks import Ranks

BETAS = (0.5, 0.999)
RAMP_STEPS = 10  # early on the average keeps (1 + steps) / (RAMP_STEPS + steps) at most: the random start is forgotten


class RadiogenomicSystem:
    """Encoder with generator, discriminator, running average and their losses.

    Parameters
    ----------
    shape
        Sizes of the networks.
    settings
        Of the training, its precision chosen or auto.
    batches
        Of `PairedPatches`, or anything like it.
    profiles
        Standardised expression float32 [patients, genes], by the numbers that the batches give.
    device
        Where it runs.
    """

    def __init__(
        self,
        shape: RadiogenomicShape,
        settings: RadiogenomicSettings,
        batches: Batches,
        profiles: Tensor,
        device: torch.device,
    ) -> None:
        self.shape, self.settings = shape, settings
        self.reads = batches
        self._profiles, self._device = profiles.to(device), device
        torch.manual_seed(derive_seed("radiogenomic", settings.seed, "weights"))
        self.generator = RadiogenomicGenerator(shape)
        with torch.no_grad():
            self.generator.encoder.first.weight.mul_(settings.gene_start)
        self.discriminator = Discriminator(shape)
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        for network in (self.generator, self.discriminator, self.average):
            place(network, device)
        self._players = {
            "generator": _player(self.generator, settings.g_lr),
            "discriminator": _player(self.discriminator, settings.d_lr),
        }

    @property
    def players(self) -> Mapping[str, Player]:
        """See `System`."""
        return self._players

    @property
    def followers(self) -> Mapping[str, nn.Module]:
        """See `System`."""
        return {"average": self.average}

    def backward(self, seen_images: int, first_image: int, count: int, share: float) -> Losses:
        """See `System`."""
        settings = self.settings
        pixels, rows = self.reads.batch(first_image, count)
        real = from_grey(pixels.numpy(), self._device)
        background = real[:, BACKGROUND, None]
        noise, kept = self._draws(first_image, count)
        with autocast(self._device, settings.precision):
            codes = self.generator.encoder(self._profiles[rows.to(self._device)] * kept)
            drawn = self.generator.generator(codes, noise, background)
        # The judge sees leaves: the generator's graph is walked once, with the gradients of all its losses.
        leaves = [tensor.detach().requires_grad_() for tensor in (drawn.image, drawn.mask, codes)]
        image, mask, code = leaves
        with autocast(self._device, settings.precision):
            verdicts: Verdicts = self.discriminator(image, mask, code)
            judged, parts = discriminator_loss(
                self.discriminator,
                verdicts,
                Real(*(real[:, number, None] for number in (IMAGE, MASK, OTHER_IMAGE, OTHER_MASK))),
                code.detach(),
                settings,
            )
        convince = generator_loss(verdicts, settings)
        keep = background_loss(image, mask, background, settings.erode_px)
        slopes = torch.autograd.grad(convince + settings.c_bg * keep, leaves, retain_graph=True)
        (share * judged).backward(inputs=list(self.discriminator.parameters()))  # type: ignore[no-untyped-call]
        torch.autograd.backward((drawn.image, drawn.mask, codes), [share * slope for slope in slopes])
        return {"generator": convince.detach(), "background": keep.detach(), **parts}

    def _draws(self, first_image: int, count: int) -> tuple[Tensor, Tensor]:
        """Return noise [n, g_ls], and a factor for each gene [n, genes]: 0 where it is hidden."""
        seeds = [derive_seed("radiogenomic noise", self.settings.seed, first_image + i) for i in range(count)]
        share = self.settings.gene_dropout
        factors = torch.ones(count, self.shape.genes)
        if share > 0:
            hidden = [
                torch.rand(self.shape.genes, generator=torch.Generator().manual_seed(seed + 1)) < share
                for seed in seeds
            ]
            factors = (~torch.stack(hidden)).float() / (1 - share)
        return draw_noise(self.shape, seeds).to(self._device), factors.to(self._device)

    def follow(self, seen_images: int, _losses: Mapping[str, float]) -> None:
        """See `System`."""
        steps = seen_images // self.settings.bs
        move_average(self.average, self.generator, min(self.settings.ema, (1 + steps) / (RAMP_STEPS + steps)))


def _player(network: nn.Module, rate: float) -> Player:
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS, fused=True)
    return Player(network, optimiser, lambda _seen_images: rate)


def radiogenomic_trainer(
    shape: RadiogenomicShape,
    settings: RadiogenomicSettings,
    batches: Batches,
    profiles: Tensor,
    device: torch.device,
    *,
    ranks: Ranks | None = None,
) -> AdversarialTrainer[RadiogenomicSystem]:
    """Build the networks and the trainer that moves them."""
    return AdversarialTrainer(
        RadiogenomicSystem(shape, settings, batches, profiles, device),
        batch_size=settings.bs,
        part_size=settings.part_size or settings.bs,
        ranks=ranks,
    )
