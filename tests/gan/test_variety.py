"""Generated images of a class are asked to lie as far apart as real ones, and no further."""

from __future__ import annotations

import pytest
import torch

from radgen.gan.variety import Variety

CLASSES = torch.tensor([0, 1, 0, 1, 0, 1])


def _images(spread: float, seed: int = 0) -> torch.Tensor:
    return spread * torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(seed))


def _known(spread: float) -> Variety:
    variety = Variety(16)
    real = variety.noted(variety.distances(_images(spread), CLASSES))
    variety.remember({name: float(value) for name, value in real.items()}, batch_size=8)
    return variety


def test_distances_are_means_over_pairs_of_one_class() -> None:
    images = _images(1.0)
    coarse = torch.nn.functional.avg_pool2d(images, 4).flatten(1).double()
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j and CLASSES[i] == CLASSES[j]]
    expected = sum(float((coarse[i] - coarse[j]).norm()) for i, j in pairs) / len(pairs)
    assert float(Variety(16).distances(images, CLASSES)[0]) == pytest.approx(expected, rel=1e-4)


def test_nothing_is_asked_before_real_distances_are_known_or_beyond_them() -> None:
    variety = Variety(16)
    assert variety.lacking(variety.distances(_images(0.1), CLASSES)) == 0
    known = _known(1.0)
    assert known.lacking(known.distances(_images(1.0), CLASSES)) == pytest.approx(0, abs=1e-4)
    assert known.lacking(known.distances(_images(3.0), CLASSES)) == 0
    assert float(known.lacking(known.distances(_images(0.25), CLASSES))) == pytest.approx(0.75, abs=0.01)


def test_the_slope_drives_images_of_a_class_apart() -> None:
    variety = _known(1.0)
    images = _images(0.2, seed=1).requires_grad_()
    (slope,) = torch.autograd.grad(variety.lacking(variety.distances(images, CLASSES)), images)
    moved = (images - slope).detach()
    assert variety.distances(moved, CLASSES)[0] > variety.distances(images.detach(), CLASSES)[0]


def test_without_two_images_of_a_class_nothing_happens() -> None:
    variety = _known(1.0)
    before = variety.real.clone()
    alone = variety.distances(_images(0.1), torch.arange(6))
    variety.remember({name: float(value) for name, value in variety.noted(alone).items()}, batch_size=8)
    assert torch.equal(variety.real, before)


def test_real_distances_are_a_running_mean() -> None:
    variety = _known(1.0)
    before = float(variety.real[0])
    variety.remember({"apart_004px": 2 * before}, batch_size=8)
    assert float(variety.real[0]) == pytest.approx(before * (1 + 8 / 800))
