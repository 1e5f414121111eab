"""The whole generator: parts, features, equivariance, growth."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.gan.aliasfree.generator import AliasFreeGenerator, continue_from
from radgen.gan.aliasfree.schedule import AliasFreeShape, Stage

STEM = AliasFreeShape(1, 3, Stage(16, 5, 96, 16), z_dim=6, w_dim=8, embedding_dim=5)
GROWN = dataclasses.replace(STEM, heads=(Stage(32, 4, 96, 16),))
TWICE = dataclasses.replace(STEM, heads=(*GROWN.heads, Stage(64, 3, 96, 16)))
SHAPES = {
    "stem": STEM,
    "grown": GROWN,
    "twice": TWICE,
    "radial": dataclasses.replace(GROWN, filters="radial"),
    "one class, three channels": dataclasses.replace(GROWN, classes=1, embedding_dim=0, image_channels=3),
}


def network(shape: AliasFreeShape, seed: int = 0) -> AliasFreeGenerator:
    torch.manual_seed(seed)
    return AliasFreeGenerator(shape)


def latents(shape: AliasFreeShape, count: int = 4) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    return torch.randn(count, shape.z_dim, generator=random), torch.arange(count) % shape.classes


@pytest.mark.parametrize("name", SHAPES)
def test_images_and_one_map_for_each_scale(name: str) -> None:
    shape = SHAPES[name]
    generator = network(shape)
    z, classes = latents(shape)
    images, features = generator.synthesise(generator.mapping(z, classes), torch.zeros(4, 0))
    assert images.shape == (4, shape.image_channels, shape.resolution, shape.resolution)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    torch.testing.assert_close(images, generator(z, classes, torch.zeros(4, 0)), rtol=0, atol=0)
    assert generator.noise_length == 0
    assert list(features) == list(generator.feature_channels)
    assert list(features)[-1] == f"scale_{shape.resolution:03d}"
    for name_, value in features.items():
        scale = int(name_.removeprefix("scale_"))
        assert value.shape == (4, generator.feature_channels[name_], scale, scale)


@pytest.mark.parametrize("name", SHAPES)
def test_gradient_reaches_every_parameter_and_styles_twice(name: str) -> None:
    generator = network(SHAPES[name])
    z, classes = latents(SHAPES[name])
    w = generator.mapping(z, classes)
    images, _ = generator.draw(w)
    # As the path length does: a gradient of a gradient.
    (slope,) = torch.autograd.grad((images * torch.randn_like(images)).sum(), w, create_graph=True)
    (slope.square().sum() + images.square().sum()).backward()
    for key, parameter in generator.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


def test_same_seed_same_images_and_each_image_its_own_style() -> None:
    z, classes = latents(GROWN)
    one, two = network(GROWN), network(GROWN)
    assert torch.equal(one(z, classes), two(z, classes))
    w = one.mapping(z, classes)
    together, _ = one.draw(w)
    alone, _ = one.draw(w[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_styles_may_differ_from_layer_to_layer() -> None:
    generator = network(GROWN)
    nn.init.normal_(generator.input.affine.weight)
    w = generator.mapping(*latents(GROWN))
    each = w[:, None].repeat(1, generator.layers, 1)
    torch.testing.assert_close(generator.draw(each)[0], generator.draw(w)[0])
    for place in range(generator.layers):
        other = each.clone()
        other[:, place] += 1
        assert not torch.allclose(generator.draw(other)[0], generator.draw(w)[0], atol=1e-6), place


@pytest.mark.parametrize("pixels", [1, 3])
def test_moving_the_input_moves_picture_and_features(pixels: int) -> None:
    generator = network(TWICE)
    w = generator.mapping(*latents(TWICE))
    still, maps = generator.draw(w)
    generator.input.transform[0, 2] = -pixels / 16  # to the right, by whole pixels of the smallest scale
    generator.input.transform[1, 2] = pixels / 16
    moved, moved_maps = generator.draw(w)
    for before, after in ((still, moved), *((maps[name], moved_maps[name]) for name in maps)):
        size = before.shape[-1]
        step = pixels * size // 16
        expected, found = before[:, :, step:, : size - step], after[:, :, : size - step, step:]
        error = (found - expected).square().mean() / expected.var()
        assert error < 1e-3, size  # the margins' zeros reach a little into the picture
        assert (after - before).square().mean() / before.var() > 0.05


@pytest.mark.parametrize("scale", [16, 32, 64])
def test_features_lie_where_the_picture_lies(scale: int) -> None:
    """A square of the picture depends most on the feature pixel that covers it."""
    generator = network(TWICE)
    places = {f"scale_{layer.plan.out_rate:03d}": layer for layer in generator.filtered}
    layer = places[f"scale_{scale:03d}"]  # the last one of its rate
    maps: list[Tensor] = []
    layer.register_forward_hook(lambda _module, _inputs, output: maps.append(output))
    w = generator.mapping(*latents(TWICE, 1)).detach().requires_grad_()
    for row, column in ((scale // 4, scale // 2), (scale // 2, 3 * scale // 4)):
        images, features = generator.draw(w)
        side = 64 // scale
        square = images[:, :, row * side : (row + 1) * side, column * side : (column + 1) * side]
        (slope,) = torch.autograd.grad(square.sum(), maps[-1])
        margin = (layer.plan.out_size - scale) // 2
        start = margin - layer.wanted.start
        inside = maps[-1][:, :, start : start + scale, start : start + scale]
        assert torch.equal(features[f"scale_{scale:03d}"], inside)
        weight = slope.square().sum(dim=(0, 1))
        along = torch.arange(len(weight)) - start
        for axis, expected in ((0, row), (1, column)):
            found = (weight.sum(dim=1 - axis) * along).sum() / weight.sum()
            assert abs(found - expected) < 0.7


def test_growth_keeps_mapping_input_and_layers() -> None:
    stem, grown = network(STEM, 1), network(GROWN, 2)
    stem.mapping.w_avg.normal_()
    continue_from(grown, stem)
    new = {name for name, _ in grown.learning()}
    own = ("filtered.3.", "filtered.4.", "filtered.5.", "filtered.6.", "to_image.")
    assert new == {name for name, _ in grown.named_parameters() if name.startswith(own)}
    for name, value in grown.named_parameters():
        if name not in new:
            assert torch.equal(value, stem.state_dict()[name])
    for name in ("mapping.w_avg", "input.frequencies", "input.phases", "filtered.0.magnitude"):
        assert torch.equal(grown.state_dict()[name], stem.state_dict()[name])
    assert {name for name, _ in stem.learning()} == {name for name, _ in stem.named_parameters()}


def test_kept_layers_compute_what_they_did() -> None:
    stem, grown = network(STEM, 1), network(GROWN, 2)
    continue_from(grown, stem)
    w = grown.mapping(*latents(STEM))
    first, second = (each.input(w, each.filtered[0].needed) for each in (stem, grown))
    for one, two in zip(stem.filtered[:3], grown.filtered[:3], strict=True):
        assert one.plan == two.plan
        first, second = one(first, w), two(second, w)
        torch.testing.assert_close(first, second)


def test_growth_twice_and_restart_from_a_better_stem() -> None:
    grown, twice = network(GROWN, 1), network(TWICE, 2)
    continue_from(twice, grown)
    new = {name for name, _ in twice.learning()}
    assert all(
        torch.equal(value, grown.state_dict()[name]) for name, value in twice.named_parameters() if name not in new
    )
    better = network(GROWN, 5)
    heads = {name: value.clone() for name, value in twice.named_parameters() if name in new}
    continue_from(twice, better)
    assert all(torch.equal(twice.state_dict()[name], value) for name, value in heads.items())
    assert torch.equal(twice.mapping.layers[0].weight, better.mapping.layers[0].weight)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (dataclasses.replace(TWICE, stem=Stage(16, 6, 96, 16)), "do not continue"),
        (dataclasses.replace(GROWN, classes=4), r"mapping\.embedding is \(3, 5\) .* \(4, 5\) here"),
    ],
)
def test_growth_on_another_chain_is_refused(shape: AliasFreeShape, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        continue_from(network(shape), network(STEM))


def test_class_embeddings_are_taken_and_learn() -> None:
    given = torch.randn(3, 5)
    generator = AliasFreeGenerator(STEM, given)
    assert torch.equal(generator.mapping.embedding, given)
    assert generator.mapping.embedding is not given
    with pytest.raises(ConfigError, match=r"embeddings of shape \(2, 5\), but 3 classes .* length 5"):
        AliasFreeGenerator(STEM, torch.randn(2, 5))


def test_class_average_draws_and_follows() -> None:
    mapping = network(STEM).mapping
    z, _ = latents(STEM, 64)
    classes = torch.zeros(64, dtype=torch.long)
    for _ in range(100):
        mapping.track(mapping(z, classes), classes)
    w = mapping(z, classes)
    torch.testing.assert_close(mapping.w_avg[0], w.mean(dim=0), rtol=1e-3, atol=1e-4)
    assert mapping.w_avg[1].abs().max() == 0
    torch.testing.assert_close(mapping.truncate(w, classes, 0.0), mapping.w_avg[:1].expand(64, -1))
    torch.testing.assert_close(mapping.truncate(w, classes, 1.0), w)
