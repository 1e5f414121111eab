"""Generated images of a class are asked to lie as far apart as real ones, and no further."""

from __future__ import annotations

import math

import pytest
import torch

from radgen.gan.variety import Variety

CLASSES = torch.tensor([0, 1, 0, 1, 0, 1])


def _images(spread: float, seed: int = 0) -> torch.Tensor:
    return spread * torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(seed))


def _known(spread: float) -> Variety:
    variety = Variety(16)
    _remember(variety, _images(spread))
    return variety


def _remember(variety: Variety, images: torch.Tensor, class_ids: torch.Tensor = CLASSES) -> None:
    noted = variety.noted(images, class_ids)
    variety.remember({name: float(value) for name, value in noted.items()}, batch_size=8)


def _found(images: torch.Tensor) -> float:
    distances = Variety(16).distances(images, CLASSES)
    assert distances is not None
    return float(distances[0])


def test_distances_are_mean_logarithms_over_pairs_of_one_class() -> None:
    images = _images(1.0)
    coarse = torch.nn.functional.avg_pool2d(images, 4).flatten(1).double()
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j and CLASSES[i] == CLASSES[j]]
    expected = sum(float((coarse[i] - coarse[j]).norm().log()) for i, j in pairs) / len(pairs)
    assert _found(images) == pytest.approx(expected, rel=1e-4)


def test_nothing_is_asked_before_real_distances_are_known_or_beyond_them() -> None:
    assert Variety(16).lacking(_images(0.1), CLASSES) == 0
    known = _known(1.0)
    assert float(known.lacking(_images(1.0), CLASSES)) == pytest.approx(0, abs=1e-4)
    assert known.lacking(_images(3.0), CLASSES) == 0
    assert float(known.lacking(_images(0.25), CLASSES)) == pytest.approx(math.log(4), abs=0.01)


def test_an_outlier_does_not_make_up_for_images_that_crowd() -> None:
    known, images = _known(1.0), _images(0.1)
    crowded = float(known.lacking(images, CLASSES))
    images[0] *= 100
    assert _images(1.0).std() < images.std()
    assert float(known.lacking(images, CLASSES)) > 0.3 * crowded


def test_the_slope_drives_images_of_a_class_apart_and_stays_finite_for_equal_ones() -> None:
    variety = _known(1.0)
    images = _images(0.2, seed=1).requires_grad_()
    (slope,) = torch.autograd.grad(variety.lacking(images, CLASSES), images)
    assert _found((images - slope).detach()) > _found(images.detach())
    equal = torch.zeros(6, 1, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(variety.lacking(equal, CLASSES), equal)
    assert torch.isfinite(slope).all()


def test_without_two_images_of_a_class_nothing_happens() -> None:
    variety = _known(1.0)
    before = variety.real.clone()
    _remember(variety, _images(0.1), torch.arange(6))
    assert torch.equal(variety.real, before)
    images = _images(0.1).requires_grad_()
    (slope,) = torch.autograd.grad(variety.lacking(images, torch.arange(6)), images)
    assert not slope.any()


def test_real_distances_are_a_running_mean() -> None:
    variety = _known(1.0)
    before = float(variety.real[0])
    variety.remember({"log_apart_004px": before + 1, "log_apart_pairs": 1.0}, batch_size=8)
    assert float(variety.real[0]) == pytest.approx(before + 8 / 800)


def test_parts_without_pairs_count_for_nothing() -> None:
    one, two = Variety(16), Variety(16)
    parts = [one.noted(_images(1.0), CLASSES), one.noted(_images(1.0), torch.arange(6))]
    assert parts[0].keys() == parts[1].keys()
    one.remember({name: float(parts[0][name] + parts[1][name]) / 2 for name in parts[0]}, batch_size=8)
    _remember(two, _images(1.0))
    assert torch.allclose(one.real, two.real)
