"""Training: size is learnt from genes and not without the matching loss; a stopped training ends in the same bytes."""

from __future__ import annotations

import copy
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from radgen.errors import Interrupted
from radgen.radiogenomic.synthesis.networks import draw_noise
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings
from radgen.radiogenomic.synthesis.system import RadiogenomicSystem
from radgen.seeds import random_generator
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.loop import Plan, train
from radgen.training.state import StateStore
from tests.radiogenomic.synthesis import toys

STEPS = 400
LEARNING = {"g_lr": 1e-3, "d_lr": 1e-3, "ema": 0.99}


def areas_px(system: RadiogenomicSystem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return drawn and asked-for areas of 48 people who were not trained on."""
    random = random_generator("held out")
    genes = random.normal(size=(48, toys.GENES)).astype(np.float32)
    grounds = torch.from_numpy(np.stack([toys.ground(random) for _ in genes]))[:, None].float() / 127.5 - 1
    with torch.no_grad():
        noise = draw_noise(system.shape, list(range(len(genes))))
        drawn = system.average(torch.from_numpy(genes), noise, grounds)
    found = ((drawn.mask + 1) / 2).sum(dim=(1, 2, 3)).double().numpy()
    return found, np.array([np.pi * toys.radius_px(profile) ** 2 for profile in genes])


def learnt(**options: float) -> float:
    """Return the correlation of drawn and asked-for areas after a short training."""
    trainer = toys.trainer(**LEARNING, **options)
    for step in range(STEPS):
        trainer.step(step * trainer.batch_size)
    return float(np.corrcoef(*areas_px(trainer.system))[0, 1])


def test_the_size_of_a_nodule_is_learnt_from_genes() -> None:
    assert learnt() > 0.4


def test_nothing_is_learnt_from_genes_without_the_matching_loss() -> None:
    assert abs(learnt(c_isc=0.0)) < 0.3


def test_two_parts_give_the_losses_and_gradients_of_the_whole() -> None:
    whole, parts = toys.trainer(gene_dropout=0.3), toys.trainer(gene_dropout=0.3, part_size=4)
    one, two = whole.step(0), parts.step(0)
    assert one == pytest.approx(two, rel=1e-4)
    for name, player in whole.system.players.items():
        theirs = parts.system.players[name].network
        for ours, other in zip(player.network.parameters(), theirs.parameters(), strict=True):
            assert ours.grad is not None
            assert other.grad is not None
            torch.testing.assert_close(ours.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_the_discriminator_teaches_the_encoder_nothing_but_the_generators_loss() -> None:
    """The encoder's gradient is that of the generator's losses alone: with none of them it has none."""
    trainer = toys.trainer(c_i=0.0, c_is=0.0, c_isc=0.0, c_bg=0.0)
    trainer.step(0)
    assert not any(map(_any, trainer.system.generator.encoder.parameters()))
    trainer = toys.trainer(c_i=0.0, c_is=0.0, c_bg=0.0)
    trainer.step(0)
    assert any(map(_any, trainer.system.generator.encoder.parameters()))


def _any(parameter: torch.nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


def test_all_networks_move_and_the_average_follows() -> None:
    trainer = toys.trainer()
    before = copy.deepcopy(trainer.state())
    for step in range(3):
        trainer.step(step * trainer.batch_size)
    after = trainer.state()
    for name in ("generator", "discriminator", "average"):
        assert any(not torch.equal(after[name][key], value) for key, value in before[name].items())
    name = "encoder.first.weight"
    near = (after["average"][name] - after["generator"][name]).abs().max()
    assert 0 < near < (before["average"][name] - after["generator"][name]).abs().max()


def _kill_at(trainer: AdversarialTrainer[RadiogenomicSystem], image: int) -> None:
    step = trainer.step

    def killed(seen_images: int) -> dict[str, float]:
        if seen_images == image:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(seen_images)

    trainer.step = killed  # type: ignore[method-assign]


def test_a_stopped_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    plan, ends = Plan(budget_images=48, tick_images=24, save_every_images=16), []
    for name in ("straight", "stopped"):
        store = StateStore(tmp_path, print) if name == "stopped" else StateStore(tmp_path / "none", print)

        def run(trainer: AdversarialTrainer[RadiogenomicSystem], store: StateStore = store) -> None:
            train(trainer, plan, store, label="toy", on_tick=lambda *_: {}, on_save=lambda *_: None)

        trainer = toys.trainer(gene_dropout=0.2)
        if name == "stopped":
            _kill_at(trainer, 24)
            with pytest.raises(Interrupted):
                run(trainer)
            trainer = toys.trainer(gene_dropout=0.2)
        run(trainer)
        ends.append(trainer.system.average.state_dict())
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bs": 4, "part_size": 3}, "part_size must divide bs 4, but it is 3"),
        ({"c_isc": -1.0}, "c_isc must be 0 or more, not -1.0"),
        ({"ema": 1.0}, "ema must lie from 0 to below 1, not 1.0"),
        ({"erode_px": 4}, "erode_px odd, not 8 and 4"),
        ({"precision": "fp8"}, "precision must be one of auto, bf16, fp32, not 'fp8'"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RadiogenomicSettings(**options)  # type: ignore[arg-type]


def test_the_arguments_of_the_published_training_keep_names_and_defaults() -> None:
    published = {
        **{"device": "cuda:0", "ep": 500, "bs": 16, "seed": 12345, "save_interval": 50, "g_lr": 1e-4, "d_lr": 1e-4},
        **{"g_n_feat": 32, "d_n_feat": 64, "embed_dim": 128, "g_ls": 10, "code_kernel": 8, "c_i": 8, "c_is": 1},
        **{"c_isc": 10, "c_bg": 100, "workers": 4, "cr": 1.0},
    }
    settings = RadiogenomicSettings()
    assert {name: getattr(settings, name) for name in published} == published
