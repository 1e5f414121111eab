"""One optimiser step after another: the loop that segmenter and label heads share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from radgen.errors import TrainingError

WARM_UP_STEPS = 10
LINES = 10  # progress lines of one training
MAX_GRADIENT_NORM = 5.0


def run_steps(
    network: nn.Module,
    loss_at: Callable[[int], Tensor],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    name: str,
    say: Callable[[str], None],
    clip: Callable[[nn.Module], None] | None = None,
    is_done: Callable[[int], bool] = lambda _: False,
) -> None:
    """Train a network with AdamW under a cosine schedule.

    Parameters
    ----------
    network
        What is trained, in place.
    loss_at
        Step number to loss; the only place that knows data.
    steps, learning_rate, weight_decay
        How many steps, the highest rate, AdamW's decay.
    name
        Named in progress lines and errors.
    say
        Where progress lines go.
    clip
        Bounds gradients before a step; their common norm is bounded without.
    is_done
        Asked after every step with the number of steps taken; true ends the training.

    Raises
    ------
    TrainingError
        A loss is not finite.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    network.train()
    started, total = time.monotonic(), 0.0
    every = max(1, steps // LINES)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = cosine_rate(step, steps, learning_rate)
        loss = loss_at(step)
        value = float(loss.detach())
        if not math.isfinite(value):
            msg = (
                f"{name}: the loss is {value} at step {step} of {steps}; lower its learning_rate (now {learning_rate})"
            )
            raise TrainingError(msg)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        (clip or _clip)(network)
        optimiser.step()
        total += value
        if (step + 1) % every == 0:
            say(f"{name}: step {step + 1} of {steps}, loss {total / every:.3f}, {time.monotonic() - started:.0f} s")
            total = 0.0
        if is_done(step + 1):
            break
    network.eval()


def _clip(network: nn.Module) -> None:
    nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)


def cosine_rate(step: int, steps: int, highest: float) -> float:
    """Return the learning rate of a step: a short linear rise, then a cosine down to zero.

    >>> cosine_rate(9, 1000, 1.0), round(cosine_rate(505, 1000, 1.0), 3)
    (1.0, 0.5)
    """
    warm_up = min(WARM_UP_STEPS, max(1, steps // 10))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    return highest * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))
