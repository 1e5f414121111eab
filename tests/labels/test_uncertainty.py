"""Laws of the error that an ensemble expects, and of its members' disagreement."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from radgen.labels.calibration import image_errors
from radgen.labels.uncertainty import entropy, expected_error, image_disagreement, jensen_shannon


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


def test_disagreement_of_an_image_is_the_mean_of_the_top_tenth() -> None:
    flat = torch.arange(100.0).view(1, 10, 10)
    assert image_disagreement(flat).tolist() == [pytest.approx(94.5)]
    assert image_disagreement(torch.ones(3, 2, 2)).tolist() == [1, 1, 1]


def _beliefs(images: int, sharpness: float, seed: int = 3) -> torch.Tensor:
    """Draw probabilities [n, 3, 24, 24] of two structures, each on a half of the image."""
    logits = sharpness * torch.randn(images, 3, 24, 24, generator=torch.Generator().manual_seed(seed))
    logits[:, 1, :12] += 2
    logits[:, 2, 12:] += 2
    return logits.softmax(dim=1)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_the_error_expected_is_that_of_truths_drawn_from_the_probabilities(sharpness: float) -> None:
    beliefs = _beliefs(3, sharpness)
    painted = beliefs.argmax(dim=1).numpy()
    draw = torch.distributions.Categorical(probs=beliefs.permute(0, 2, 3, 1))
    torch.manual_seed(0)
    errors = np.mean([image_errors(painted, draw.sample().numpy(), 3) for _ in range(300)], axis=0)
    assert expected_error(beliefs).numpy() == pytest.approx(errors, abs=0.01)


def test_who_is_sure_expects_no_error_and_who_is_less_sure_expects_more() -> None:
    beliefs = _beliefs(4, 2.0)
    certain = torch.nn.functional.one_hot(beliefs.argmax(dim=1), 3).permute(0, 3, 1, 2).float()
    assert expected_error(certain).abs().max() < 1e-6
    errors = [expected_error(certain + share * (beliefs - certain)) for share in (0.2, 0.5, 1.0)]
    assert (errors[0] < errors[1]).all()
    assert (errors[1] < errors[2]).all()
    assert (errors[2] < 1).all()


def test_structures_count_as_far_as_they_are_believed_in_and_background_not_at_all() -> None:
    beliefs = torch.zeros(2, 3, 1, 4)
    beliefs[:, 1, 0, :2], beliefs[:, 0, 0, 2:] = 1, 1  # structure 1 for sure
    beliefs[1, 0, 0, 3], beliefs[1, 2, 0, 3] = 0.9, 0.1  # and a breath of structure 2, which nothing is painted as
    error = expected_error(beliefs)
    assert error.tolist() == pytest.approx([0.0, 0.1 / 1.1])
    assert torch.allclose(expected_error(beliefs[:, [0, 2, 1]]), error)
    nothing = torch.zeros(1, 3, 2, 2)
    nothing[:, 0] = 1
    assert expected_error(nothing).item() == 0
