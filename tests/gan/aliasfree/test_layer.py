"""One layer against its slow float64 reference."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radgen.gan.aliasfree.layer import FilteredLayer, ModulatedLayer
from radgen.gan.aliasfree.resampling import Span
from radgen.gan.aliasfree.schedule import AliasFreeShape, Stage, plan
from tests.gan.aliasfree import reference

SHAPES = {
    "separable": AliasFreeShape(2, 1, Stage(16, 4, 16, 4), (Stage(32, 4, 64, 4),), w_dim=6),
    "radial": AliasFreeShape(2, 1, Stage(16, 4, 16, 4), (Stage(64, 3, 128, 4),), filters="radial", w_dim=6),
}
# Same rate, to twice or four times the rate, and the crop to the image without margin.
CASES = [("separable", 1), ("separable", 3), ("separable", 5), ("radial", 1), ("radial", 3), ("radial", 4)]


def layer_of(kind: str, place: int, wanted: Span | None = None) -> FilteredLayer:
    numbers = plan(SHAPES[kind])[place]
    torch.manual_seed(place)
    layer = FilteredLayer(numbers, 6, wanted or Span(0, numbers.out_size))
    nn.init.normal_(layer.bias)
    nn.init.normal_(layer.affine.bias)
    layer.magnitude.fill_(1.7)
    return layer


def inputs_of(layer: FilteredLayer, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    size = layer.plan.in_size
    return torch.randn(count, layer.plan.inputs, size, size), torch.randn(count, 6)


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_layer_equals_its_reference(kind: str, place: int) -> None:
    layer = layer_of(kind, place)
    x, w = inputs_of(layer)
    cut = layer.needed.inside(Span(0, layer.plan.in_size))
    found = layer(x[:, :, cut, cut], w)
    torch.testing.assert_close(found.double(), reference.filtered_layer(layer, x, w), rtol=1e-4, atol=2e-5)


def test_large_values_are_clamped_at_the_inner_rate() -> None:
    layer = layer_of("separable", 1)
    x, w = inputs_of(layer, 1)
    nn.init.constant_(layer.bias, 400.0)
    found, expected = layer(x, w).double(), reference.filtered_layer(layer, x, w)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=5e-3)
    assert expected.max() > 250


@pytest.mark.parametrize(("kind", "place"), CASES)
@pytest.mark.parametrize("wanted", [Span(10, 26), Span(0, 5), Span(3, 12)])
def test_a_part_of_the_output_is_computed_from_a_part_of_the_input(kind: str, place: int, wanted: Span) -> None:
    whole, part = layer_of(kind, place), layer_of(kind, place, wanted)
    part.load_state_dict(whole.state_dict())
    x, w = inputs_of(whole)
    cut = part.needed.inside(Span(0, whole.plan.in_size))
    all_needed = whole.needed.inside(Span(0, whole.plan.in_size))
    expected = whole(x[:, :, all_needed, all_needed], w)[:, :, wanted.start : wanted.stop, wanted.start : wanted.stop]
    torch.testing.assert_close(part(x[:, :, cut, cut], w), expected, rtol=1e-4, atol=1e-5)


def test_small_parts_need_small_parts() -> None:
    assert len(layer_of("separable", 1, Span(14, 20)).needed) < 24


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_gradients_are_those_of_the_reference_operations(kind: str, place: int) -> None:
    layer = layer_of(kind, place, Span(10, 14)).double()
    size = len(layer.needed)
    x = torch.randn(1, layer.plan.inputs, size, size, dtype=torch.double, requires_grad=True)
    w = torch.randn(1, 6, dtype=torch.double)
    slope = torch.randn_like(layer(x, w))
    (found,) = torch.autograd.grad((layer(x, w) * slope).sum(), x)
    step = 1e-6 * torch.randn_like(x)
    expected = ((layer(x + step, w) - layer(x - step, w)) * slope).sum() / 2
    assert (found * step).sum().item() == pytest.approx(expected.item(), rel=1e-4)


def test_projection_scales_by_fan_in_and_does_not_restore_variance() -> None:
    numbers = plan(SHAPES["separable"])[-1]
    layer = ModulatedLayer(numbers, 6)
    nn.init.normal_(layer.bias)
    layer.magnitude.fill_(4.0)
    x, w = torch.randn(2, numbers.inputs, 8, 8), torch.randn(2, 6)
    style = layer.affine(w) / numbers.inputs**0.5 / 2
    expected = torch.einsum("oi,ni,nihw->nohw", layer.weight[:, :, 0, 0], style, x) + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x, w), expected)
