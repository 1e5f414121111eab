"""One step of training, and which weights are published."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from radgen.gan.settings import GanSettings
from radgen.gan.train import GanSystem, gan_trainer
from radgen.imageset.torch import RowBatches
from radgen.settings import build
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.candidates import SCORE, Candidates, beaten
from radgen.training.loop import History
from tests.gan import toys


def _trainer(study: Path, **changes: object) -> AdversarialTrainer[GanSystem]:
    images = toys.images_of(study)
    rows = images.rows_where(split="train")
    ids = images.column("class_id")[rows].astype(int)
    settings = build(GanSettings, toys.GAN | changes)
    batches = RowBatches(images, rows, ids, seed=settings.seed, balanced=settings.balance_classes)
    return gan_trainer(toys.fresh(settings), settings, batches, torch.device("cpu"))


@pytest.mark.parametrize("loss", ["nonsaturating", "relativistic"])
def test_state_and_images_seen_decide_the_next_step(study: Path, loss: str) -> None:
    one, two = (_trainer(study, loss=loss, rebuild={"alone_images": 8}) for _ in range(2))
    for seen in (0, 8):
        one.step(seen)
    two.load_state(copy.deepcopy(one.state()))
    assert one.step(16) == two.step(16)
    for name, parameter in one.system.average.state_dict().items():
        assert torch.equal(parameter, two.system.average.state_dict()[name]), name


def test_a_step_moves_both_networks_the_average_and_the_class_averages(study: Path) -> None:
    trainer = _trainer(study, rebuild={"alone_images": 8})
    before = {name: value.clone() for name, value in trainer.state()["generator"].items()}
    assert trainer.step(0).keys() == {"rebuilding", "latent"}
    assert trainer.step(8).keys() == {
        "rebuilding",
        "latent",
        "discriminator",
        "generator",
        "sureness",
        "variety",
        "log_apart_004px",
        "log_apart_pairs",
    }
    after = trainer.state()
    assert any(not torch.equal(before[name], value) for name, value in after["generator"].items())
    assert not torch.equal(after["average"]["start"], after["generator"]["start"])
    assert (after["average"]["mapping.w_avg"].abs().sum(dim=1) > 0).all()


def test_penalty_comes_every_so_many_steps(study: Path) -> None:
    trainer = _trainer(study, penalty_every=3, rebuild={"alone_images": 0})
    assert ["penalty" in trainer.step(seen) for seen in range(0, 56, 8)] == [True, False, False] * 2 + [True]


@pytest.mark.parametrize("mirror", [False, True])
def test_real_images_are_mirrored_only_where_the_study_says_so(
    study: Path, monkeypatch: pytest.MonkeyPatch, mirror: bool
) -> None:
    trainer = _trainer(study, mirror=mirror)
    shown: list[torch.Tensor] = []

    def spy(images: torch.Tensor, _settings: object, _random: object) -> torch.Tensor:
        shown.append(images.detach().clone())
        return images

    monkeypatch.setattr("radgen.gan.residual_game.augment", spy)
    sides = []
    for seen in range(0, 64, 8):
        shown.clear()
        trainer.step(seen)
        real = shown[0]
        sides += (real[..., :8].mean(dim=(1, 2, 3)) > real[..., 8:].mean(dim=(1, 2, 3))).tolist()
    assert all(sides) is not mirror
    assert any(sides)


@pytest.mark.parametrize("loss", ["nonsaturating", "relativistic"])
def test_generator_follows_its_loss_and_rebuilding_reaches_the_trunk(study: Path, loss: str) -> None:
    trainer = _trainer(study, loss=loss, rebuild={"alone_images": 0, "weight": 0.0}, augment={"probability": 0.0})
    trainer.step(0)
    alone = [
        parameter.grad.clone() for parameter in trainer.system.generator.parameters() if parameter.grad is not None
    ]
    assert max(float(grad.abs().max()) for grad in alone) > 0
    assert trainer.system.discriminator.latent.weight.grad is not None
    assert trainer.system.discriminator.latent.weight.grad.abs().max() == 0
    trainer = _trainer(study, loss=loss, rebuild={"alone_images": 8})
    trainer.step(0)
    assert trainer.system.discriminator.latent.weight.grad is not None
    assert trainer.system.discriminator.latent.weight.grad.abs().max() > 0
    assert trainer.system.discriminator.verdict.weight.grad is None


def test_a_guide_is_obeyed_and_moves_the_generator_alone(study: Path) -> None:
    def brightness(images: torch.Tensor) -> torch.Tensor:
        level = images.mean(dim=(1, 2, 3)) * 10
        return torch.stack([-level, level], dim=1)

    images = toys.images_of(study)
    rows = images.rows_where(split="train")
    ids = images.column("class_id")[rows].astype(int)
    changes = {"guidance": 5.0, "rebuild": {"alone_images": 0, "weight": 0.0}}
    settings = build(GanSettings, toys.GAN | changes)
    batches = RowBatches(images, rows, ids, seed=1, balanced=True)
    trainer = gan_trainer(toys.fresh(settings), settings, batches, torch.device("cpu"), guide=brightness)
    losses = [trainer.step(seen)["guidance"] for seen in range(0, 480, 8)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_training_learns_where_the_toy_is_bright(study: Path) -> None:
    trainer = _trainer(study, rebuild={"alone_images": 600})
    for seen in range(0, 800, 8):
        trainer.step(seen)
    images = trainer.system.generator(
        torch.randn(32, 6), torch.arange(32) % 2, torch.randn(32, trainer.system.average.noise_length)
    )
    assert images[..., :8].mean() > images[..., 8:].mean() + 0.1
    assert images[1::2].mean() > images[::2].mean() + 0.05


# ---------------------------------------------------------------- published weights


def _candidates(folder: Path, scores: dict[int, float]) -> tuple[Candidates, History]:
    candidates = Candidates(folder, lambda path, _seen: path.touch())
    history = History()
    for seen, score in scores.items():
        candidates.keep(seen)
        history.note(seen, {SCORE: score})
    return candidates, history


def _choose(candidates: Candidates, history: History, publish: str, budget: int) -> int:
    return candidates.choose(history, publish=publish, budget_images=budget, seen_images=budget)


def test_best_of_the_last_half_is_published(tmp_path: Path) -> None:
    candidates, history = _candidates(tmp_path, {10: 1.0, 20: 5.0, 30: 3.0, 40: 4.0})
    assert _choose(candidates, history, "best", 40) == 30
    assert _choose(candidates, history, "last", 40) == 40
    assert _choose(candidates, history, "best", 20) == 10
    assert _choose(candidates, History(), "best", 40) == 40


def test_the_highest_can_be_best_and_what_has_no_score_is_not_chosen(tmp_path: Path) -> None:
    candidates = Candidates(tmp_path, lambda path, _seen: path.touch(), score="dice", highest=True)
    history = History()
    for seen, score in {10: 0.2, 20: 0.9, 30: 0.5, 40: float("nan")}.items():
        candidates.keep(seen)
        history.note(seen, {"dice": score})
    assert _choose(candidates, history, "best", 40) == 20


def test_dropping_beaten_candidates_changes_no_choice(tmp_path: Path) -> None:
    scores = {10: 6.0, 20: 2.0, 30: 5.0, 40: 3.0, 50: 4.0}
    candidates, history = _candidates(tmp_path, scores)
    before = [_choose(candidates, history, "best", budget) for budget in (50, 60, 80, 100)]
    candidates.drop_beaten(history, 50)
    assert [_choose(candidates, history, "best", budget) for budget in (50, 60, 80, 100)] == before
    assert beaten(scores) == [30, 10]
    assert len(list(tmp_path.iterdir())) == 3
