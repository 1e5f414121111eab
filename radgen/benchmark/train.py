"""One training loop for both tasks and all arms: the same steps, and the state that validates best."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.benchmark.batches import BatchSource, as_input
from radgen.benchmark.methods import Method, Supervised, Task, copy_matching
from radgen.benchmark.schedule import Phase
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.errors import TrainingError
from radgen.imageset.core import ImageSet

# Fixed, because the size of a block changes the lowest bits of its sums.
IMAGES_PER_BLOCK = 64


@dataclass(frozen=True)
class Check:
    """One row of an arm's history: losses and validation score after some steps, and whether this state was chosen."""

    step: int
    seen_images: int
    train_loss: float
    val_loss: float
    val_score: float
    chosen: bool


@dataclass(frozen=True)
class Pretext:
    """A task without labels that a network learns first: its own output channels, and the loss of a step."""

    outputs: int
    loss: Callable[[nn.Module, int], Tensor]


def train(
    task: Task,
    batches: BatchSource,
    settings: ArmTrainingSettings,
    seed: int,
    device: torch.device,
    *,
    phases: Sequence[Phase] = (),
    method: Method | None = None,
    pretext: Pretext | None = None,
) -> tuple[nn.Module, list[Check]]:
    """Train one network through all phases and return its best state.

    Parameters
    ----------
    task
        Network, loss and validation.
    batches
        Training batches by step.
    settings
        Steps between checks, and weight decay; no arm stops early or goes on longer.
    seed
        Of the initial weights.
    device
        Where to compute.
    phases
        By default one of `max_steps` steps.
    method
        By default labelled images alone.
    pretext
        What phases of a pretext task learn.

    Returns
    -------
    network, history
        The network in eval mode, in the state with the highest validation score (ties: the lowest loss; where the
        score cannot be told: the lowest loss).

    Raises
    ------
    TrainingError
        The loss is not finite.
    """
    phases = tuple(phases) or (Phase(settings.max_steps),)
    network = _placed(task.network(seed), device)
    learns = method or Supervised(task)
    optimizer = _optimizer(network, task, settings)
    history: list[Check] = []
    best: tuple[tuple[float, float], dict[str, Tensor]] | None = None
    losses: list[float] = []
    total, done = sum(phase.steps for phase in phases), 0
    for phase in phases:
        if phase.pretext:
            assert pretext is not None  # noqa: S101 - the caller's arm has one
            copy_matching(_learn_pretext(task, pretext, phase, settings, seed=seed, device=device), network)
            done += phase.steps
            continue
        for place in range(phase.steps):
            done += 1
            _set_rate(optimizer, task.learning_rate * phase.rate_at(place))
            batch = batches.batch(done, device, phase.kinds)
            losses.append(_step(optimizer, learns.loss(network.train(), batch, done)))
            learns.after_step(network)
            if done % settings.eval_every and done != total:
                continue
            judged = learns.judged(network).eval()
            score, loss = task.validate(judged, device)
            history.append(Check(done, done * batches.batch_size, float(np.mean(losses)), loss, score, chosen=False))
            rank = (score if math.isfinite(score) else -math.inf, -loss)
            if best is None or rank > best[0]:
                best = rank, copy.deepcopy(judged.state_dict())
            losses = []
    assert best is not None  # noqa: S101 - the last step is always checked
    network.load_state_dict(best[1])
    return network.eval(), _mark_chosen(history, best[0])


def _placed(network: nn.Module, device: torch.device) -> nn.Module:
    # Channels last in memory: on CPUs such small convolutions run a quarter faster.
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _optimizer(network: nn.Module, task: Task, settings: ArmTrainingSettings) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=task.learning_rate, weight_decay=settings.weight_decay)


def _learn_pretext(
    task: Task, pretext: Pretext, phase: Phase, settings: ArmTrainingSettings, *, seed: int, device: torch.device
) -> nn.Module:
    network = _placed(task.network(seed, pretext.outputs), device).train()
    optimizer = _optimizer(network, task, settings)
    for place in range(phase.steps):
        _set_rate(optimizer, task.learning_rate * phase.rate_at(place))
        _step(optimizer, pretext.loss(network, place))
    return network


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        msg = f"the benchmark network's loss is {value}; lower its learning rate in benchmark.training, then run again"
        raise TrainingError(msg)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return value


def _mark_chosen(history: list[Check], rank: tuple[float, float]) -> list[Check]:
    marked: list[Check] = []
    for check in history:
        score = check.val_score if math.isfinite(check.val_score) else -math.inf
        first = (score, -check.val_loss) == rank and not any(other.chosen for other in marked)
        marked.append(Check(**{**vars(check), "chosen": first}))
    return marked


def logits_in_blocks(
    network: nn.Module, images: ImageSet, positions: NDArray[np.int64], device: torch.device
) -> Tensor:
    """Return a network's raw output for some rows of an image set, on the CPU, float32 [n, ...]."""
    blocks = []
    with torch.no_grad():
        for start in range(0, len(positions), IMAGES_PER_BLOCK):
            rows = positions[start : start + IMAGES_PER_BLOCK]
            blocks.append(network(as_input(images.images(rows), device)).float().cpu())
    return torch.cat(blocks)
