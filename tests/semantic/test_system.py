"""Training: both modes learn, parts equal the whole, a stopped training ends in the same bytes."""

from __future__ import annotations

import copy
import math
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from radgen.errors import CheckpointError, Interrupted
from radgen.semantic.checkpoint import SemanticCard, load_semantic, save_semantic
from radgen.semantic.generator import SemanticShape
from radgen.semantic.losses import balanced_entropy, generated_entropy, label_mask, likeness
from radgen.semantic.maps.batches import PairBatches, UnpairedBatches
from radgen.semantic.settings import SemanticSettings
from radgen.semantic.system import SemanticSystem, semantic_trainer
from radgen.settings import as_plain
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.loop import Plan, train
from radgen.training.state import StateStore
from tests.semantic import toys
from tests.semantic.maps.toys import SCHEMA, discs, write_pairs

MODES = ("paired", "unpaired")


@pytest.mark.parametrize("mode", MODES)
def test_two_parts_give_the_losses_and_gradients_of_the_whole(mode: str) -> None:
    whole, parts = (
        toys.trainer(mode, part_size=size, variety=1.0, variety_ramp_images=0, balance_power=0.5) for size in (None, 2)
    )
    one, two = whole.step(0), parts.step(0)
    assert one == pytest.approx(two, rel=1e-5)
    for name, player in whole.system.players.items():
        theirs = parts.system.players[name].network
        for ours, other in zip(player.network.parameters(), theirs.parameters(), strict=True):
            assert ours.grad is not None
            assert other.grad is not None
            torch.testing.assert_close(ours.grad, other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_the_discriminators_one_walk_back_gives_the_generators_gradient(penalty: float) -> None:
    system = toys.trainer("unpaired", segmentation=0.0, mask=0.0, penalty=penalty).system
    assert system.discriminator is not None
    part = system._part(0, 0, 4)
    fake = system.generator(part.maps, part.noise).detach().requires_grad_()
    slope, _ = system._unpaired(fake, part, 0.5)
    loss = torch.nn.functional.softplus(-system.discriminator(fake)).mean()
    (expected,) = torch.autograd.grad(loss, fake)
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-8)


def test_variety_drives_images_from_those_of_other_noise_by_a_share_of_the_judges_push() -> None:
    system = toys.trainer("paired", variety=0.5, variety_most=2.0, variety_ramp_images=100).system
    part = system._part(100, 0, 4)
    fake = system.generator(part.maps, part.noise).detach().requires_grad_()
    judged = torch.ones_like(fake) * torch.arange(1, 5)[:, None, None, None]
    other = system.generator(part.maps, system._noise("semantic other noise", 0, 4)).detach()
    losses: dict[str, torch.Tensor] = {}
    slope = system._vary(fake, judged, part, losses)
    assert 0 < float(losses["likeness"]) < 2
    torch.testing.assert_close(slope.flatten(1).norm(dim=1), 0.5 * judged.flatten(1).norm(dim=1))
    assert float(likeness((fake - 1e-3 * slope).detach(), other, 2.0)) < float(losses["likeness"])
    content = toys.trainer("paired", variety=0.5, variety_most=1e-6).system
    part = content._part(5_000, 0, 4)
    assert not content._vary(fake, judged, part, losses).any()
    assert not toys.trainer("paired").system._vary(fake, judged, part, losses).any()


def test_the_push_apart_grows_with_the_maps_seen() -> None:
    system = toys.trainer("paired", variety=0.5, variety_most=2.0, variety_ramp_images=16).system
    fake = system.generator(system._part(0, 0, 4).maps, system._part(0, 0, 4).noise).detach().requires_grad_()
    pushes = [system._vary(fake, torch.ones_like(fake), system._part(seen, 0, 4), {}) for seen in (0, 4, 16, 400)]
    lengths = [float(push.norm()) for push in pushes]
    assert lengths == pytest.approx([0, lengths[2] / 4, lengths[2], lengths[2]])
    assert lengths[2] > 0
    at_once = toys.trainer("paired", variety=0.5, variety_most=2.0, variety_ramp_images=0).system
    assert at_once._vary(fake, torch.ones_like(fake), at_once._part(0, 0, 4), {}).any()


