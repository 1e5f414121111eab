"""Augmentation: deterministic, differentiable, and nothing that could leak into samples."""

from __future__ import annotations

import pytest
import torch

from radgen.gan.augment import augment, cutout, shift_grey, translate
from radgen.gan.settings import AugmentSettings

STRONG = AugmentSettings(probability=0.8, translate=0.2, brightness=0.3, contrast=0.4, cutout=0.4)


def _random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _sided(count: int) -> torch.Tensor:
    """Images whose left half is brighter: a mirrored one would be brighter on the right."""
    images = torch.full((count, 1, 16, 16), -1.0)
    images[:, :, 4:12, 1:7] = 0.6
    return images


def test_same_seed_same_changes() -> None:
    images = torch.rand(8, 1, 16, 16)
    assert torch.equal(augment(images, STRONG, _random()), augment(images, STRONG, _random()))
    assert not torch.equal(augment(images, STRONG, _random()), augment(images, STRONG, _random(1)))


def test_nothing_is_mirrored() -> None:
    changed = augment(_sided(2_000), STRONG, _random())
    left, right = changed[..., :8].mean(dim=(1, 2, 3)), changed[..., 8:].mean(dim=(1, 2, 3))
    shifted_in = changed.flatten(1).amax(dim=1) < -0.9  # the square may be blanked away altogether
    assert (shifted_in | (left > right - 0.45)).all()
    mirrored = augment(_sided(2_000).flip(3), STRONG, _random())
    assert mirrored[..., :8].mean() < mirrored[..., 8:].mean()
    assert left.mean() > right.mean()


@pytest.mark.parametrize("change", [shift_grey, translate, cutout])
def test_a_change_leaves_most_images_alone_when_it_is_rare(change: object) -> None:
    images = torch.rand(1_000, 1, 16, 16) * 2 - 1
    rare = AugmentSettings(probability=0.1)
    changed = change(images, rare, _random())  # type: ignore[operator]
    share = ((changed - images).abs().amax(dim=(1, 2, 3)) > 1e-5).float().mean().item()
    assert 0.02 < share < 0.25  # two independent parts may each apply


def test_no_probability_no_change() -> None:
    images = torch.rand(4, 1, 16, 16)
    assert augment(images, AugmentSettings(probability=0.0), _random()) is images


def test_translation_moves_whole_pixels_and_repeats_the_border() -> None:
    images = torch.rand(200, 1, 16, 16)
    moved = translate(images, STRONG, _random())
    known = torch.cat([images.flatten(1), moved.flatten(1)], dim=1)
    for number in range(0, 200, 20):
        values = known[number, :256]
        nearest = (moved[number].flatten()[:, None] - values[None]).abs().amin(dim=1)
        assert nearest.max() < 1e-4  # no grey level that the image does not hold


def test_gradient_passes() -> None:
    images = torch.rand(6, 1, 16, 16, requires_grad=True)
    augment(images, STRONG, _random()).square().sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert (images.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_a_probability_that_leaks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 0\.8, not 0\.9"):
        AugmentSettings(probability=0.9)
