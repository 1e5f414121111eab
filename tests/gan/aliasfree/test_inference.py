"""The faster forms without gradients give what the plain ones give."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from radgen.gan.aliasfree.generator import AliasFreeGenerator
from radgen.gan.aliasfree.inference import convolve
from tests.gan.aliasfree import reference
from tests.gan.aliasfree.test_generator import SHAPES, latents, network
from tests.gan.aliasfree.test_layer import CASES, inputs_of, layer_of


@pytest.mark.parametrize(("height", "width"), [(3, 3), (6, 6), (9, 14), (38, 37)])
def test_convolution_by_tiles(height: int, width: int) -> None:
    x, weight = torch.randn(3, 5, height, width), torch.randn(7, 5, 3, 3)
    found = convolve(x.permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, F.conv2d(x, weight), rtol=1e-4, atol=1e-4)  # sums of 45 about 7


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_layer_without_gradients_equals_its_reference(kind: str, place: int) -> None:
    layer = layer_of(kind, place)
    layer._by_tiles = layer.plan.kernel == 3
    x, w = inputs_of(layer)
    x = x[:, :, layer.needed.start : layer.needed.stop, layer.needed.start : layer.needed.stop]
    with torch.no_grad():
        found = layer(x, w)
    torch.testing.assert_close(found, layer(x, w).detach(), rtol=1e-4, atol=2e-5)
    if len(layer.needed) == layer.plan.in_size and kind == "separable":
        torch.testing.assert_close(found.double(), reference.filtered_layer(layer, x, w), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_whole_generator_without_gradients(name: str) -> None:
    stage = dataclasses.replace(SHAPES[name].stem, channel_base=640, channel_max=80)  # more than a chunk, and tiles
    heads = tuple(dataclasses.replace(head, channel_base=640, channel_max=80) for head in SHAPES[name].heads)
    generator: AliasFreeGenerator = network(dataclasses.replace(SHAPES[name], stem=stage, heads=heads))
    w = generator.mapping(*latents(generator.shape))
    expected, maps = generator.draw(w)
    with torch.no_grad():
        found, fast = generator.draw(w)
        again, _ = generator.draw(w)
    assert torch.equal(found, again)
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-5)
    for scale, value in maps.items():
        torch.testing.assert_close(fast[scale], value.detach(), rtol=1e-3, atol=1e-4)
