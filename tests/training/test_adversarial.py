"""The trainer of every adversarial system: parts add up, bad steps are counted, two processes are as one."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from radgen.errors import ConfigError, TrainingError
from radgen.training.adversarial import AdversarialTrainer, Losses, Player
from radgen.training.ranks import Ranks
from tests.conftest import REPOSITORY

BATCH = 8
# Two processes add the same numbers in another order; float32 keeps seven digits.
TOLERANCE = 1e-5


class Fit:
    """Two linear networks that fit noise drawn from the number of a part's first image; one follows them."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.one, self.two = nn.Linear(3, 1), nn.Linear(3, 1)
        self.average = copy.deepcopy(self.one)
        self.followed: list[int] = []
        self.spoil: set[int] = set()
        self.rates: list[float] = []

    @property
    def players(self) -> Mapping[str, Player]:
        if not hasattr(self, "_players"):
            self._players = {
                name: Player(net, torch.optim.SGD(net.parameters(), 0.1), lambda seen: 0.1 / (1 + seen))
                for name, net in (("one", self.one), ("two", self.two))
            }
        return self._players

    @property
    def followers(self) -> Mapping[str, nn.Module]:
        return {"average": self.average}

    def backward(self, seen_images: int, first_image: int, count: int, share: float) -> Losses:
        x = torch.stack([torch.randn(3, generator=torch.Generator().manual_seed(n)) for n in range(count)])
        x = x + first_image / 100
        losses = {"one": (self.one(x) - 1).square().mean(), "two": (self.two(x) + self.one(x)).square().mean()}
        loss = share * (losses["one"] + losses["two"])
        if seen_images in self.spoil:
            loss = loss * float("nan")
        loss.backward()
        return {name: value.detach() for name, value in losses.items()}

    def follow(self, seen_images: int, losses: Mapping[str, float]) -> None:
        self.followed.append(seen_images)
        with torch.no_grad():
            self.average.weight.lerp_(self.one.weight, 0.5)


def _trainer(part_size: int = BATCH, **options: int) -> AdversarialTrainer[Fit]:
    return AdversarialTrainer(Fit(), batch_size=BATCH, part_size=part_size, **options)


def test_accumulated_parts_are_the_mean_over_the_parts() -> None:
    trainer = _trainer(part_size=2)
    trainer.step(0)
    expected = Fit()
    for first in (0, 2, 4, 6):
        expected.backward(0, first, 2, 0.25)
    for ours, theirs in zip(trainer.system.one.parameters(), expected.one.parameters(), strict=True):
        assert ours.grad is not None
        assert torch.equal(ours.grad, theirs.grad)  # type: ignore[arg-type]


def test_losses_are_means_over_parts_and_rates_follow_the_images_seen() -> None:
    whole, parts = _trainer(), _trainer(part_size=4)
    assert whole.step(0).keys() == parts.step(0).keys() == {"one", "two"}
    parts.step(8)
    assert {group["lr"] for player in parts.system.players.values() for group in player.optimiser.param_groups} == {
        0.1 / 9
    }


def test_a_step_with_gradients_that_are_not_finite_moves_nothing_and_is_counted() -> None:
    trainer = _trainer(most_bad_steps=2)
    trainer.system.spoil = {8, 16, 24}
    assert trainer.step(0)
    before = copy.deepcopy(trainer.state())
    assert trainer.step(8) == {}
    assert trainer.bad_steps == 1
    assert trainer.system.followed == [0]
    for name in ("one", "two", "average"):
        for key, value in trainer.state()[name].items():
            assert torch.equal(value, before[name][key])
    resumed = _trainer(most_bad_steps=2)
    resumed.system.spoil = {16, 24}
    resumed.load_state(copy.deepcopy(trainer.state()))
    assert resumed.step(16) == {}
    with pytest.raises(TrainingError, match=r"not finite in 3 step\(s\), the last one at 24 images, and at most 2 may"):
        resumed.step(24)


def test_state_holds_networks_optimisers_and_followers() -> None:
    one, two = _trainer(), _trainer()
    one.step(0)
    two.load_state(copy.deepcopy(one.state()))
    assert one.step(8) == two.step(8)
    assert torch.equal(one.system.average.weight, two.system.average.weight)


@pytest.mark.parametrize(("part_size", "count"), [(3, 1), (8, 2), (2, 3)])
def test_batches_that_cannot_be_shared_are_refused(part_size: int, count: int) -> None:
    with pytest.raises(ConfigError, match=rf"batches of 8 images in parts of {part_size} .* {count} process"):
        AdversarialTrainer(Fit(), batch_size=BATCH, part_size=part_size, ranks=Ranks(0, count))


PROGRAM = """
import sys, torch
from pathlib import Path
from radgen.training.ranks import join, leave
from radgen.training.adversarial import AdversarialTrainer
from tests.training.test_adversarial import BATCH, Fit
torch.set_num_threads(1)
ranks = join(torch.device("cpu"))
trainer = AdversarialTrainer(Fit(), batch_size=BATCH, part_size=2, ranks=ranks)
losses = [trainer.step(seen) for seen in range(0, 80, BATCH)]
stopped = ranks.any(ranks.rank == 1)
out = {"state": trainer.state(), "losses": losses, "stopped": stopped}
torch.save(out, sys.argv[1] + f"/{ranks.count}-{ranks.rank}.pt")
leave()
"""


def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for start in ([sys.executable], launcher):
        done = subprocess.run(
            [*start, str(program), str(tmp_path)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    alone, first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    assert (alone["stopped"], first["stopped"], second["stopped"]) == (False, True, True)
    for name in ("one", "two", "average"):
        for key, value in alone["state"][name].items():
            assert torch.equal(first["state"][name][key], second["state"][name][key])
            torch.testing.assert_close(first["state"][name][key], value, rtol=TOLERANCE, atol=TOLERANCE)
    for ours, theirs in zip(first["losses"], alone["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=TOLERANCE)
