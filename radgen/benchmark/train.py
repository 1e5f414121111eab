"""One training loop for both tasks and all arms: the same steps, and the state that validates best."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.benchmark.batches import Batch, BatchSource, as_input
from radgen.benchmark.settings import ArmTrainingSettings
from radgen.errors import TrainingError
from radgen.imageset.core import ImageSet

# Fixed, because the size of a block changes the lowest bits of its sums.
IMAGES_PER_BLOCK = 64


class Task(Protocol):
    """What the loop asks of a task; it knows neither classes nor masks itself."""

    learning_rate: float

    def network(self, seed: int) -> nn.Module:
        """Return a fresh network."""
        ...

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the scalar training loss of a batch."""
        ...

    def validate(self, network: nn.Module, device: torch.device) -> tuple[float, float]:
        """Return score (higher is better; NaN where it cannot be told) and loss on the arm's validation patients."""
        ...


@dataclass(frozen=True)
class Check:
    """One row of an arm's history: losses and validation score after some steps, and whether this state was chosen."""

    step: int
    seen_images: int
    train_loss: float
    val_loss: float
    val_score: float
    chosen: bool


def train(
    task: Task, batches: BatchSource, settings: ArmTrainingSettings, seed: int, device: torch.device
) -> tuple[nn.Module, list[Check]]:
    """Train one network for `max_steps` steps and return its best state.

    Parameters
    ----------
    task
        Network, loss and validation.
    batches
        Training batches by step.
    settings
        Steps and weight decay; no arm stops early or goes on longer.
    seed
        Of the initial weights.
    device
        Where to compute.

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
    # Channels last in memory: on CPUs such small convolutions run a quarter faster.
    network = task.network(seed).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=task.learning_rate, weight_decay=settings.weight_decay)
    history: list[Check] = []
    best: tuple[tuple[float, float], dict[str, Tensor]] | None = None
    losses: list[float] = []
    for step in range(1, settings.max_steps + 1):
        _set_rate(optimizer, task.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - 1) / settings.max_steps)))
        losses.append(_step(network.train(), optimizer, task, batches.batch(step, device)))
        if step % settings.eval_every and step != settings.max_steps:
            continue
        score, loss = task.validate(network.eval(), device)
        history.append(Check(step, step * batches.batch_size, float(np.mean(losses)), loss, score, chosen=False))
        rank = (score if math.isfinite(score) else -math.inf, -loss)
        if best is None or rank > best[0]:
            best = rank, copy.deepcopy(network.state_dict())
        losses = []
    assert best is not None  # noqa: S101 - the last step is always checked
    network.load_state_dict(best[1])
    return network.eval(), _mark_chosen(history, best[0])


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _step(network: nn.Module, optimizer: torch.optim.Optimizer, task: Task, batch: Batch) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss = task.loss(network(batch.images), batch)
    value = float(loss.detach())
    if not math.isfinite(value):
        msg = f"the benchmark network's loss is {value}; lower its learning rate in benchmark.training, then run again"
        raise TrainingError(msg)
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


def spread(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` positions, evenly spread over all of them.

    >>> spread(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).round().astype(np.int64)]


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
