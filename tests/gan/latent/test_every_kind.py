"""Every kind of generator goes through every latent tool by the protocol alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from radgen.gan.aliasfree.generator import AliasFreeGenerator
from radgen.gan.aliasfree.schedule import AliasFreeShape, Stage
from radgen.gan.generator import Generator
from radgen.gan.kinds import ImageGenerator
from radgen.gan.latent.centroids import find_centroids
from radgen.gan.latent.interpolation import walk
from radgen.gan.latent.inversion import invert, likeness, nearest_start, psnr_db, tune
from radgen.gan.latent.mixing import mix
from radgen.gan.latent.settings import InversionSettings
from radgen.gan.latent.styles import Truncation, draw_style, paint
from tests.gan import toys

KINDS = {
    "residual": lambda: Generator(toys.SHAPE),
    "alias-free": lambda: AliasFreeGenerator(
        AliasFreeShape(1, 2, Stage(16, 5, 256, 12), z_dim=6, w_dim=12, embedding_dim=4)
    ),
}


@pytest.fixture(params=KINDS)
def generator(request: pytest.FixtureRequest) -> ImageGenerator:
    """An untrained toy of one kind."""
    torch.manual_seed(0)
    made: Any = KINDS[request.param]().eval().requires_grad_(requires_grad=False)
    made.mapping.w_avg.normal_()
    found: ImageGenerator = made
    return found


def test_truncation_mixing_and_walks(generator: ImageGenerator) -> None:
    centroids = find_centroids(generator, 2, seed=1, styles=64)
    near = draw_style(generator, 1, 3, Truncation(0.0, centroids))
    assert any(torch.equal(near.w[0], centre) for centre in centroids.centres[centroids.class_ids == 1])
    one, other = draw_style(generator, 0, 1), draw_style(generator, 1, 1)
    assert one.w.shape == (generator.layers, 12)
    film = [paint(generator, style) for style in walk([one, other], 3)]
    assert np.array_equal(film[0], paint(generator, one))
    assert np.array_equal(film[-1], paint(generator, other))
    last = generator.layers - 1
    assert torch.equal(mix(one, other, last).w[:last], one.w[:last])
    first, mixed = (generator.synthesise(style.w[None], style.noise[None])[1] for style in (one, mix(one, other, last)))
    assert all(torch.equal(first[name], mixed[name]) for name in list(first)[:-1])


def test_inversion_and_tuning(generator: ImageGenerator) -> None:
    settings = InversionSettings(candidates=16, steps=15, tune=15)
    image = toys.picture(1, np.random.default_rng(0))
    near = likeness(generator, image, None, settings)
    start = nearest_start(generator, near, [0, 1], settings)
    pivot = invert(generator, near, start, settings)
    tuned = tune(generator, near, pivot, [0, 1], settings)
    noise = torch.zeros(1, generator.noise_length)
    losses = [float(near.loss(generator.synthesise(w, noise)[0])) for w in (start[None], pivot.w[None])]
    assert losses[1] < losses[0]
    assert psnr_db(paint(tuned, pivot), image) > psnr_db(paint(generator, pivot), image)
