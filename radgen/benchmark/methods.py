"""How a network learns beside labelled images: from them alone, with a mean teacher, or after a pretext task."""

from __future__ import annotations

import copy
import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radgen.benchmark.batches import Batch, Unlabelled

RAMP_SHARE = 0.3  # share of the steps over which agreement gains its weight
MASKED_SHARE = 0.5
PATCHES = 8  # masked squares along a side
TEMPERATURE = 0.5
EMBEDDING = 32


class Task(Protocol):
    """What learning asks of a task; it knows neither classes nor masks itself."""

    learning_rate: float

    def network(self, seed: int, outputs: int | None = None) -> nn.Module:
        """Return a fresh network, of another number of output channels if one is given."""
        ...

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the scalar training loss of a batch."""
        ...

    def validate(self, network: nn.Module, device: torch.device) -> tuple[float, float]:
        """Return score (higher is better; NaN where it cannot be told) and loss on the arm's validation patients."""
        ...


class Method(Protocol):
    """One way to learn."""

    def loss(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """Return the loss of a step."""
        ...

    def after_step(self, network: nn.Module) -> None:
        """Follow the network's new weights."""
        ...

    def judged(self, network: nn.Module) -> nn.Module:
        """Return the network that is validated and tested."""
        ...


class Supervised:
    """Labelled images alone."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def loss(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """Return the task's loss."""
        del step
        return self._task.loss(network(batch.images), batch)

    def after_step(self, network: nn.Module) -> None:
        """Do nothing."""

    def judged(self, network: nn.Module) -> nn.Module:
        """Return the network itself."""
        return network


class MeanTeacher(Supervised):
    """Agreement on unlabelled images with the running average of the network's own weights, which is what is judged.

    Two views of an image differ in grey values alone, so that pixels keep their places. Source: Tarvainen and Valpola
    2017, Mean teachers are better role models (arXiv 1703.01780), section 2 and its ramp, exp(-5 (1 - t)^2).

    Parameters
    ----------
    task
        Loss of the labelled images.
    unlabelled
        Images without labels.
    decay, weight
        Of the average, and of agreement after the ramp.
    steps
        In all, of which the ramp is a share.
    device
        Where to compute.
    """

    def __init__(
        self, task: Task, unlabelled: Unlabelled, *, decay: float, weight: float, steps: int, device: torch.device
    ) -> None:
        super().__init__(task)
        self._unlabelled, self._decay, self._weight, self._device = unlabelled, decay, weight, device
        self._ramp = max(1.0, RAMP_SHARE * steps)
        self._teacher: nn.Module | None = None
        self._count = 0

    def loss(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """Return the task's loss plus weighted squared disagreement of the class probabilities."""
        one, two = self._unlabelled.views(step, self._device, same_place=True)
        with torch.no_grad():
            wanted = torch.softmax(self._teacher_of(network)(two), dim=1)
        agreement = F.mse_loss(torch.softmax(network(one), dim=1), wanted)
        ramp = math.exp(-5 * (1 - min(1.0, step / self._ramp)) ** 2)
        return super().loss(network, batch, step) + self._weight * ramp * agreement

    def after_step(self, network: nn.Module) -> None:
        """Let the teacher follow: at first it is the plain mean of all weights so far."""
        self._count += 1
        decay = min(1 - 1 / (self._count + 1), self._decay)
        with torch.no_grad():
            teacher = self._teacher_of(network)
            for mean, value in zip(teacher.state_dict().values(), network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)

    def judged(self, network: nn.Module) -> nn.Module:
        """Return the teacher."""
        return self._teacher_of(network)

    def _teacher_of(self, network: nn.Module) -> nn.Module:
        if self._teacher is None:
            self._teacher = copy.deepcopy(network).requires_grad_(requires_grad=False)
        return self._teacher.train()


# ---------------------------------------------------------------- pretext tasks


def contrast(one: Tensor, two: Tensor) -> Tensor:
    """Loss of telling each image's other view from all other images of the batch.

    Source: Chen et al. 2020, A simple framework for contrastive learning (arXiv 2002.05709), equation 1.

    Parameters
    ----------
    one, two
        Embeddings of two views, float [n, d].
    """
    both = F.normalize(torch.cat([one, two]), dim=1)
    similar = both @ both.T / TEMPERATURE
    similar.fill_diagonal_(-math.inf)  # an image is not its own other view
    count = len(one)
    partner = torch.arange(2 * count, device=both.device).roll(count)
    return F.cross_entropy(similar, partner)


def hide(images: Tensor, step: int, seed: int) -> tuple[Tensor, Tensor]:
    """Hide half of an image's squares; return the rest and where it was hidden, bool [n, 1, H, W]."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    squares = torch.rand((len(images), 1, PATCHES, PATCHES), generator=generator) < MASKED_SHARE
    hidden = F.interpolate(squares.float(), size=images.shape[-2:], mode="nearest").bool().to(images.device)
    return images.masked_fill(hidden, 0.0), hidden


def fill_in(network: nn.Module, images: Tensor, step: int, seed: int) -> Tensor:
    """Loss of drawing what was hidden from what is left: mean squared difference where it was hidden.

    Source: Pathak et al. 2016, Context encoders, equation 1, with squares spread over the image.
    """
    shown, hidden = hide(images, step, seed)
    difference = (network(shown) - images) ** 2 * hidden
    loss: Tensor = difference.sum() / (hidden.sum() * images.shape[1]).clamp(min=1)
    return loss


def copy_matching(start: nn.Module, network: nn.Module) -> None:
    """Copy the weights whose names and shapes agree: all but the last layer."""
    own = network.state_dict()
    taken = {name: value for name, value in start.state_dict().items() if own[name].shape == value.shape}
    network.load_state_dict(own | taken)
