"""One optimisation step of any adversarial system: parts of a batch, gradients summed, checked, and followed.

The system brings networks and losses; this module knows neither. A batch is cut into parts of equal size. A part is a
function of the weights and of the number of its first image, whoever computes it: one process that takes all parts in
turn (gradient accumulation) and several that share them give the same sums, in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from radgen.errors import ConfigError, TrainingError
from radgen.training.ranks import Ranks

Losses = dict[str, Tensor]
Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Player:
    """A network that learns, its optimiser, and its learning rate by images seen.

    The rate depends on nothing else, the budget least of all: a larger budget is the same training gone on.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    rate: Schedule


class System(Protocol):
    """What an adversarial system brings to the trainer."""

    @property
    def players(self) -> Mapping[str, Player]:
        """The networks that learn, by name."""

    @property
    def followers(self) -> Mapping[str, nn.Module]:
        """Networks that are kept in the state but follow others: running averages."""

    def backward(self, seen_images: int, first_image: int, count: int, share: float) -> Losses:
        """Add the gradients of one part's losses, times `share`, to the players' parameters.

        Parameters
        ----------
        seen_images
            Of the whole step: what schedules and periodic terms depend on.
        first_image, count
            The part shows real images first_image ... first_image + count - 1; every random draw is seeded by the
            number of the first.
        share
            Of the batch: losses are means over the part.

        Returns
        -------
        dict
            Detached losses by phase, means over the part.
        """

    def follow(self, seen_images: int, losses: Mapping[str, float]) -> None:
        """Move averages after the players moved; the same in every process, as the losses are."""


S = TypeVar("S", bound=System)


class AdversarialTrainer(Generic[S]):
    """Moves a system batch by batch; a step is a function of its state, the data and the number of images seen.

    Parameters
    ----------
    system
        Networks and losses.
    batch_size, part_size
        Images of one step, and of one part of it. Losses that compare images of a part with each other see a part.
    ranks
        The processes that share the parts.
    most_bad_steps
        Steps whose gradients are not finite are left out and counted; more of them in all end the training.

    Raises
    ------
    ConfigError
        Parts do not divide the batch, or processes do not divide the parts.
    """

    def __init__(
        self, system: S, *, batch_size: int, part_size: int, ranks: Ranks | None = None, most_bad_steps: int = 0
    ) -> None:
        self.system = system
        self.batch_size = batch_size
        self.bad_steps = 0
        self._part_size = part_size
        self._ranks = ranks or Ranks()
        self._most_bad_steps = most_bad_steps
        if batch_size % part_size or (batch_size // part_size) % self._ranks.count:
            msg = (
                f"batches of {batch_size} images in parts of {part_size} cannot be shared by {self._ranks.count} "
                f"process(es); choose part_size so that batch_size is a multiple of {self._ranks.count} parts"
            )
            raise ConfigError(msg)

    def step(self, seen_images: int) -> dict[str, float]:
        """Learn from images seen_images ... seen_images + batch_size - 1; return losses by phase, or nothing.

        Nothing is returned, and no weight moves, when a gradient is not finite.

        Raises
        ------
        TrainingError
            That has now happened more often than it may.
        """
        parameters = [item for player in self.system.players.values() for item in player.network.parameters()]
        for player in self.system.players.values():
            player.optimiser.zero_grad(set_to_none=True)
        losses = self._parts(seen_images)
        self._ranks.sum_gradients(item for item in parameters if item.requires_grad)
        if not _all_finite(parameters):
            self._count_bad(seen_images)
            return {}
        for player in self.system.players.values():
            for group in player.optimiser.param_groups:
                group["lr"] = player.rate(seen_images)
            player.optimiser.step()
        self.system.follow(seen_images, losses)
        return losses

    def _parts(self, seen_images: int) -> dict[str, float]:
        starts = range(seen_images, seen_images + self.batch_size, self._part_size)
        share = self._part_size / self.batch_size
        total: Losses = {}
        for first in starts[self._ranks.rank :: self._ranks.count]:
            for name, value in self.system.backward(seen_images, first, self._part_size, share).items():
                total[name] = total[name] + share * value if name in total else share * value
        values = self._ranks.sum(torch.stack([value.float() for value in total.values()])).tolist()
        return dict(zip(total, values, strict=True))

    def _count_bad(self, seen_images: int) -> None:
        self.bad_steps += 1
        if self.bad_steps > self._most_bad_steps:
            msg = (
                f"gradients were not finite in {self.bad_steps} step(s), the last one at {seen_images} images, and at "
                f"most {self._most_bad_steps} may be left out: lower learning_rate or set precision: fp32, then run "
                "again from the last saved state"
            )
            raise TrainingError(msg)

    def state(self) -> dict[str, Any]:
        """Return everything a step changes, as tensors and plain dicts.

        Random draws are seeded by the number of the image they belong to, so there is no generator to save; the place
        in the data is the number of images seen.
        """
        networks = {name: network.state_dict() for name, network in self._networks()}
        optimisers = {f"{name}_optimiser": item.optimiser.state_dict() for name, item in self.system.players.items()}
        return networks | optimisers | {"bad_steps": self.bad_steps}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        for name, network in self._networks():
            network.load_state_dict(state[name])
        for name, player in self.system.players.items():
            player.optimiser.load_state_dict(state[f"{name}_optimiser"])
        self.bad_steps = int(state["bad_steps"])

    def _networks(self) -> Iterator[tuple[str, nn.Module]]:
        for name, player in self.system.players.items():
            yield name, player.network
        yield from self.system.followers.items()


def _all_finite(parameters: list[nn.Parameter]) -> bool:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch._foreach_norm(gradients)
    return bool(torch.isfinite(torch.stack(norms)).all())
