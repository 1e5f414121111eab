"""The loop: resumed training is the same training, signals save, losses that are not finite stop it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from radgen.errors import Interrupted, TrainingError
from radgen.training.loop import History, Plan, Result, train
from radgen.training.state import StateStore

PLAN = Plan(budget_images=96, tick_images=40, save_every_images=32)


class Walk:
    """A number that is multiplied and shifted by a seed of the images seen; order matters, so a lost step shows."""

    batch_size = 8

    def __init__(self) -> None:
        self.value = torch.tensor(1.0, dtype=torch.float64)
        self.steps: list[int] = []
        self.fail_at: int | None = None
        self.kill_at: int | None = None
        self.spoil_at: int | None = None

    def step(self, seen_images: int) -> dict[str, float]:
        self.steps.append(seen_images)
        shift = torch.rand(1, generator=torch.Generator().manual_seed(seen_images), dtype=torch.float64)[0]
        self.value = self.value * 0.9 + shift
        if seen_images == self.kill_at:
            os.kill(os.getpid(), signal.SIGTERM)
        if seen_images == self.spoil_at:
            self.value = self.value * float("nan")
            return {"generator": 1.0}
        return {"generator": float("inf") if seen_images == self.fail_at else float(self.value)}

    def state(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.value = state["value"]


def _run(folder: Path, walk: Walk, plan: Plan = PLAN) -> Result:
    folder.mkdir(exist_ok=True)
    store = StateStore(folder, print)
    return train(walk, plan, store, label="walk", on_tick=_score, on_save=lambda _history, _seen: None)


def _score(seen_images: int, history: History) -> Mapping[str, float]:
    return {"rows": float(len(history.rows)), "seen": float(seen_images)}


def test_interrupted_training_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    straight, stopped, resumed = Walk(), Walk(), Walk()
    whole = _run(tmp_path / "straight", straight)
    stopped.kill_at = 48
    with pytest.raises(Interrupted, match="walk: stopped by SIGTERM at 56 images; the state is saved") as caught:
        _run(tmp_path / "stopped", stopped)
    assert caught.value.exit_code == 75
    result = _run(tmp_path / "stopped", resumed)
    assert result.resumed_images == 56
    assert resumed.steps == list(range(56, 96, 8))
    assert torch.equal(resumed.value, straight.value)
    assert result.history.rows == whole.history.rows


def test_a_larger_budget_goes_on(tmp_path: Path) -> None:
    _run(tmp_path / "grown", Walk(), Plan(budget_images=48, tick_images=40, save_every_images=32))
    grown, straight = Walk(), Walk()
    assert _run(tmp_path / "grown", grown).resumed_images == 48
    _run(tmp_path / "straight", straight)
    assert torch.equal(grown.value, straight.value)


def test_ticks_come_at_their_distance_and_at_the_end(tmp_path: Path) -> None:
    history = _run(tmp_path / "run", Walk()).history
    assert list(history.of("seen")) == [40, 80, 96]
    assert list(history.of("loss_generator")) == [40, 80, 96]
    assert history.latest().keys() == {"loss_generator", "rows", "seen"}


def test_mean_losses_are_over_the_steps_since_the_last_tick() -> None:
    history = History()
    for value in (1.0, 3.0):
        history.add({"generator": value})
    history.add({"penalty": 5.0})
    assert history.close_tick(8) == {"loss_generator": 2.0, "loss_penalty": 5.0}
    history.add({"generator": 7.0})
    assert history.close_tick(16) == {"loss_generator": 7.0}


def test_a_loss_that_is_not_finite_names_place_phase_and_remedy(tmp_path: Path) -> None:
    walk = Walk()
    walk.fail_at = 72
    message = r"the generator loss is inf at 80 images; the state of 64 images is kept: lower learning_rate or set"
    with pytest.raises(TrainingError, match=message):
        _run(tmp_path / "run", walk)
    found = StateStore(tmp_path / "run", print).load(96)
    assert found is not None
    assert found[0] == 64


def test_spoilt_weights_are_never_saved(tmp_path: Path) -> None:
    walk = Walk()
    walk.spoil_at = 56
    with pytest.raises(TrainingError, match="weights are not finite at 64 images; the state of 32 images is kept"):
        _run(tmp_path / "run", walk)
    found = StateStore(tmp_path / "run", print).load(96)
    assert found is not None
    assert found[0] == 32


def test_signals_are_obeyed_again_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    _run(tmp_path / "run", Walk())
    assert signal.getsignal(signal.SIGTERM) is before


def test_plain_lines_tell_rate_and_time_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(tmp_path / "run", Walk())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("walk  40/96 images  ")
    assert "/s  0:00 left  loss_generator" in lines[0]
