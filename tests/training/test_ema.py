"""The running average forgets half in its half-life, and its random start sooner."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radgen.training.ema import ema_decay, move_average


def test_half_is_forgotten_in_a_half_life() -> None:
    kept = 1.0
    for seen in range(100_000, 104_000, 16):
        kept *= ema_decay(seen_images=seen, batch_size=16, half_life_images=4_000, rampup=0.1)
    assert kept == pytest.approx(0.5, rel=1e-6)


def test_early_half_life_grows_with_the_images_seen() -> None:
    early = ema_decay(seen_images=1_000, batch_size=16, half_life_images=5_000, rampup=0.1)
    assert early == pytest.approx(0.5 ** (16 / 100))
    assert ema_decay(seen_images=0, batch_size=16, half_life_images=5_000, rampup=0.1) == 0


def test_average_moves_towards_the_network_and_leaves_buffers_alone() -> None:
    average, network = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(9.0)  # type: ignore[union-attr]
    move_average(average, network, 0.75)
    torch.testing.assert_close(average.weight.detach(), torch.full((3,), 1.5))
    assert average.running_mean is not None
    assert average.running_mean.abs().max() == 0
