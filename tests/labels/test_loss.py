"""The heads' loss: a weight is a repetition, a member is alone, options do what they say."""

from __future__ import annotations

import pytest
import torch

from radgen.labels.loss import distillation_loss, ensemble_loss, label_weights_of
from radgen.labels.overlap import dice_cross_entropy


def _batch(members: int = 3, count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(members, count, 4, 6, 6, generator=random)
    return logits, torch.randint(0, 3, (count, 6, 6), generator=random)  # label 3 does not occur


def test_equal_weights_give_the_plain_loss_of_each_member() -> None:
    logits, masks = _batch()
    found = ensemble_loss(logits, masks, torch.ones(3, 4))
    for member, loss in enumerate(found):
        assert float(loss) == pytest.approx(float(dice_cross_entropy(logits[member], masks)), rel=1e-5)


def test_distillation_asks_for_the_teachers_own_probabilities_and_no_surer_ones() -> None:
    targets = _batch()[0].softmax(dim=2)
    logits = targets.log().requires_grad_()
    loss = distillation_loss(logits, targets)
    torch.autograd.backward(loss.sum())
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) < 1e-7
    entropy = torch.special.entr(targets).sum(dim=2).mean(dim=(1, 2, 3))
    torch.testing.assert_close(loss.detach(), entropy)  # nothing is missing of the Dice
    surer = distillation_loss(2 * logits.detach(), targets)
    assert (surer > loss).all()


def test_distillation_of_a_member_depends_on_its_own_teacher_alone() -> None:
    logits, _ = _batch(2)
    targets = _batch(2)[0].flip(1).softmax(dim=2)
    both = distillation_loss(logits, targets)
    for member in (0, 1):
        alone = distillation_loss(logits[member : member + 1], targets[member : member + 1])
        assert float(both[member]) == pytest.approx(float(alone[0]), rel=1e-6)


def test_weight_two_is_an_image_shown_twice_and_weight_zero_one_not_shown() -> None:
    logits, masks = _batch(1)
    weighted = ensemble_loss(logits, masks, torch.tensor([[2.0, 0.0, 1.0, 0.0]]))
    drawn = [0, 0, 2]
    assert float(weighted[0]) == pytest.approx(float(dice_cross_entropy(logits[0, drawn], masks[drawn])), rel=1e-5)


def test_what_a_member_holds_out_counts_nothing_for_rare_labels_either() -> None:
    logits, masks = _batch(2)
    rare = label_weights_of(torch.tensor([[80.0, 15.0, 5.0, 0.0], [1.0, 1.0, 1.0, 1.0]]), 0.5)
    weights = torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    both = ensemble_loss(logits, masks, weights, label_weights=rare)
    shown = ensemble_loss(logits[:1, [0, 2]], masks[[0, 2]], torch.ones(1, 2), label_weights=rare[:1])
    assert float(both[0]) == pytest.approx(float(shown[0]), rel=1e-5)
    assert float(both[1]) == pytest.approx(float(ensemble_loss(logits[1:], masks, weights[1:])[0]), rel=1e-5)


def test_member_that_no_image_counts_for_has_no_loss_and_no_gradient() -> None:
    logits, masks = _batch(2)
    logits.requires_grad_()
    found = ensemble_loss(logits, masks, torch.tensor([[0.0] * 4, [1.0] * 4]))
    assert float(found[0].detach()) == 0
    found.sum().backward()
    assert logits.grad is not None
    assert not logits.grad[0].any()
    assert logits.grad[1].any()


def test_focus_shrinks_what_is_right_already_most() -> None:
    masks = torch.zeros(1, 1, 1, dtype=torch.int64)
    sure, unsure = (torch.tensor([[[[[x]], [[0.0]]]]]) for x in (4.0, 0.5))
    # No structure occurs, so the Dice part is 1.
    plain, focused = (
        [float(ensemble_loss(x, masks, torch.ones(1, 1), focus=focus)[0]) - 1 for x in (sure, unsure)]
        for focus in (0.0, 2.0)
    )
    assert focused[0] / plain[0] < 0.01 < 0.1 < focused[1] / plain[1] < 1


def test_rare_labels_weigh_more() -> None:
    logits, masks = _batch(1)
    masks[masks == 2] = 0
    masks[0, 0, 0] = 2
    weights = label_weights_of(torch.bincount(masks.flatten(), minlength=4), 1.0)
    assert weights[2] > weights[1] > 0 == weights[3]
    better = logits.clone()
    better[0, 0, 2, 0, 0] += 10
    gains = [
        float(
            (
                ensemble_loss(logits, masks, torch.ones(1, 4), label_weights=w)
                - ensemble_loss(better, masks, torch.ones(1, 4), label_weights=w)
            )[0]
        )
        for w in (None, weights[None])
    ]
    assert gains[1] > 2 * gains[0] > 0
    equal = label_weights_of(torch.tensor([90, 10, 5, 3]), 0.0)
    assert torch.equal(equal, torch.ones(4))
