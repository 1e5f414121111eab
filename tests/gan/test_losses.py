"""Losses against their formulas on tiny tensors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from radgen.gan.losses import LOSSES, gradient_penalty, hinge_discriminator, hinge_generator, rebuilding
from radgen.gan.settings import RebuildSettings

REAL, FAKE = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])


def _softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_nonsaturating_loss_is_its_formula() -> None:
    loss = LOSSES["nonsaturating"]
    expected = (_softplus(-1.0) + _softplus(2.0)) / 2 + (_softplus(0.5) + _softplus(3.0)) / 2
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)
    assert loss.generator(REAL, FAKE).item() == pytest.approx((_softplus(-0.5) + _softplus(-3.0)) / 2, rel=1e-6)
    assert not loss.penalise_fake


def test_relativistic_loss_is_its_formula() -> None:
    loss = LOSSES["relativistic"]
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx((_softplus(-0.5) + _softplus(5.0)) / 2, rel=1e-6)
    assert loss.generator(REAL, FAKE).item() == pytest.approx((_softplus(0.5) + _softplus(-5.0)) / 2, rel=1e-6)
    assert loss.penalise_fake
    assert loss.generator_sees_real


@pytest.mark.parametrize("name", LOSSES)
def test_each_side_pulls_the_fake_logit_its_own_way(name: str) -> None:
    for side, sign in ((LOSSES[name].discriminator, 1), (LOSSES[name].generator, -1)):
        fake = FAKE.clone().requires_grad_()
        side(REAL, fake).backward()  # type: ignore[no-untyped-call]
        assert fake.grad is not None
        assert (fake.grad * sign > 0).all()


def test_hinge_is_the_mean_over_heads_of_means_over_images_and_places() -> None:
    real = [torch.tensor([[0.5, 2.0]]), torch.tensor([[-1.0], [0.0]])]
    fake = [torch.tensor([[-0.5, -3.0]]), torch.tensor([[0.5], [-1.0]])]
    first, second = (0.5 + 0.0) / 2 + (0.5 + 0.0) / 2, (2.0 + 1.0) / 2 + (1.5 + 0.0) / 2
    assert hinge_discriminator(real, fake).item() == pytest.approx((first + second) / 2)
    assert hinge_generator(fake).item() == pytest.approx(-(-1.75 - 0.25) / 2)


def test_hinge_does_not_grow_with_the_batch() -> None:
    logits = [torch.randn(3, 4), torch.randn(3, 1)]
    twice = [part.repeat(2, 1) for part in logits]
    torch.testing.assert_close(hinge_discriminator(twice, twice), hinge_discriminator(logits, logits))
    torch.testing.assert_close(hinge_generator(twice), hinge_generator(logits))


def test_hinge_lets_go_of_what_is_beyond_the_margin() -> None:
    real, fake = torch.tensor([[2.0, 0.0]], requires_grad=True), torch.tensor([[-2.0, 0.0]], requires_grad=True)
    hinge_discriminator([real], [fake]).backward()  # type: ignore[no-untyped-call]
    assert real.grad is not None
    assert fake.grad is not None
    assert real.grad.tolist() == [[0.0, -0.5]]
    assert fake.grad.tolist() == [[0.0, 0.5]]


def test_rebuilding_is_the_evidence_bound_scaled_to_its_weight() -> None:
    real = torch.zeros(2, 1, 4, 4)
    rebuilt = real.clone()
    rebuilt[0, 0, 0, 0] = 0.8
    mean, log_variance = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [-1.0]])
    settings = RebuildSettings(weight=3.0, tolerance=0.2)
    loss, parts = rebuilding(rebuilt, real, mean, log_variance, settings)
    divergence = (0.5 * 1.0 + 0.5 * (math.exp(-1) + 1 - 1)) / 2
    assert parts["rebuilding"].item() == pytest.approx(0.64 / 32)
    assert parts["latent"].item() == pytest.approx(divergence, rel=1e-5)
    # The bound per image is difference / (2 s^2) + divergence; the loss is that times 2 s^2 w / pixels.
    bound = 16 * 0.64 / 32 / (2 * 0.04) + divergence
    assert loss.item() == pytest.approx(bound * 2 * 0.04 * 3.0 / 16, rel=1e-5)


def test_coarse_rebuilding_ignores_what_is_finer() -> None:
    real = torch.zeros(1, 1, 4, 4)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(2, 2)[None, None]
    none = torch.zeros(1, 1)
    fine, coarse = (
        rebuilding(checks, real, none, none, RebuildSettings(), coarser=side)[1]["rebuilding"].item() for side in (1, 2)
    )
    assert (fine, coarse) == (1.0, 0.0)


def test_penalty_of_a_linear_critic_is_its_squared_weight() -> None:
    weight = torch.randn(1, 4, 4, requires_grad=True)
    images = torch.randn(3, 1, 4, 4, requires_grad=True)
    penalty = gradient_penalty((images * weight).sum(dim=(1, 2, 3)), images)
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_penalty_of_a_constant_critic_is_zero() -> None:
    images = torch.randn(3, 1, 4, 4, requires_grad=True)
    logits: Tensor = (images * 0).sum(dim=(1, 2, 3)) + 7
    assert gradient_penalty(logits, images).item() == 0
