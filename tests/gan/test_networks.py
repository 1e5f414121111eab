"""Shapes, gradients and the algebra of the two networks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from radgen.errors import ConfigError
from radgen.gan.discriminator import Discriminator, minibatch_deviation
from radgen.gan.generator import Generator, GeneratorShape, scales_of
from radgen.gan.layers import ModulatedConv, clip_grey, upsample
from radgen.gan.mapping import Mapping
from radgen.gan.settings import GanSettings
from tests.gan import toys


@pytest.mark.parametrize(("resolution", "channels", "noise"), [(8, 1, False), (16, 1, True), (32, 2, True)])
def test_generator_makes_images_and_one_map_per_scale(resolution: int, channels: int, noise: bool) -> None:
    shape = GeneratorShape(resolution, channels, 3, 4, 8, 1, (8, 6), noise=noise)
    network = Generator(shape)
    images, features = network.synthesise(torch.randn(5, 8), torch.randn(5, network.noise_length))
    assert images.shape == (5, channels, resolution, resolution)
    assert images.dtype == torch.float32
    assert list(features) == list(network.feature_channels)
    for scale, (name, value) in zip(scales_of(resolution), features.items(), strict=True):
        assert value.shape == (5, network.feature_channels[name], scale, scale)


def test_a_style_per_layer_reaches_its_own_layer_and_those_above() -> None:
    network = toys.generator()
    assert network.layers == 5
    w, noise = torch.randn(3, 12), torch.randn(3, network.noise_length)
    images, features = network.synthesise(w, noise)
    layers = w[:, None].repeat(1, network.layers, 1)
    assert torch.equal(network.synthesise(layers, noise)[0], images)
    for layer in range(network.layers):
        changed = layers.clone()
        changed[:, layer] += 1
        _, found = network.synthesise(changed, noise)
        # Layers 1 and 2 make the second scale, 3 and 4 the third.
        same = [torch.equal(found[name], features[name]) for name in features]
        assert same == [2 * scale < layer for scale in range(3)]


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    generator = Generator(toys.SHAPE)
    discriminator = Discriminator(toys.SHAPE, (6, 8, 8))
    classes = torch.arange(8) % 2
    images = generator(torch.randn(8, 6), classes, torch.randn(8, generator.noise_length))
    trunk = discriminator.trunk(images)
    read = torch.cat(discriminator.read(trunk), dim=1)
    loss = F.softplus(-discriminator.judge(trunk, classes)).mean() + read.square().mean()
    loss.backward()
    for network in (generator, discriminator):
        _every_gradient(network)


def _every_gradient(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_default_networks_hold_about_six_hundred_thousand_parameters() -> None:
    settings = GanSettings()
    shape = GeneratorShape(64, 1, 2, settings.z_dim, settings.w_dim, 2, settings.generator_channels, noise=True)
    for network in (Generator(shape), Discriminator(shape, settings.discriminator_channels)):
        assert 0.5e6 < sum(parameter.numel() for parameter in network.parameters()) < 0.8e6


@pytest.mark.parametrize("double", [False, True])
def test_modulated_convolution_equals_a_convolution_of_its_own_for_each_image(double: bool) -> None:
    torch.manual_seed(1)
    size = 16 if double else 8
    layer = ModulatedConv(5, 7, 4, gain=1.3, size=size)
    nn.init.normal_(layer.bias)
    nn.init.normal_(layer.style.bias)
    x, w = torch.randn(3, 5, 8, 8), torch.randn(3, 4)
    found = layer(x, w, double=double)
    for number in range(3):
        style = layer.style(w)[number]
        weight = layer.weight * style[None, :, None, None]
        weight = weight / weight.square().sum(dim=(1, 2, 3), keepdim=True).sqrt() * 1.3
        source = upsample(x[number : number + 1]) if double else x[number : number + 1]
        expected = F.conv2d(source, weight, padding=1) + layer.bias
        torch.testing.assert_close(found[number : number + 1], expected, rtol=1e-4, atol=1e-5)


def test_noise_is_added_before_the_activation() -> None:
    layer = ModulatedConv(2, 3, 4)
    x, w, noise = torch.randn(1, 2, 4, 4), torch.randn(1, 4), torch.randn(1, 1, 4, 4)
    torch.testing.assert_close(layer(x, w, noise=noise), layer(x, w) + noise)


def test_class_changes_image_and_verdict() -> None:
    generator = toys.generator()
    z, noise = torch.randn(4, 6), torch.randn(4, generator.noise_length)
    one, two = (generator(z, torch.full((4,), number), noise) for number in (0, 1))
    assert not torch.equal(one, two)
    discriminator = Discriminator(toys.SHAPE, (6,))
    verdicts = [discriminator(one, torch.full((4,), number)) for number in (0, 1)]
    assert verdicts[0].shape == (4,)
    assert not torch.equal(*verdicts)


def test_trunk_read_and_judged_is_the_verdict() -> None:
    discriminator = Discriminator(toys.SHAPE, (6, 8))
    images, classes = torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 1, 0])
    trunk = discriminator.trunk(images)
    torch.testing.assert_close(discriminator.judge(trunk, classes), discriminator(images, classes))
    mean, log_variance = discriminator.read(trunk)
    assert mean.shape == log_variance.shape == (4, toys.SHAPE.z_dim)


def test_first_images_are_an_even_grey() -> None:
    torch.manual_seed(0)
    generator = Generator(toys.SHAPE)
    images = generator(torch.randn(16, 6), torch.zeros(16, dtype=torch.long), torch.randn(16, generator.noise_length))
    assert images.std() < 0.25


def test_grey_levels_are_clipped_and_clipped_ones_can_come_back() -> None:
    x = torch.tensor([-3.0, -3.0, 0.5, 2.0, 2.0], requires_grad=True)
    y = clip_grey(x)
    assert y.tolist() == [-1.0, -1.0, 0.5, 1.0, 1.0]
    y.backward(torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, -1.0, 1.0, 1.0, 0.0]


def test_minibatch_deviation_sees_equal_images() -> None:
    x = torch.randn(1, 3, 4, 4).expand(8, -1, -1, -1)
    assert minibatch_deviation(x).max() < 2e-3
    varied = minibatch_deviation(torch.randn(8, 3, 4, 4))
    assert varied.shape == (8, 1, 4, 4)
    assert varied.min() > 0.3


def test_class_average_follows_the_styles_of_its_class_alone() -> None:
    torch.manual_seed(2)
    mapping = Mapping(4, 8, 2, 2)
    classes = torch.zeros(64, dtype=torch.long)
    for _ in range(60):
        mapping.track(mapping(torch.randn(64, 4), classes).detach(), classes)
    expected = mapping(torch.randn(20_000, 4), torch.zeros(20_000, dtype=torch.long)).mean(dim=0)
    torch.testing.assert_close(mapping.w_avg[0], expected, rtol=0.15, atol=0.05)
    assert mapping.w_avg[1].abs().max() == 0


@pytest.mark.parametrize("resolution", [4, 50, 96])
def test_impossible_resolution_is_refused_with_a_possible_one(resolution: int) -> None:
    with pytest.raises(ConfigError, match=rf"images of {resolution} pixels: .* set the slices' size to (8|64|128)"):
        scales_of(resolution)
