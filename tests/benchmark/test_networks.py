"""The benchmark's networks: strided 1 x 1 convolutions, which crash some processors, are rewritten without a change."""

from __future__ import annotations

import copy

import torch
from torch import nn

from radgen.benchmark.networks import classifier, skip_before_pointwise


def test_skipping_first_gives_the_same_sums_and_gradients() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Sequential(nn.Conv2d(5, 4, 1, stride=2)))
    other = skip_before_pointwise(copy.deepcopy(plain))
    images = torch.randn(2, 3, 9, 8)
    assert torch.allclose(plain(images), other(images), atol=1e-6)
    for network in (plain, other):
        network(images).square().sum().backward()
    for one, two in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one.grad, two.grad, atol=1e-4)  # type: ignore[arg-type]


def test_no_strided_pointwise_convolution_is_left_in_the_classifier() -> None:
    network = classifier(name="residual", channels=1, classes=2, widths=(4, 6, 6, 8), seed=0)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert all(module.stride == (1, 1) for module in convolutions if module.kernel_size == (1, 1))
    assert sum(isinstance(module, nn.AvgPool2d) for module in network.modules()) == 3
