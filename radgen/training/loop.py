"""The training loop: steps until the budget, ticks, saved states, signals. It knows no network by name.

Time is counted in images seen, and no schedule depends on the budget: a larger budget later is the same training
gone on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from radgen.errors import Interrupted, TrainingError
from radgen.progress import Progress
from radgen.training.ranks import Ranks
from radgen.training.signals import StopSignal
from radgen.training.state import StateStore, tensors_of

REMEDY = "lower learning_rate or set precision: fp32, then run again"


class Trainee(Protocol):
    """What the loop moves."""

    batch_size: int

    def step(self, seen_images: int) -> dict[str, float]:
        """Learn from one batch and return losses by phase."""

    def state(self) -> dict[str, Any]:
        """Return everything that steps change, as tensors and plain values."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""


@dataclass(frozen=True)
class Plan:
    """When the loop does what, in images seen.

    Attributes
    ----------
    budget_images
        Where it ends.
    tick_images
        Distance between ticks; the end is a tick too.
    save_every_images
        Distance between saved states; the end is saved too.
    """

    budget_images: int
    tick_images: int
    save_every_images: int


@dataclass
class History:
    """Numbers by images seen: mean losses between ticks, and whatever scores the ticks gave."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, list[float]] = field(default_factory=dict)  # phase -> [count, sum] since the last tick

    def add(self, losses: Mapping[str, float]) -> None:
        """Remember the losses of a step."""
        for name, value in losses.items():
            entry = self.sums.setdefault(name, [0.0, 0.0])
            entry[0] += 1
            entry[1] += value

    def close_tick(self, seen_images: int) -> dict[str, float]:
        """Write down the mean losses since the last tick and return them."""
        means = {f"loss_{name}": total / count for name, (count, total) in sorted(self.sums.items())}
        self.sums = {}
        self.note(seen_images, means)
        return means

    def note(self, seen_images: int, numbers: Mapping[str, float]) -> None:
        """Write down numbers as rows of (seen_images, metric, value)."""
        self.rows += [
            {"seen_images": seen_images, "metric": name, "value": float(value)} for name, value in numbers.items()
        ]

    def latest(self) -> dict[str, float]:
        """Return the numbers of the newest tick by name."""
        newest = self.rows[-1]["seen_images"] if self.rows else 0
        return {row["metric"]: row["value"] for row in self.rows if row["seen_images"] == newest}

    def of(self, metric: str) -> dict[int, float]:
        """Return one metric by images seen."""
        return {row["seen_images"]: row["value"] for row in self.rows if row["metric"] == metric}


@dataclass(frozen=True)
class Result:
    """How a call of the loop went.

    Attributes
    ----------
    seen_images
        At the end.
    resumed_images
        Seen before this call.
    images_per_second
        Of this call, ticks included.
    history
        Of the whole training.
    """

    seen_images: int
    resumed_images: int
    images_per_second: float
    history: History


def train(
    trainee: Trainee,
    plan: Plan,
    store: StateStore,
    *,
    label: str,
    on_tick: Callable[[int, History], Mapping[str, float]],
    on_save: Callable[[History, int], None],
    ranks: Ranks | None = None,
) -> Result:
    """Train until the budget is reached, from the newest saved state within it.

    Parameters
    ----------
    trainee
        What learns.
    plan
        Budget and distances.
    store
        Where states are kept.
    label
        Begins every progress line.
    on_tick
        Called at ticks with the images seen and the history; returns scores to be written down.
    on_save
        Called with the history and the images seen once a state is safely on disk.
    ranks
        The processes that train together: the first one ticks and saves, all stop at the same step.

    Raises
    ------
    TrainingError
        A loss is not finite; the last saved state is kept.
    Interrupted
        A signal came; the state was saved.
    """
    seen, history = _resume(trainee, plan, store)
    resumed = saved = seen
    ranks = ranks or Ranks()
    with Progress(label, total_images=plan.budget_images, start_images=seen) as progress, StopSignal() as stop:
        if resumed:
            progress.line(seen, "resumed from a saved state")
        while seen < plan.budget_images:
            losses = trainee.step(seen)
            before, seen = seen, seen + trainee.batch_size
            _check_finite(losses, seen, saved)
            history.add(losses)
            progress.advance(seen)
            stopped = ranks.any(stop.name is not None)
            if not losses:
                history.note(seen, {"bad_step": 1.0})
                progress.line(seen, "a gradient was not finite: this step is left out")
            if _passes(plan.tick_images, before, seen, plan) and ranks.is_first:
                means = history.close_tick(seen)
                scores = on_tick(seen, history)
                history.note(seen, scores)
                progress.line(seen, "  ".join(f"{name} {value:.4g}" for name, value in {**means, **scores}.items()))
            if (_passes(plan.save_every_images, before, seen, plan) or stopped) and ranks.is_first:
                _save(trainee, store, seen, saved, history)
                saved = seen
                on_save(history, seen)
            if stopped and seen < plan.budget_images:
                name = stop.name or "a signal to another process"
                msg = f"{label}: stopped by {name} at {seen} images; the state is saved, run again to go on"
                raise Interrupted(msg)
        return Result(seen, resumed, progress.rate(seen), history)


def _resume(trainee: Trainee, plan: Plan, store: StateStore) -> tuple[int, History]:
    # One batch may lie beyond the budget when the batch size does not divide it.
    found = store.load(plan.budget_images + trainee.batch_size - 1)
    if found is None:
        return 0, History()
    seen, state = found
    trainee.load_state(state["trainee"])
    return seen, History(rows=state["rows"], sums=state["sums"])


def _save(trainee: Trainee, store: StateStore, seen: int, saved: int, history: History) -> None:
    state = trainee.state()
    # The last step may have spoilt weights whose loss was still finite: such a state would be no state to go on from.
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors_of(state)):
        msg = f"weights are not finite at {seen} images; the state of {saved} images is kept: {REMEDY}"
        raise TrainingError(msg)
    store.save(seen, {"trainee": state, "rows": history.rows, "sums": history.sums})


def _passes(distance: int, before: int, seen: int, plan: Plan) -> bool:
    return seen // distance > before // distance or seen >= plan.budget_images


def _check_finite(losses: Mapping[str, float], seen: int, saved: int) -> None:
    for phase, value in losses.items():
        if not math.isfinite(value):
            msg = f"the {phase} loss is {value} at {seen} images; the state of {saved} images is kept: {REMEDY}"
            raise TrainingError(msg)
