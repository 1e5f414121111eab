"""Changes are shown more often while the discriminator knows its real images by heart."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from radgen.gan.adaptive import Adaptive, sureness
from radgen.gan.settings import MOST_AUGMENTED, AugmentSettings, GanSettings
from radgen.gan.train import gan_trainer
from radgen.imageset.torch import RowBatches
from radgen.settings import build
from tests.gan import toys

ADAPTIVE = AugmentSettings(probability=0.2, adapt_images=4_000, target_sureness=0.6)


def _after(found: float, images: int, batch_size: int = 8) -> Adaptive:
    state = Adaptive(ADAPTIVE)
    for _ in range(images // batch_size):
        state.adapt(found, batch_size=batch_size)
    return state


def _chance(state: Adaptive) -> float:
    return state.now().probability


def test_it_rises_while_the_discriminator_is_sure_and_falls_while_it_is_in_doubt() -> None:
    assert _chance(_after(1.0, 2_000)) > 0.5
    assert _chance(_after(0.2, 400)) == pytest.approx(0.1)
    assert _chance(_after(1.0, 40_000)) == MOST_AUGMENTED
    assert _chance(_after(-1.0, 40_000)) == 0


def test_it_moves_by_images_seen_whatever_the_batch() -> None:
    assert _chance(_after(0.0, 400, batch_size=8)) == pytest.approx(_chance(_after(0.0, 400, batch_size=40)))


def test_one_odd_batch_turns_nothing_around() -> None:
    sure = _after(1.0, 1_000)
    before = _chance(sure)
    sure.adapt(-1.0, batch_size=8)
    assert _chance(sure) > before


def test_without_adaptation_it_stays() -> None:
    fixed = Adaptive(AugmentSettings(probability=0.3))
    fixed.adapt(1.0, batch_size=8)
    assert _chance(fixed) == 0.3


def test_sureness_looks_at_signs_and_for_a_relativistic_loss_at_pairs() -> None:
    real, fake = torch.tensor([5.0, 5.0, 5.0, -1.0]), torch.tensor([6.0, 6.0, 6.0, -2.0])
    assert float(sureness(real, fake, relative=False)) == 0.5
    assert float(sureness(real, fake, relative=True)) == -0.5


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="adapt_images must be 0 or more, not -1"):
        AugmentSettings(adapt_images=-1)
    with pytest.raises(ValueError, match=r"target_sureness must lie between 0 and 1, not 1\.5"):
        AugmentSettings(target_sureness=1.5)


def test_training_adapts_what_is_shown_and_resumes_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = toys.images_of(study)
    rows = images.rows_where(split="train")
    ids = images.column("class_id")[rows].astype(int)
    changes = {"rebuild": {"alone_images": 0}, "augment": {"probability": 0.2, "adapt_images": 100}}
    settings = build(GanSettings, toys.GAN | changes)
    one, two = (
        gan_trainer(
            toys.fresh(settings),
            settings,
            RowBatches(images, rows, ids, seed=1, balanced=True),
            torch.device("cpu"),
        )
        for _ in range(2)
    )
    shown: list[float] = []

    def spy(pictures: torch.Tensor, augment: AugmentSettings, _random: object) -> torch.Tensor:
        shown.append(augment.probability)
        return pictures

    monkeypatch.setattr("radgen.gan.residual_game.augment", spy)
    for seen in (0, 8, 16):
        one.step(seen)
    assert shown[0] == shown[1] == 0.2
    assert shown[2] != 0.2
    two.load_state(copy.deepcopy(one.state()))
    assert one.step(24) == two.step(24)
    assert shown[-1] == shown[-3]
