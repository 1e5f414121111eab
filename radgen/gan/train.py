"""The class-conditional system: a generator, its opponent, and the running average that is published.

Source of truth for one step is `radgen.training.adversarial`; the losses are the game's.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.features.network import FeatureNetwork
from radgen.gan.discriminator import Discriminator
from radgen.gan.kinds import ImageGenerator
from radgen.gan.part import Part
from radgen.gan.projected.discriminator import build_projected
from radgen.gan.projected.play import ProjectedGame
from radgen.gan.residual_game import Guide, ResidualGame
from radgen.gan.sampling import from_grey
from radgen.gan.scale import coarsened
from radgen.gan.settings import GanSettings
from radgen.imageset.prefetch import Batches
from radgen.imageset.torch import RowBatches
from radgen.seeds import derive_seed
from radgen.training.adversarial import AdversarialTrainer, Losses, Player
from radgen.training.devices import place
from radgen.training.ema import ema_decay, move_average
from radgen.training.ranks import Ranks


class Game(Protocol):
    """An opponent and the losses of both sides."""

    @property
    def discriminator(self) -> Any:  # noqa: ANN401 - a torch module of this game
        """The opponent's network."""

    @property
    def followers(self) -> Mapping[str, nn.Module]:
        """What the game remembers from step to step."""

    def backward(self, generator: ImageGenerator, part: Part, share: float) -> Losses:
        """Add the gradients of one part's losses, times `share`; return losses by phase."""

    def follow(self, losses: Mapping[str, float]) -> None:
        """Take in the losses of a step, after both networks moved."""


class GanSystem:
    """Generator, discriminator and running average, as `AdversarialTrainer` moves them.

    Parameters
    ----------
    generator
        With its initial weights; parameters that need no gradient stay as they are.
    game
        The opponent.
    settings
        Of the training.
    batches
        Real images, at the generator's resolution or a multiple of it.
    device
        Where it runs.
    """

    def __init__(
        self, generator: nn.Module, game: Game, settings: GanSettings, batches: RowBatches, device: torch.device
    ) -> None:
        self.settings = settings
        self.game = game
        self.batches = batches
        self.reads: Batches = batches  # or something that reads them ahead
        self._device = device
        for network in (generator, game.discriminator, *game.followers.values()):
            place(network, device)
        self.generator: Any = generator
        self.discriminator: Any = game.discriminator
        self.average: Any = copy.deepcopy(generator).eval().requires_grad_(requires_grad=False)
        self._players = {
            "generator": self._player(self.generator),
            "discriminator": self._player(self.discriminator),
        }

    def _player(self, network: nn.Module) -> Player:
        settings = self.settings
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        betas = (settings.beta1, settings.beta2)
        optimiser = torch.optim.Adam(learning, settings.learning_rate, betas=betas, fused=True)
        return Player(network, optimiser, lambda _seen_images: settings.learning_rate)

    @property
    def players(self) -> Mapping[str, Player]:
        """Generator and discriminator."""
        return self._players

    @property
    def followers(self) -> Mapping[str, nn.Module]:
        """The running average of the generator, and what the game remembers."""
        return {"average": self.average, **self.game.followers}

    def backward(self, seen_images: int, first_image: int, count: int, share: float) -> Losses:
        """Add the gradients of one part's losses: see `radgen.training.adversarial.System`."""
        random = torch.Generator().manual_seed(derive_seed("gan", self.settings.seed, "step", first_image))
        real, class_ids = self._real(first_image, count, random)
        part = Part(real, class_ids, seen_images, seen_images // self.settings.batch_size, random)
        return self.game.backward(self.generator, part, share)

    def _real(self, first_image: int, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        grey, class_ids = self.reads.batch(first_image, count)
        real = coarsened(from_grey(grey.numpy(), self._device), self.generator.shape.resolution)
        if self.settings.mirror:
            flipped = (torch.rand(len(real), 1, 1, 1, generator=random) < 0.5).to(self._device)
            real = torch.where(flipped, real.flip(3), real)
        return real, class_ids.to(self._device)

    def follow(self, seen_images: int, losses: Mapping[str, float]) -> None:
        """Move the running average, and with its own styles the class averages."""
        self.game.follow(losses)
        settings = self.settings
        decay = ema_decay(
            seen_images=seen_images,
            batch_size=settings.batch_size,
            half_life_images=settings.ema_half_life_images,
            rampup=settings.ema_rampup,
        )
        move_average(self.average, self.generator, decay)
        random = torch.Generator().manual_seed(derive_seed("gan", settings.seed, "track", seen_images))
        z = torch.randn(settings.batch_size, self.generator.shape.z_dim, generator=random).to(self._device)
        class_ids = self.batches.classes(seen_images, settings.batch_size).to(self._device)
        with torch.no_grad():
            self.average.mapping.track(self.average.mapping(z, class_ids), class_ids)


def gan_trainer(
    generator: nn.Module,
    settings: GanSettings,
    batches: RowBatches,
    device: torch.device,
    *,
    guide: Guide | None = None,
    encoder: FeatureNetwork | None = None,
    class_means: NDArray[np.float64] | None = None,
    ranks: Ranks | None = None,
) -> AdversarialTrainer[GanSystem]:
    """Build the opponent of a generator from the settings' seed, and the trainer that moves both.

    Parameters
    ----------
    generator
        With the weights it starts from.
    settings
        Of the training.
    batches
        Real images.
    device
        Where it runs.
    guide
        Class logits [n, classes] of images [n, C, H, W] in [-1, 1]: a frozen classifier that generated images must
        convince of their class (StyleGAN-XL's classifier guidance, by the domain's own encoder); None for none.
    encoder, class_means
        The domain encoder and the mean features of each class, float64 [classes, D]: for the projected discriminator.
    ranks
        The processes that share each batch; None for this one alone.
    """
    torch.manual_seed(derive_seed("gan", settings.seed, "discriminator"))
    shape: Any = generator.shape
    guide = guide if settings.guidance > 0 else None
    game: Game
    if settings.discriminator == "projected":
        projected = build_projected(shape, settings.projected, encoder=encoder, class_means=class_means)
        game = ProjectedGame(projected, settings, guide, resolution=shape.resolution)
    else:
        opponent = Discriminator(shape, settings.discriminator_channels)
        game = ResidualGame(opponent, settings, guide, resolution=shape.resolution)
    return AdversarialTrainer(
        GanSystem(generator, game, settings, batches, device),
        batch_size=settings.batch_size,
        part_size=settings.part_size or settings.batch_size,
        ranks=ranks,
        most_bad_steps=settings.most_bad_steps,
    )
