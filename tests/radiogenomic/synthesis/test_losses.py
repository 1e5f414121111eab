"""Losses: the four kinds of pairs with their targets, the eroded outside, the background."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from radgen.radiogenomic.synthesis.losses import (
    Real,
    background_loss,
    discriminator_loss,
    generator_loss,
    outside,
)
from radgen.radiogenomic.synthesis.networks import Verdicts
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings

SETTINGS = RadiogenomicSettings()
# An image of value i and a mask of value m stand for themselves: 1 the patient's, 2 another's.
OWN, OTHER, CODE = 1.0, 2.0, 5.0


class Oracle:
    """Knows the truth about real pairs."""

    def judge_images(self, images: Tensor) -> Tensor:
        return torch.ones(len(images))

    def judge_pairs(self, images: Tensor, masks: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        assert bool((codes == CODE).all())
        image, mask = images.mean(dim=(1, 2, 3)), masks.mean(dim=(1, 2, 3))
        return (image == mask).float(), ((image == mask) & (image == OWN)).float()


def filled(value: float) -> Tensor:
    return torch.full((3, 1, 4, 4), value)


REAL = Real(filled(OWN), filled(OWN), filled(OTHER), filled(OTHER))
CODES = torch.full((3, 2), CODE)


def test_who_tells_all_four_pairs_apart_has_no_loss() -> None:
    nothing = Verdicts(*torch.zeros(3, 3))
    loss, parts = discriminator_loss(Oracle(), nothing, REAL, CODES, SETTINGS)  # type: ignore[arg-type]
    assert float(loss) == 0
    assert set(parts) == {"image", "pair", "match"}


@pytest.mark.parametrize(
    ("wrong", "weight"), [("image", SETTINGS.c_i), ("pair", SETTINGS.c_is), ("match", SETTINGS.c_isc)]
)
def test_taking_a_drawn_image_for_real_costs_the_weight_of_its_verdict(wrong: str, weight: float) -> None:
    taken = Verdicts(*torch.zeros(3, 3))._replace(**{wrong: torch.ones(3)})
    loss, _ = discriminator_loss(Oracle(), taken, REAL, CODES, SETTINGS)  # type: ignore[arg-type]
    assert float(loss) == pytest.approx(weight / 4)


class Blind(Oracle):
    """Does not see that another patient's image is no match."""

    def judge_pairs(self, images: Tensor, masks: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        pair, _ = super().judge_pairs(images, masks, codes)
        return pair, pair


def test_another_patients_image_with_these_genes_is_no_match() -> None:
    loss, _ = discriminator_loss(Blind(), Verdicts(*torch.zeros(3, 3)), REAL, CODES, SETTINGS)  # type: ignore[arg-type]
    assert float(loss) == pytest.approx(SETTINGS.c_isc / 4)


def test_the_generator_wants_all_verdicts_at_one() -> None:
    assert float(generator_loss(Verdicts(*torch.ones(3, 3)), SETTINGS)) == 0
    assert float(generator_loss(Verdicts(*torch.zeros(3, 3)), SETTINGS)) == pytest.approx(19.0)


def test_the_outside_is_eroded_by_half_the_square() -> None:
    mask = torch.full((1, 1, 9, 9), -1.0)
    mask[0, 0, 4, 4] = 0.5
    assert float(outside(mask, 1).sum()) == 80
    region = outside(mask, 5)
    assert float(region.sum()) == 81 - 25
    assert float(region[0, 0, 2:7, 2:7].sum()) == 0


def test_the_background_loss_sees_the_outside_alone_and_weighs_images_equally() -> None:
    background = torch.zeros(2, 1, 9, 9)
    mask = torch.full((2, 1, 9, 9), -1.0)
    mask[0, 0, 3:6, 3:6] = 1.0
    image = background.clone()
    image[0, 0, 1:8, 1:8] = 1.0  # within reach of the mask: no difference counts
    assert float(background_loss(image, mask, background, 5)) == 0
    assert float(background_loss(image, mask, background, 1)) > 0
    image = torch.stack([torch.full((1, 9, 9), 0.5), background[1]])
    assert float(background_loss(image, mask, background, 5)) == pytest.approx(0.25)


def test_a_mask_that_covers_everything_costs_nothing_and_is_no_division_by_zero() -> None:
    ones = torch.ones(1, 1, 9, 9)
    assert float(background_loss(ones, ones, -ones, 5)) == 0
