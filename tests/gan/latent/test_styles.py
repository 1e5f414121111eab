"""Styles by seed, their mixtures, and the ways between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from radgen.errors import ConfigError
from radgen.gan.latent.interpolation import between, slerp, walk
from radgen.gan.latent.mixing import mix
from radgen.gan.latent.styles import Style, draw_style, paint
from tests.gan import toys


def test_a_seed_is_one_latent_in_every_class_and_an_image_of_its_own() -> None:
    generator = toys.generator()
    one, other, again = (draw_style(generator, *key) for key in ((0, 5), (1, 5), (0, 5)))
    assert one.w.shape == (generator.layers, 12)
    assert torch.equal(one.noise, other.noise)
    assert not torch.equal(one.w, other.w)
    assert torch.equal(one.w, again.w)
    assert not np.array_equal(paint(generator, one), paint(generator, draw_style(generator, 0, 6)))
    image = paint(generator, one)
    assert (image.shape, image.dtype) == ((1, 16, 16), np.uint8)
    images, _ = generator.synthesise(one.w[None, 0], one.noise[None])
    assert np.array_equal(image, ((images[0].numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("first_fine", [0, 1, 3, 5])
def test_mixed_styles_have_the_coarse_maps_of_one_and_the_fine_layers_of_the_other(first_fine: int) -> None:
    generator = toys.generator()
    coarse, fine = draw_style(generator, 0, 1), draw_style(generator, 1, 2)
    mixed = mix(coarse, fine, first_fine)
    assert torch.equal(mixed.w[:first_fine], coarse.w[:first_fine])
    assert torch.equal(mixed.w[first_fine:], fine.w[first_fine:])
    maps, mixed_maps = (generator.synthesise(style.w[None], style.noise[None])[1] for style in (coarse, mixed))
    # Layer 0 makes the first scale, 1 and 2 the second, 3 and 4 the third.
    same = [torch.equal(maps[name], mixed_maps[name]) for name in maps]
    assert same == [2 * scale < first_fine for scale in range(3)]


def test_a_layer_that_is_not_there_is_refused() -> None:
    style = draw_style(toys.generator(), 0, 1)
    with pytest.raises(ConfigError, match=r"first fine layer 6: this generator has 5 layers; give 0 to 5"):
        mix(style, style, 6)


def test_a_walk_meets_its_keys_byte_for_byte() -> None:
    generator = toys.generator()
    keys = [draw_style(generator, *key) for key in ((0, 1), (1, 1), (1, 2))]
    films = [[paint(generator, style) for style in walk(keys, 4, loop=loop)] for loop in (False, True)]
    assert [len(film) for film in films] == [9, 12]
    for film, ends in zip(films, ((0, 4, 8), (0, 4, 8)), strict=True):
        for key, place in zip(keys, ends, strict=True):
            assert np.array_equal(film[place], paint(generator, key))
    # Between keys an image is nearer to both than they are to each other.
    one, middle, two = (films[0][place].astype(float) for place in (0, 2, 4))
    assert max(np.abs(middle - one).mean(), np.abs(middle - two).mean()) < np.abs(one - two).mean()


def test_the_way_between_classes_keeps_latent_and_noise() -> None:
    generator = toys.generator()
    one, other = draw_style(generator, 0, 3), draw_style(generator, 1, 3)
    half = between(one, other, 0.5)
    torch.testing.assert_close(half.w, (one.w + other.w) / 2)
    assert torch.equal(half.noise, one.noise)


def test_noise_keeps_its_length_on_the_way() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(4000), torch.randn(4000)
    for share in (0.25, 0.5, 0.75):
        assert float(slerp(one, other, share).std()) == pytest.approx(1, abs=0.05)
    torch.testing.assert_close(slerp(one, other, 1.0), other)
    assert torch.equal(slerp(one, one, 0.3), one)
    assert slerp(torch.zeros(0), torch.zeros(0), 0.5).shape == (0,)


@pytest.mark.parametrize(("count", "frames"), [(1, 3), (2, 0)])
def test_a_walk_without_a_way_is_refused(count: int, frames: int) -> None:
    style = Style(torch.zeros(5, 12), torch.zeros(0))
    with pytest.raises(ConfigError, match=rf"{count} key frames and {frames} frames from one to the next; give"):
        list(walk([style] * count, frames))
