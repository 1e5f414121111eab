"""Faster forms of layers and changes are the plain ones: values and gradients, in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.gan.augment import translate
from radgen.gan.discriminator import VARIANCE_FLOOR, minibatch_deviation
from radgen.gan.layers import add_bias, pointwise, upsample
from radgen.gan.settings import AugmentSettings


def _normal(*size: int) -> Tensor:
    return torch.randn(size, dtype=torch.float64, requires_grad=True)


def _same(one: Tensor, two: Tensor, inputs: tuple[Tensor, ...]) -> None:
    """Compare values and gradients of a random weighting of the outputs."""
    torch.testing.assert_close(one, two)
    weights = torch.randn_like(one)
    for found, expected in zip(
        torch.autograd.grad(one, inputs, weights), torch.autograd.grad(two, inputs, weights), strict=True
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [(3, 1, 4, 4), (2, 1, 8, 16), (2, 3, 8, 8)])
def test_upsampling_is_bilinear_for_one_channel_too(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = _normal(*size)
    _same(upsample(x), F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), (x,))


def test_entries_that_double_a_line_are_exact_in_bf16() -> None:
    x = torch.randn(2, 1, 16, 16)
    found = upsample(x.bfloat16()).float()
    expected = F.interpolate(x.bfloat16().float(), scale_factor=2, mode="bilinear", align_corners=False)
    assert (found - expected).abs().max() < 2 * 2**-8 * x.abs().max()


def test_pointwise_convolution_is_a_convolution() -> None:
    torch.manual_seed(0)
    x, weight, bias = _normal(3, 5, 4, 6), _normal(7, 5, 1, 1), _normal(7)
    _same(pointwise(x, weight, bias), F.conv2d(x, weight, bias), (x, weight, bias))
    x = x.detach().contiguous(memory_format=torch.channels_last)
    assert pointwise(x, weight, bias).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [1, 6])
def test_bias_is_added_and_learnt(size: int) -> None:
    torch.manual_seed(0)
    x, bias = _normal(4, 3, 6, 6), _normal(1, 3, size, size)
    _same(add_bias(x, bias), x + bias, (x, bias))
    assert torch.autograd.gradgradcheck(add_bias, (x, bias))


@pytest.mark.parametrize("count", [8, 6])
def test_minibatch_deviation_is_the_mean_deviation_of_groups(count: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(count, 3, 4, 4, requires_grad=True)
    size = 4 if count % 4 == 0 else count
    grouped = x.reshape(size, count // size, 3, 4, 4)
    plain = (grouped.var(dim=0, unbiased=False) + VARIANCE_FLOOR).sqrt().mean(dim=(1, 2, 3))
    _same(minibatch_deviation(x), plain.repeat(size)[:, None, None, None].expand(-1, 1, 4, 4), (x,))


def test_translation_by_index_is_sampling_on_a_shifted_grid() -> None:
    images = torch.rand(200, 2, 8, 16, dtype=torch.float64, requires_grad=True)
    strong = AugmentSettings(probability=0.8, translate=0.2)
    moved = translate(images, strong, torch.Generator().manual_seed(3))
    random = torch.Generator().manual_seed(3)
    chosen = (torch.rand(200, generator=random) < 0.8).float()
    shifts = torch.stack([((torch.rand(200, generator=random) * 2 - 1) * 0.2 * 16).round() * chosen for _ in "xy"], 1)
    theta = torch.eye(2, 3, dtype=torch.float64).repeat(200, 1, 1)
    theta[:, :, 2] = 2 * shifts / torch.tensor([16, 8])
    grid = F.affine_grid(theta, [200, 1, 8, 16], align_corners=False)
    plain = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    assert not torch.equal(moved, images)
    _same(moved, plain, (images,))
