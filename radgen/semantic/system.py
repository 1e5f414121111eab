"""Training of semantic synthesis, paired (OASIS) or unpaired (USIS), as a system of the adversarial trainer.

Every draw is seeded by the number of the image it belongs to, and balancing looks at the maps of the whole step: parts
of a batch, in one process or several, give the sums of the whole.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radgen.gan.losses import gradient_penalty
from radgen.imageset.prefetch import Batches
from radgen.seeds import derive_seed
from radgen.semantic.generator import SemanticGenerator, SemanticShape, draw_noise
from radgen.semantic.judges import PixelJudge, WaveletJudge
from radgen.semantic.layers import advance_norms
from radgen.semantic.losses import (
    balanced_entropy,
    body_of,
    generated_entropy,
    label_mask,
    label_mix,
    label_weights,
    likeness,
    mask_loss,
)
from radgen.semantic.settings import SemanticSettings
from radgen.training.adversarial import AdversarialTrainer, Losses, Player
from radgen.training.devices import autocast, place
from radgen.training.ema import ema_decay, move_average
from radgen.training.ranks import Ranks


@dataclass(frozen=True)
class _Part:
    """Some maps of one step with their noise, images beside them, and what labels count in the whole step."""

    maps: Tensor
    noise: Tensor
    real: Tensor
    weights: Tensor
    first_image: int
    step: int


class SemanticSystem:
    """A generator, its judges and their losses.

    Parameters
    ----------
    shape
        Sides, channels, labels and sizes of the networks.
    settings
        Of the training.
    batches
        Maps int64 [n, H, W] and images float32 [n, C, H, W] of a position: `PairBatches` in the paired mode,
        `UnpairedBatches` in the unpaired one.
    device
        Where it runs.
    """

    def __init__(
        self, shape: SemanticShape, settings: SemanticSettings, batches: Batches, device: torch.device
    ) -> None:
        self.shape, self.settings = shape, settings
        self.reads: Batches = batches  # or something that reads them ahead
        self._batches, self._device = batches, device
        torch.manual_seed(derive_seed("semantic", settings.seed, "weights"))
        self.generator = SemanticGenerator(shape)
        self.segmenter = PixelJudge(shape, free=settings.mode == "paired")
        self.discriminator = WaveletJudge(shape) if settings.mode == "unpaired" else None
        self.average = copy.deepcopy(self.generator).requires_grad_(requires_grad=False)
        for network in (self.generator, self.segmenter, self.discriminator, self.average):
            if network is not None:
                place(network, device)
        self._players = {
            "generator": self._player(self.generator, settings.generator_rate),
            "segmenter": self._player(self.segmenter, settings.segmenter_rate),
        }
        if self.discriminator is not None:
            self._players["discriminator"] = self._player(self.discriminator, settings.discriminator_rate)

    def _player(self, network: nn.Module, rate: float) -> Player:
        betas = (self.settings.beta1, self.settings.beta2)
        optimiser = torch.optim.Adam(network.parameters(), lr=rate, betas=betas, fused=True)
        return Player(network, optimiser, lambda _seen: rate)

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
        part = self._part(seen_images, first_image, count)
        cast = partial(autocast, self._device, self.settings.precision)
        with cast():
            made = self.generator(part.maps, part.noise)
        # Judges see a leaf: the generator's graph is walked once, with the gradient of all its losses.
        fake = made.detach().requires_grad_()
        with cast():
            slope, losses = self._unpaired(fake, part, share) if self.discriminator else self._paired(fake, part, share)
        slope = slope + self._vary(fake, slope, part, losses) + self._mask(fake, part, losses)
        torch.autograd.backward(made, share * slope)
        return losses

    def follow(self, seen_images: int, _losses: Mapping[str, float]) -> None:
        """See `System`."""
        settings = self.settings
        decay = ema_decay(
            seen_images=seen_images,
            batch_size=settings.batch_size,
            half_life_images=settings.ema_half_life_images,
            rampup=settings.ema_rampup,
        )
        move_average(self.average, self.generator, decay)
        for network in (self.generator, self.segmenter, self.average):
            advance_norms(network)

    def _part(self, seen_images: int, first_image: int, count: int) -> _Part:
        batch = self.settings.batch_size
        maps, real = self.reads.batch(first_image, count)
        step_maps = maps if count == batch else self._batches.batch(seen_images, batch)[0]
        return _Part(
            maps=maps.to(self._device),
            noise=self._noise("semantic noise", first_image, count),
            real=real.to(self._device),
            weights=label_weights(step_maps, self.shape.labels, self.settings.balance_power).to(self._device),
            first_image=first_image,
            step=seen_images // batch,
        )

    def _paired(self, fake: Tensor, part: _Part, share: float) -> tuple[Tensor, Losses]:
        """Play OASIS (equations 1 to 4); return the generator's gradient in its images."""
        weights, count = part.weights, len(fake)
        # Apart from the others: the generator's gradient is walked back through these alone.
        fake_logits = self.segmenter(fake)
        others = [part.real]
        if self.settings.label_mix > 0:
            mask = label_mask(part.maps, self.shape.labels, self._coins(part))
            others.append(mask * part.real + (1 - mask) * fake.detach())
        real_logits, *mixed = self.segmenter(torch.cat(others)).split(count)
        convince = balanced_entropy(fake_logits, part.maps, weights)
        (slope,) = torch.autograd.grad(convince, fake, retain_graph=True)
        real = balanced_entropy(real_logits, part.maps, weights)
        losses = {"generator": convince.detach(), "real": real.detach()}
        loss = real
        if self.settings.generated_label:
            generated = generated_entropy(fake_logits)
            losses["fake"] = generated.detach()
            loss = loss + generated
        if self.settings.label_mix > 0:
            mixing = label_mix(mixed[0], real_logits, fake_logits, mask)
            losses["label_mix"] = mixing.detach()
            loss = loss + self.settings.label_mix * mixing
        _learn(share * loss, self.segmenter)
        return slope, losses

    def _unpaired(self, fake: Tensor, part: _Part, share: float) -> tuple[Tensor, Losses]:
        """Play USIS (section 5.1): the segmenter helps the generator, the discriminator opposes it."""
        settings, discriminator = self.settings, self.discriminator
        assert discriminator is not None  # noqa: S101 - of this mode
        named = balanced_entropy(self.segmenter(fake), part.maps, part.weights)
        # One walk back gives the helper's gradient in its weights and in the images.
        (share * named).backward(inputs=[fake, *self.segmenter.parameters()])  # type: ignore[no-untyped-call]
        slope = settings.segmentation / share * _taken(fake)
        losses = {"segmentation": named.detach()}
        penalised = settings.penalty > 0 and part.step % settings.penalty_every == 0
        sides = fake, part.real.requires_grad_(penalised)
        if penalised:  # real images alone are walked twice
            fake_logits, real_logits = map(discriminator, sides)
        else:
            fake_logits, real_logits = discriminator(torch.cat(sides)).split(len(fake))
        losses["generator"] = F.softplus(-fake_logits).mean().detach()
        loss = F.softplus(fake_logits).mean() + F.softplus(-real_logits).mean()
        losses["discriminator"] = loss.detach()
        if penalised:
            penalty = gradient_penalty(real_logits, part.real)
            losses["penalty"] = penalty.detach()
            loss = loss + settings.penalty / 2 * settings.penalty_every * penalty
        (share * loss).backward(inputs=[fake, *discriminator.parameters()])  # type: ignore[no-untyped-call]
        # An image's logit is its own: the gradient of softplus(-l) is that of softplus(l), times -exp(-l).
        ratio = -(-fake_logits.detach()).clamp(max=30).exp()
        return slope + ratio[:, None, None, None] / share * _taken(fake), losses

    def _mask(self, fake: Tensor, part: _Part, losses: Losses) -> Tensor:
        """Return the gradient of the mask loss in the generated images."""
        settings = self.settings
        if settings.mask == 0:
            return torch.zeros_like(fake)
        loss = mask_loss(
            fake,
            part.maps,
            threshold=settings.mask_threshold,
            softness=settings.mask_softness,
            outside_ids=settings.outside_ids,
        )
        losses["mask"] = loss.detach()
        (slope,) = torch.autograd.grad(settings.mask * loss, fake)
        return slope

    def _vary(self, fake: Tensor, judged: Tensor, part: _Part, losses: Losses) -> Tensor:
        """Return the push away from images of other noise, which stand still: both sides are alike.

        Its strength is a share of the judges' gradient `judged`, image by image. As judges grow sure, they press all
        images of a map into one; a constant weight is too much for them at first and too little later. The share grows
        with the images seen: the first pushes of a judge are long, and as long a push apart would drown them.
        """
        settings = self.settings
        if settings.variety == 0:
            return torch.zeros_like(fake)
        with torch.no_grad(), autocast(self._device, settings.precision):
            other = self.generator(part.maps, self._noise("semantic other noise", part.first_image, len(fake)))
        inside = body_of(part.maps, settings.outside_ids) if settings.variety_where == "body" else None
        loss = likeness(fake, other, settings.variety_most, inside)
        losses["likeness"] = loss.detach()
        (slope,) = torch.autograd.grad(loss, fake)
        seen_images, ramp = part.step * settings.batch_size, settings.variety_ramp_images
        grown = seen_images / ramp if seen_images < ramp else 1.0
        return settings.variety * grown * _length(judged) * slope / _length(slope).clamp(min=1e-12)

    def _noise(self, kind: str, first_image: int, count: int) -> Tensor:
        seeds = [derive_seed(kind, self.settings.seed, first_image + i) for i in range(count)]
        return draw_noise(self.shape, seeds).to(self._device)

    def _coins(self, part: _Part) -> Tensor:
        coins = []
        for number in range(part.first_image, part.first_image + len(part.maps)):
            random = torch.Generator().manual_seed(derive_seed("semantic mix", self.settings.seed, number))
            coins.append(torch.randint(0, 2, (self.shape.labels + 1,), generator=random))
        return torch.stack(coins).to(self._device)


def _learn(loss: Tensor, network: nn.Module) -> None:
    loss.backward(inputs=list(network.parameters()))  # type: ignore[no-untyped-call]


def _length(slope: Tensor) -> Tensor:
    """Return the Euclidean length of each image's gradient [n, C, H, W]: [n, 1, 1, 1]."""
    length: Tensor = torch.linalg.vector_norm(slope, dim=(1, 2, 3), keepdim=True)
    return length


def _taken(leaf: Tensor) -> Tensor:
    """Take a leaf's gradient away from it."""
    gradient, leaf.grad = leaf.grad, None
    assert gradient is not None  # noqa: S101 - just computed
    return gradient


def semantic_trainer(
    shape: SemanticShape,
    settings: SemanticSettings,
    batches: Batches,
    device: torch.device,
    ranks: Ranks | None = None,
) -> AdversarialTrainer[SemanticSystem]:
    """Build the networks and the trainer that moves them."""
    return AdversarialTrainer(
        SemanticSystem(shape, settings, batches, device),
        batch_size=settings.batch_size,
        part_size=settings.part_size or settings.batch_size,
        ranks=ranks,
        most_bad_steps=settings.most_bad_steps,
    )
