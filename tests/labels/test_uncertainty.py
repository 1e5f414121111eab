"""Laws of the Jensen-Shannon divergence and of an image's score."""

from __future__ import annotations

import math

import pytest
import torch

from radgen.labels.uncertainty import entropy, image_score, jensen_shannon


def _random_members(members: int, labels: int, seed: int) -> torch.Tensor:
    logits = 6 * torch.randn(members, 2, labels, 7, 5, generator=torch.Generator().manual_seed(seed))
    return logits.softmax(dim=2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("members", "labels"), [(2, 2), (5, 3), (3, 8)])
def test_divergence_lies_between_zero_and_the_smaller_logarithm(members: int, labels: int, seed: int) -> None:
    divergence = jensen_shannon(_random_members(members, labels, seed))
    assert divergence.shape == (2, 7, 5)
    assert (divergence >= 0).all()
    assert (divergence > 0.01).any()
    assert (divergence <= math.log(min(members, labels)) + 1e-6).all()


def test_members_that_agree_have_none() -> None:
    one = _random_members(1, 4, 0)
    assert jensen_shannon(one.expand(5, -1, -1, -1, -1)).max() < 1e-6


def test_members_that_contradict_each_other_have_all_of_it() -> None:
    members = torch.zeros(3, 1, 3, 2, 2)
    for number in range(3):
        members[number, :, number] = 1
    assert torch.allclose(jensen_shannon(members), torch.full((1, 2, 2), math.log(3)))


def test_order_of_members_and_labels_does_not_matter() -> None:
    members = _random_members(4, 3, 1)
    turned = members[[2, 0, 3, 1]][:, :, [1, 2, 0]]
    assert torch.allclose(jensen_shannon(members), jensen_shannon(turned), atol=1e-6)


def test_divergence_is_the_mean_distance_from_the_mean() -> None:
    members = _random_members(4, 3, 2).double()
    mean = members.mean(dim=0, keepdim=True)
    distance = (members * (members / mean).log()).sum(dim=2).mean(dim=0)
    assert torch.allclose(jensen_shannon(members), distance, atol=1e-9)


def test_entropy_of_certainty_is_zero_and_of_ignorance_the_logarithm() -> None:
    assert entropy(torch.tensor([[0.0, 1.0]]), dim=1).item() == 0
    assert entropy(torch.full((1, 4), 0.25), dim=1).item() == pytest.approx(math.log(4))


def test_score_is_the_mean_of_the_top_tenth() -> None:
    flat = torch.arange(100.0).view(1, 10, 10)
    assert image_score(flat).tolist() == [pytest.approx(94.5)]
    assert image_score(torch.ones(3, 2, 2)).tolist() == [1, 1, 1]
