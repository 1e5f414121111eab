"""Painting: the split forward pass is the plain one, and an image is the same alone and in any batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from radgen.semantic.generator import SemanticGenerator, SemanticShape, draw_noise
from radgen.semantic.painter import AT_ONCE, Painter, Prepared
from radgen.semantic.sampling import SemanticSampler
from radgen.semantic.settings import SemanticNetworkSettings
from radgen.training.devices import choose_precision
from tests.semantic import toys


def _generator(height: int = 64, width: int = 96, **networks: Any) -> SemanticGenerator:
    """Return a generator with biases, as after some training."""
    torch.manual_seed(0)
    sizes = SemanticNetworkSettings(**{**vars(toys.TINY), "modulation_channels": 16, **networks})
    generator = SemanticGenerator(SemanticShape(height, width, 2, 3, sizes)).eval()
    with torch.no_grad():
        for name, value in generator.named_parameters():
            if name.endswith("bias"):
                value.add_(0.2 * torch.randn_like(value))
    return generator.requires_grad_(requires_grad=False)


def _painted(painter: Painter, maps: Tensor, noise: Tensor) -> Tensor:
    return torch.cat([painter.paint(painter.prepare(one), own[None]) for one, own in zip(maps, noise, strict=True)])


NETWORKS: list[dict[str, Any]] = [
    {},
    {"wavelet": True},
    {"pixel_noise": 0},
    {"region_noise": 0},
    {"image_noise": 0, "region_noise": 0},
    {"generator_channels": (32, 16, 16, 8, 8, 8)},
]


@pytest.mark.parametrize("networks", NETWORKS, ids=str)
@pytest.mark.parametrize("sides", [(64, 96), (32, 32)])
def test_painting_is_the_forward_pass(networks: dict[str, Any], sides: tuple[int, int]) -> None:
    generator = _generator(*sides, **networks)
    maps, noise = toys.maps(2, *sides), draw_noise(generator.shape, [1, 2])
    plain, painted = generator(maps, noise), _painted(Painter(generator), maps, noise)
    torch.testing.assert_close(painted, plain, rtol=0, atol=1e-5)
    # Both halves of the noise and the map are in it: images are far from each other.
    assert float((plain[0] - plain[1]).abs().mean()) > 0.01
    assert float((plain - _painted(Painter(generator), maps.flip(1), noise)).abs().mean()) > 0.01


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_image_is_the_same_alone_and_in_any_batch(precision: str) -> None:
    generator = _generator()
    label_map, noise = toys.maps(1, 64, 96)[0], draw_noise(generator.shape, list(range(AT_ONCE + 3)))
    painter, fresh = Painter(generator, precision), Painter(generator, precision)
    alone = torch.cat([fresh.paint(fresh.prepare(label_map), one[None]) for one in noise])
    for _ in range(2):  # the first time compares, the second trusts
        assert torch.equal(painter.paint(painter.prepare(label_map), noise), alone)
    assert torch.equal(painter.paint(painter.prepare(label_map), noise[3:7]), alone[3:7])


class _Uneven(Painter):
    """Gives other bits in batches of some sizes, as some kernels do."""

    odd: tuple[int, ...] = ()

    def _at_once(self, prepared: Prepared, noise: Tensor) -> Tensor:
        self.sizes = [*getattr(self, "sizes", []), len(noise)]
        return noise[:, :1] + float(len(noise) in self.odd)


def test_batches_that_change_an_image_are_left_out() -> None:
    generator = _generator()
    noise = draw_noise(generator.shape, list(range(5)))
    prepared = Painter(generator).prepare(toys.maps(1, 64, 96)[0])
    for odd, sizes in (((), [1] * 5 + [5] + [5]), ((5,), [1] * 5 + [5] + [1] * 5)):
        painter = _Uneven(generator)
        painter.odd = odd
        for _ in range(2):
            assert torch.equal(painter.paint(prepared, noise), noise[:, :1])
        assert painter.sizes == sizes


def test_bf16_is_near_and_not_the_same() -> None:
    generator = _generator()
    maps, noise = toys.maps(2, 64, 96), draw_noise(generator.shape, [1, 2])
    exact, rough = (_painted(Painter(generator, precision), maps, noise) for precision in ("fp32", "bf16"))
    assert 0 < float((exact - rough).abs().mean()) < 0.01
    auto = Painter(generator, "auto")
    assert torch.equal(
        _painted(auto, maps, noise), rough if choose_precision("auto", torch.device("cpu")) == "bf16" else exact
    )


def test_a_sampler_keeps_the_weights_it_was_given() -> None:
    generator = _generator()
    label_map = toys.maps(1, 64, 96)[0].numpy()
    sampler = SemanticSampler(generator, source="toy", seed=1)
    before = sampler.images(label_map, "case", range(3))
    with torch.no_grad():
        generator.paint.weight.zero_()
    assert (sampler.images(label_map, "case", range(3)) == before).all()
