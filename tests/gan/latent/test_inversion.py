"""Inversion of images whose style is known, its score, and what tuning bends and holds."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from radgen.errors import InputError
from radgen.features.network import ConvEncoder, NetworkShape
from radgen.gan.generator import Generator
from radgen.gan.latent.inversion import Likeness, invert, likeness, nearest_start, psnr_db, tune
from radgen.gan.latent.settings import InversionSettings
from radgen.gan.latent.styles import Style, draw_style, paint
from tests.gan import toys

QUIET = dataclasses.replace(toys.SHAPE, noise=False)
SETTINGS = InversionSettings(candidates=256, steps=300, learning_rate=0.1)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """A toy generator whose images tell much of their style."""
    made = toys.generator(shape=QUIET)
    with torch.no_grad():
        for layer in made.to_image:
            layer.weight.mul_(5)  # type: ignore[operator, union-attr]
    return made


def test_psnr_is_that_of_its_formula() -> None:
    random = np.random.default_rng(0)
    one, other = random.integers(0, 256, (2, 1, 16, 16), dtype=np.uint8)
    squares = [(int(a) - int(b)) ** 2 for a, b in zip(one.flat, other.flat, strict=True)]
    assert psnr_db(one, other) == pytest.approx(10 * math.log10(255 * 255 * len(squares) / sum(squares)), rel=1e-12)
    assert psnr_db(one, one) == math.inf


def test_the_start_is_the_candidate_most_alike_or_the_average(generator: Generator) -> None:
    average = generator.mapping.w_avg[1]
    style = Style(average.expand(generator.layers, -1), torch.zeros(0))
    near = likeness(generator, paint(generator, style), None, SETTINGS)
    assert torch.equal(nearest_start(generator, near, [0, 1], SETTINGS), average)
    few, many = (dataclasses.replace(SETTINGS, candidates=count) for count in (16, 256))
    near = likeness(generator, paint(generator, draw_style(generator, 1, 9)), None, SETTINGS)
    losses = [_loss(generator, near, nearest_start(generator, near, [1], settings)) for settings in (few, many)]
    assert losses[1] < losses[0]


def _loss(generator: Generator, near: Likeness, w: torch.Tensor) -> float:
    return float(near.loss(generator.synthesise(w[None], torch.zeros(1, 0))[0]))


def test_a_generated_image_is_found_again_from_near_its_own_style(generator: Generator) -> None:
    torch.manual_seed(0)
    style = draw_style(generator, 1, 4)
    image = paint(generator, style)
    near = likeness(generator, image, None, SETTINGS)
    start = style.w[0] + torch.randn(12)
    begin = psnr_db(paint(generator, Style(start.expand_as(style.w), style.noise)), image)
    found = invert(generator, near, start, SETTINGS)
    assert found.w.shape == (generator.layers, 12)
    assert begin < 32
    assert psnr_db(paint(generator, found), image) > 45


def test_the_search_never_ends_worse_than_it_began_and_is_repeatable(generator: Generator) -> None:
    image = paint(generator, draw_style(generator, 0, 8))
    wild = dataclasses.replace(SETTINGS, learning_rate=50.0, steps=5)
    near = likeness(generator, image, None, wild)
    start = generator.mapping.w_avg[0]
    one, two = (invert(generator, near, start, wild) for _ in range(2))
    assert torch.equal(one.w, two.w)
    assert float(near.loss(generator.synthesise(one.w[None], one.noise[None])[0])) <= _loss(generator, near, start)


def test_features_count_beside_pixels(generator: Generator) -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(NetworkShape(1, 16, 16, 4, 4, toys.CLASS_NAMES)).eval().requires_grad_(False)
    images = torch.rand(3, 1, 16, 16) * 2 - 1
    grey = ((images[:1] + 1) * 127.5).round().byte().numpy()[0]
    pixels = likeness(generator, grey, None, SETTINGS).loss(images)
    near = likeness(generator, grey, encoder, dataclasses.replace(SETTINGS, feature_weight=0.5))
    expected = pixels + 0.5 * (encoder(images) - encoder(near.target)).square().mean(dim=1)
    torch.testing.assert_close(near.loss(images), expected)
    assert float(expected[0]) < float(expected[1])


def test_an_image_of_another_size_is_refused(generator: Generator) -> None:
    with pytest.raises(
        InputError, match=r"the image is uint8 \(1, 8, 16\), but this generator makes uint8 \(1, 16, 16\)"
    ):
        likeness(generator, np.zeros((1, 8, 16), dtype=np.uint8), None, SETTINGS)


def test_tuning_reaches_the_image_and_holds_others_and_the_mapping(generator: Generator) -> None:
    image = toys.picture(1, np.random.default_rng(0))  # no image of this generator
    settings = dataclasses.replace(SETTINGS, steps=50, tune=150, tune_learning_rate=3e-3)
    near = likeness(generator, image, None, settings)
    pivot = invert(generator, near, nearest_start(generator, near, [1], settings), settings)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    held = tune(generator, near, pivot, [1], settings)
    free = tune(generator, near, pivot, [1], dataclasses.replace(settings, locality_weight=0.0))
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    for name, value in held.state_dict().items():
        assert torch.equal(value, before[name]) == (name.startswith("mapping.") or "noise" in name), name
    assert not any(value.requires_grad for value in held.parameters())
    reached = psnr_db(paint(held, pivot), image)
    assert reached > psnr_db(paint(generator, pivot), image) + 3

    def moved(tuned: Generator) -> float:
        styles = [draw_style(generator, 1, seed) for seed in range(16)]
        return float(np.mean([np.abs(paint(tuned, s).astype(float) - paint(generator, s)).mean() for s in styles]))

    assert moved(held) < moved(free)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 0}, "steps must be above 0, not 0"),
        ({"tune": -1}, "tune must be 0 or more"),
        ({"locality_share": 0}, "up to 1"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        InversionSettings(**changes)  # type: ignore[arg-type]