def test_the_paired_game_is_that_of_the_paper() -> None:
    for label_mix in (0.0, 5.0):
        system = toys.trainer("paired", mask=0.0, label_mix=label_mix).system
        part = system._part(0, 0, 4)
        fake = system.generator(part.maps, part.noise).detach().requires_grad_()
        slope, losses = system._paired(fake, part, 0.5)
        found = [parameter.grad for parameter in system.segmenter.parameters()]
        real, made = system.segmenter(part.real), system.segmenter(fake)
        convince = balanced_entropy(made, part.maps, part.weights)
        torch.testing.assert_close(slope, torch.autograd.grad(convince, fake, retain_graph=True)[0])
        loss = balanced_entropy(real, part.maps, part.weights) + generated_entropy(made)
        if label_mix:
            mask = label_mask(part.maps, 3, system._coins(part))
            mixed = system.segmenter(mask * part.real + (1 - mask) * fake)
            loss = loss + label_mix * (mixed - mask * real - (1 - mask) * made).square().mean()
        assert ("label_mix" in losses) == bool(label_mix)
        expected = torch.autograd.grad(0.5 * loss, list(system.segmenter.parameters()))
        torch.testing.assert_close(found, list(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_and_moments_lie_in_memory_as_their_weights_do(mode: str) -> None:
    trainer = toys.trainer(mode)  # the fused optimiser reads memory in order, whatever the strides say
    trainer.step(0)
    resumed = toys.trainer(mode)
    resumed.load_state(trainer.state())
    for player in resumed.system.players.values():
        for parameter, moments in player.optimiser.state.items():
            assert _lies(moments["exp_avg"]) == _lies(moments["exp_avg_sq"]) == _lies(parameter)
    for player in trainer.system.players.values():
        for weight in player.network.parameters():
            assert weight.grad is not None
            assert _lies(weight.grad) == _lies(weight)


def _lies(x: torch.Tensor) -> list[int]:
    return [step for step, size in zip(x.stride(), x.shape, strict=True) if size > 1]


@pytest.mark.parametrize("mode", MODES)
def test_all_networks_move_and_the_average_follows(mode: str) -> None:
    trainer = toys.trainer(mode)
    before = copy.deepcopy(trainer.state())
    for seen in (0, 4):
        assert trainer.step(seen)
    after = trainer.state()
    for name in (*trainer.system.players, "average"):
        assert any(not torch.equal(after[name][key], value) for key, value in before[name].items())


def _kill_at(trainer: AdversarialTrainer[SemanticSystem], image: int) -> None:
    step = trainer.step

    def killed(seen_images: int) -> dict[str, float]:
        if seen_images == image:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(seen_images)

    trainer.step = killed  # type: ignore[method-assign]


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_training_ends_in_the_same_bytes(tmp_path: Path, mode: str) -> None:
    plan = Plan(budget_images=24, tick_images=12, save_every_images=8)
    files = []
    for name in ("straight", "stopped"):
        folder = tmp_path / name
        folder.mkdir()

        def run(trainer: AdversarialTrainer[SemanticSystem], folder: Path = folder) -> Mapping[int, float]:
            store = StateStore(folder, print)
            history = train(trainer, plan, store, label="toy", on_tick=lambda *_: {}, on_save=lambda *_: None).history
            return history.of("loss_generator") or history.of("loss_real")

        trainer = toys.trainer(mode, penalty_every=2)
        if name == "stopped":
            _kill_at(trainer, 12)
            with pytest.raises(Interrupted):
                run(trainer)
            trainer = toys.trainer(mode, penalty_every=2)
        curve = run(trainer)
        system = trainer.system
        card = SemanticCard(system.shape, ("air", "body", "organ"), "toy", 24, as_plain(system.settings))
        save_semantic(folder / "weights.safetensors", system.average.state_dict(), card)
        files.append(((folder / "weights.safetensors").read_bytes(), curve))
    assert files[0] == files[1]
    loaded, card = load_semantic(tmp_path / "straight" / "weights.safetensors", torch.device("cpu"))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert (card.label_names, card.seen_images, loaded.shape) == (("air", "body", "organ"), 24, system.shape)


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(CheckpointError, match=r"weights.safetensors: not readable as weights of a semantic generator"):
        load_semantic(path, torch.device("cpu"))
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="holds no semantic generator; give weights that semantic training wrote"):
        load_semantic(path, torch.device("cpu"))


@pytest.mark.parametrize("mode", MODES)
def test_batches_of_an_image_set_train_both_modes(tmp_path: Path, mode: str) -> None:
    pairs = write_pairs(tmp_path, discs(8))
    batches: PairBatches | UnpairedBatches = PairBatches(pairs, range(8), SCHEMA, seed=1)
    if mode == "unpaired":
        batches = UnpairedBatches(pairs, range(4), pairs, range(4, 8), SCHEMA, seed=1)
    settings = SemanticSettings(mode=mode, networks=toys.TINY, precision="fp32", part_size=2)
    shape = SemanticShape(*pairs.mask_shape, 1, len(SCHEMA.labels), toys.TINY)
    losses = semantic_trainer(shape, settings, batches, torch.device("cpu")).step(0)
    assert all(math.isfinite(value) for value in losses.values())
    assert losses["generator"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "both"}, "mode must be one of paired, unpaired, not 'both'"),
        ({"batch_size": 4, "part_size": 3}, "part_size must divide batch_size 4, but it is 3"),
        ({"mask": -1.0}, "mask must be 0 or more, not -1.0"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SemanticSettings(**options)  # type: ignore[arg-type]
