"""Losses: background counts, the unlabelled does not, LabelMix draws labels apart, the body mask has a gradient."""

from __future__ import annotations

import pytest
import torch

from radgen.semantic.losses import (
    balanced_entropy,
    body_of,
    generated_entropy,
    label_mask,
    label_mix,
    label_weights,
    likeness,
    mask_loss,
    shading,
    soft_body,
)
from tests.semantic import toys


def test_every_present_label_counts_alike_and_the_unlabelled_nothing() -> None:
    maps = torch.tensor([[[0, 0, 0, 1], [0, 0, 0, -1]]])
    weights = label_weights(maps, 3)
    assert torch.allclose(weights, torch.tensor([7 / 6, 7.0, 0.0]))
    logits = torch.randn(1, 4, 2, 4, requires_grad=True)
    balanced_entropy(logits, maps, weights).backward()
    assert logits.grad is not None
    assert bool((logits.grad[0, :, 0] != 0).all())  # background too
    assert not logits.grad[0, :, 1, 3].any()
    assert torch.allclose(label_weights(maps, 3, 0.5), weights.sqrt())
    assert torch.equal(label_weights(maps, 3, 0.0), torch.tensor([1.0, 1.0, 0.0]))
    background = torch.zeros(1, 2, 4, dtype=torch.int64)
    assert float(balanced_entropy(logits.detach(), background, label_weights(background, 3))) > 0


def test_generated_pixels_are_told_by_the_last_logit() -> None:
    sure = torch.zeros(1, 4, 2, 2)
    sure[:, -1] = 50
    assert float(generated_entropy(sure)) < 1e-6
    assert float(generated_entropy(sure.flip(1))) > 40


def test_labels_are_mixed_independently_and_the_unlabelled_has_its_own_coin() -> None:
    maps = torch.tensor([[[0, 1, -1]], [[0, 1, -1]]])
    mask = label_mask(maps, 2, torch.tensor([[1, 0, 0], [0, 0, 1]]))
    assert mask[:, 0, 0].tolist() == [[1, 0, 0], [0, 0, 1]]
    real, fake = torch.randn(2, 3, 1, 3), torch.randn(2, 3, 1, 3)
    assert float(label_mix(mask * real + (1 - mask) * fake, real, fake, mask)) == 0
    assert float(label_mix(real, real, fake, mask)) > 0


def test_likeness_drives_shading_apart_up_to_a_limit() -> None:
    random = torch.Generator().manual_seed(1)
    two = torch.rand(2, 1, 32, 32, generator=random) + torch.linspace(0, 1, 32)
    one = two + torch.stack([torch.linspace(0, 0.05, 32), torch.linspace(0, -5, 32)])[:, None, :, None]
    one.requires_grad_()
    apart = (shading(one) - shading(two)).norm(dim=1).tolist()
    assert 0 < apart[0] < 0.1 < 0.4 < apart[1]
    loss = likeness(one, two, most=0.4)
    assert loss.item() == pytest.approx(0.5 * (0.4 - apart[0]), rel=1e-4)
    loss.backward()
    assert one.grad is not None
    assert not one.grad[1].any()
    moved = one.detach() - one.grad
    assert float(likeness(moved, two, most=0.4)) < loss.item()


def test_neither_grain_nor_brightness_is_shading() -> None:
    random = torch.Generator().manual_seed(1)
    image = toys.maps(1)[:, None].float()
    grain = 0.05 * torch.randn(image.shape, generator=random)
    slope = torch.linspace(0.8, 1.2, toys.PX)
    apart = [
        float((shading(image) - shading(other)).norm(dim=1)) for other in (image + grain, 3 * image + 1, image * slope)
    ]
    assert apart[0] < 0.05
    assert apart[1] < 1e-5
    assert apart[2] > 2 * apart[0]
    assert not shading(torch.ones(1, 1, 32, 32)).any()


def test_shading_of_the_body_alone_sees_nothing_else_and_moves_nothing_else() -> None:
    random = torch.Generator().manual_seed(1)
    body = body_of(toys.maps(2), (0,))
    image = torch.rand(2, 1, toys.PX, toys.PX, generator=random) + torch.linspace(0, 1, toys.PX)
    air = torch.where(body[:, None], image, 9 * torch.rand(image.shape, generator=random))
    assert float((shading(image) - shading(air)).norm(dim=1).min()) > 0.3
    assert torch.allclose(shading(image, torch.ones_like(body)), shading(image), atol=1e-6)
    assert torch.allclose(shading(image, body), shading(air, body))
    assert not shading(image * body[:, None], body)[:, 0].any()  # a corner block, all air
    moved = (image * torch.linspace(0.5, 1.5, toys.PX)[:, None]).requires_grad_()
    likeness(moved, image, 2.0, body).backward()
    assert moved.grad is not None
    assert moved.grad[body[:, None]].any()
    assert not moved.grad[~body[:, None]].any()
    even = torch.ones(1, 1, toys.PX, toys.PX, requires_grad=True)
    likeness(even, even.detach(), 2.0, torch.zeros(1, toys.PX, toys.PX, dtype=torch.bool)).backward()
    assert even.grad is not None
    assert bool(even.grad.isfinite().all())


def test_the_mask_loss_has_a_gradient_that_moves_the_boundary() -> None:
    maps = toys.maps(2)
    images = torch.full((2, 1, toys.PX, toys.PX), -0.8, requires_grad=True)
    options = {"threshold": -0.8, "softness": 0.1, "outside_ids": (0,)}
    loss = mask_loss(images, maps, **options)  # type: ignore[arg-type]
    loss.backward()
    assert images.grad is not None
    inside, outside = (maps > 0)[:, None], (maps == 0)[:, None]
    assert float(images.grad[inside].mean()) < 0 < float(images.grad[outside].mean())
    moved = images.detach() - 1e3 * images.grad
    assert float(mask_loss(moved, maps, **options)) < float(loss) / 4  # type: ignore[arg-type]
    assert float(soft_body(torch.full((1, 1, 4, 4), -0.8), -0.8, 0.1).mean()) == 0.5
