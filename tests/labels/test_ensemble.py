"""The ensemble learns a toy, its members differ, and training is the same every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from radgen.errors import CheckpointError, TrainingError
from radgen.gan.aliasfree.generator import AliasFreeGenerator
from radgen.gan.aliasfree.schedule import AliasFreeShape, Stage
from radgen.gan.sampling import load_sampler
from radgen.imageset.core import ImageSet
from radgen.labels.annotated import Annotated, held_out_rows, read_pack_facts, redraw
from radgen.labels.head import HeadShape, LabelHeads
from radgen.labels.masks import (
    disagreement,
    ensemble_masks,
    ensemble_probabilities,
    masks_and_errors,
    member_probabilities,
    most_likely,
)
from radgen.labels.members import member, start_members
from radgen.labels.overlap import score_structures
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.steps import cosine_rate, run_steps
from radgen.labels.train import (
    EarlyStop,
    clip_members,
    held_out_loss,
    rows_at,
    train_heads,
)
from radgen.labels.uncertainty import expected_error, image_disagreement, jensen_shannon
from radgen.labels.validate import LEAVE_SOME_OUT, VALIDATION_SCHEMA, leave_some_out, paint_rows, validate
from radgen.labels.vary import vary_styles
from radgen.provenance import digest_file
from tests.labels.toys import CLASSES, CPU, STRUCTURES, make_annotation, save_alias_free_file, save_generator_file

SMALL = LabelHeadSettings(
    members=2, images=640, batch_size=4, width=8, dropout=0.1, learning_rate=0.1, folds=2, teacher_images=0
)


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Annotated:
    return _annotate(tmp_path_factory.mktemp("ensemble"), save_generator_file)


def _annotate(folder: Path, save: Callable[[Path], Path]) -> Annotated:
    weights = save(folder / "generator.safetensors")
    pack, index = make_annotation(folder, weights, count=24)
    facts = read_pack_facts(pack, digest_file(weights))
    sampler = load_sampler(weights, seed=facts.sampler_seed, truncation=facts.truncation, device=CPU)
    return redraw(sampler, facts, ImageSet(index))


def _shape(annotated: Annotated, members: int = 2) -> HeadShape:
    scales = tuple(annotated.sampler.feature_channels.items())
    return HeadShape(scales, CLASSES, ("background", *STRUCTURES), members, SMALL.width, generator="g")


def _held(annotated: Annotated, members: int = 2) -> NDArray[np.bool_]:
    return held_out_rows(annotated.class_ids, 0.25, members, list(range(len(annotated))))


def _train(annotated: Annotated, settings: LabelHeadSettings, held: NDArray[np.bool_] | None = None) -> LabelHeads:
    shape = _shape(annotated, settings.members)
    held = _held(annotated, settings.members) if held is None else held
    return train_heads(annotated, held, shape, settings, device=CPU, say=lambda _: None)


def _painted_by_features(annotated: Annotated) -> torch.Tensor:
    """Paint a truth that features hold: where the sum of the largest map's channels is high (1) or middling (2).

    Grey levels would not do: the last product of an alias-free generator is scaled by each image's style, which the
    heads do not see. Each image's grey is a linear function of its features; one common to all images explains 83 to
    90 % of the variance, and the best common limit on grey finds the brightest fifth with a Dice of 0.6.
    """
    summed = annotated.features(range(len(annotated)))[list(annotated.sampler.feature_channels)[-1]].sum(dim=1)
    high, middling = torch.quantile(summed.flatten(), torch.tensor([0.8, 0.47]))
    return torch.where(summed > high, 1, torch.where(summed > middling, 2, 0)).to(torch.uint8)


def test_heads_learn_on_an_alias_free_generator_too(tmp_path: Path) -> None:
    annotated = _annotate(tmp_path, save_alias_free_file)
    assert annotated.largest_difference == 0
    annotated = replace(annotated, masks=_painted_by_features(annotated))
    rows = range(len(annotated))
    untrained = start_members(_shape(annotated), [3, 4]).eval()
    for heads, learnt in ((untrained, False), (_train(annotated, SMALL), True)):
        painted = paint_rows(heads, annotated, rows)
        for label in (1, 2):  # all images together: some hold but a pixel of a structure
            both = int(((painted == label) & (annotated.masks == label)).sum())
            dice = 2 * both / int((painted == label).sum() + (annotated.masks == label).sum())
            assert (dice > 0.8) == learnt, (label, dice)


def _centre_errors(seed: int) -> list[float]:
    """Say how far from its own place the features lie that a pixel of an alias-free image depends on, in their pixels.

    A margin that is cut one row too wide moves all of them by 1.
    """
    torch.manual_seed(seed)
    stages = (Stage(16, 4, 192, 24), Stage(32, 4, 192, 24))
    generator = AliasFreeGenerator(AliasFreeShape(1, 2, stages[0], stages[1:], z_dim=6, w_dim=8, embedding_dim=4))
    inner: list[torch.Tensor] = []
    for layer in generator.filtered:
        layer.register_forward_hook(lambda _, __, made: inner.append(made))
    images, features = generator.synthesise(generator.mapping(torch.randn(4, 6), torch.arange(4) % 2))
    assert [maps.shape[-1] for maps in features.values()] == [16, 32]
    errors = []
    for maps in features.values():
        whole = next(x for x in inner if x.untyped_storage().data_ptr() == maps.untyped_storage().data_ptr())
        rows_cut = (maps.storage_offset() - whole.storage_offset()) // whole.stride(2)
        for place in (10, 16, 21):
            (slope,) = torch.autograd.grad(images[:, 0, place, place].sum(), whole, retain_graph=True)
            weight = slope.square().sum(dim=(0, 1, 3))
            centre = float((weight * torch.arange(len(weight))).sum() / weight.sum()) - rows_cut
            errors.append(centre - ((place + 0.5) * maps.shape[-1] / 32 - 0.5))
    return errors


def test_alias_free_features_lie_where_the_image_does() -> None:
    errors = np.array([_centre_errors(seed) for seed in range(8)])  # random kernels lean to one side, each to another
    assert np.abs(errors.mean(axis=0)).max() < 0.3


def test_held_out_images_are_judged_as_they_will_be_painted(annotated: Annotated) -> None:
    heads, held = start_members(_shape(annotated), [3, 4]).train(), _held(annotated)
    before = {name: value.clone() for name, value in heads.state_dict().items()}
    losses = held_out_loss(heads, annotated, held)
    assert heads.training
    assert all(torch.equal(value, before[name]) for name, value in heads.state_dict().items())
    assert torch.equal(losses, held_out_loss(heads.eval(), annotated, held))
    assert not heads.training


def test_ensemble_learns_a_toy(annotated: Annotated) -> None:
    held = _held(annotated)
    table = validate(_train(annotated, SMALL), annotated, held)
    assert table.schema == VALIDATION_SCHEMA
    rows = table.to_pylist()
    assert [(row["member"], row["structure"]) for row in rows] == [
        (name, structure) for name in ("0", "1", "ensemble") for structure in STRUCTURES
    ]
    for row in rows:
        rows = held.any(axis=0) if row["member"] == "ensemble" else held[int(row["member"])]
        assert row["n"] == rows.sum()
        assert row["dice"] > 0.8, row
    untrained = start_members(_shape(annotated, 1), [3]).eval()
    assert all(row["dice"] < 0.5 for row in validate(untrained, annotated, held[:1]).to_pylist())


def test_rows_of_the_ensemble_are_painted_by_members_that_did_not_learn_them(annotated: Annotated) -> None:
    few = annotated.take(range(4))
    heads = start_members(_shape(annotated), [0, 1]).eval()
    held = np.array([[True, False, False, True], [False, False, True, True]])
    own = member_probabilities(heads, few.features(range(4)), few.class_ids)
    wanted = torch.stack([own[0, 0], own[1, 2], own[:, 3].mean(dim=0)]).argmax(dim=1).numpy()
    scores = score_structures(wanted, few.masks[[0, 2, 3]].numpy(), STRUCTURES)
    rows = [row for row in validate(heads, few, held).to_pylist() if row["member"] == "ensemble"]
    assert [(row["dice"], row["n"]) for row in rows] == [(pytest.approx(score.dice), score.n) for score in scores]


def test_held_out_rows_teach_nothing(annotated: Annotated) -> None:
    settings, held = replace(SMALL, images=64), np.zeros((2, len(annotated)), dtype=bool)
    held[0, :4] = True
    changed = replace(annotated, masks=annotated.masks.clone())
    changed.masks[:4] = 2 - changed.masks[:4]
    heads = [
        start_members(_shape(annotated), [0, 1]),
        *(_train(source, replace(settings, checks=1), held) for source in (annotated, changed)),
    ]
    start, one, two = (head.state_dict()["paint"] for head in heads)
    assert torch.equal(one[0], two[0])
    assert not torch.equal(one[1], two[1])
    assert not torch.equal(start[0], one[0])


def test_images_left_out_are_all_scored(annotated: Annotated) -> None:
    order = list(range(len(annotated)))
    table = leave_some_out(annotated, order, _shape(annotated), SMALL, device=CPU, say=lambda _: None)
    assert table.schema == VALIDATION_SCHEMA
    for row in table.to_pylist():
        assert (row["member"], row["n"]) == (LEAVE_SOME_OUT, len(annotated))
        assert row["dice"] > 0.75, row
    without = replace(SMALL, folds=0)
    assert leave_some_out(annotated, order, _shape(annotated), without, device=CPU, say=print).num_rows == 0


def test_training_is_deterministic_and_members_differ(annotated: Annotated) -> None:
    short = replace(SMALL, images=32, fine_layers=1)
    one, two = _train(annotated, short).state_dict(), _train(annotated, short).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["paint"][0], one["paint"][1])
    assert not torch.equal(one["paint"], _train(annotated, replace(short, seed=2)).state_dict()["paint"])


def test_member_learns_what_it_would_learn_alone(annotated: Annotated) -> None:
    settings = replace(SMALL, images=80, members=3)
    together, alone = _train(annotated, settings), _train(annotated, replace(settings, members=1))
    features, class_ids = annotated.features([0, 1]), annotated.class_ids[:2]
    torch.testing.assert_close(
        member(together, 0)(features, class_ids), alone(features, class_ids), rtol=1e-2, atol=1e-2
    )
    assert not torch.allclose(together(features, class_ids)[1:2], alone(features, class_ids), atol=0.1)


def test_gradients_are_bounded_member_by_member(annotated: Annotated) -> None:
    heads = start_members(_shape(annotated), [0, 1])
    for parameter in heads.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter) * 1e-6
            parameter.grad[0] = 100.0
    clip_members(heads)
    grads = [parameter.grad for parameter in heads.parameters() if parameter.grad is not None]
    assert sum(float(grad[0].square().sum()) for grad in grads) == pytest.approx(25.0, rel=1e-3)
    assert all(torch.equal(grad[1], torch.full_like(grad[1], 1e-6)) for grad in grads)


def test_each_members_best_weights_are_kept_and_all_stop(annotated: Annotated, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = start_members(_shape(annotated), [0, 1])
    losses = iter([[3.0, 3.0], [2.0, 4.0], [2.5, 5.0], [1.0, 1.0], [9.0, 9.0], [9.0, 9.0]])
    monkeypatch.setattr("radgen.labels.train.held_out_loss", lambda *_: torch.tensor(next(losses)))
    stop = EarlyStop(heads, annotated, _held(annotated), patience=2, every=10)
    ends = []
    for step in range(5, 65, 5):
        with torch.no_grad():
            heads.paint.fill_(step)
        ends.append(stop(step))
    assert ends == [False] * 11 + [True]
    # The second member had waited twice when its loss fell to 1, too late.
    assert stop.finish().paint[:, 0, 0].tolist() == [40.0, 10.0]


def test_members_stop_before_the_budget_is_spent(annotated: Annotated) -> None:
    said: list[str] = []
    held = _held(annotated)
    settings = replace(SMALL, images=8_000, learning_rate=0.5, checks=100, patience=1)
    heads = train_heads(annotated, held, _shape(annotated), settings, device=CPU, say=said.append)
    assert len(said) < 10
    assert torch.isfinite(held_out_loss(heads, annotated, held)).all()


def test_member_that_holds_out_nothing_spends_the_budget_and_keeps_its_last_weights(annotated: Annotated) -> None:
    nothing = np.zeros((2, len(annotated)), dtype=bool)
    assert held_out_loss(start_members(_shape(annotated), [0, 1]), annotated, nothing).tolist() == [np.inf, np.inf]
    heads = start_members(_shape(annotated), [0, 1])
    stop = EarlyStop(heads, annotated, nothing, patience=1, every=1)
    with torch.no_grad():
        for step in range(1, 5):
            heads.paint.fill_(step)
            assert not stop(step)
    assert (stop.finish().paint == 4).all()
    assert validate(stop.finish(), annotated, nothing).column("n").to_pylist() == [0] * 6


def test_fine_layers_alone_are_varied(annotated: Annotated) -> None:
    settings = replace(SMALL, fine_layers=2, mixing=1.0)
    w, class_ids = annotated.w[:6], annotated.class_ids[:6]
    styles = vary_styles(annotated.sampler, w, class_ids, settings, torch.Generator().manual_seed(0))
    assert torch.equal(styles[:, :-2], w[:, None].expand(-1, styles.shape[1] - 2, -1))
    assert (styles[:, -2:] != w[:, None]).any(dim=2).all()
    still = replace(settings, mixing=0.0, truncation_jitter=0.0)
    same = vary_styles(annotated.sampler, w, class_ids, still, torch.Generator().manual_seed(0))
    torch.testing.assert_close(same, w[:, None].expand_as(same))
    plain, varied = annotated.features(range(6)), annotated.features(range(6), styles)
    assert torch.equal(plain["scale_004"], varied["scale_004"])
    assert not torch.allclose(plain["scale_016"], varied["scale_016"], atol=0.01)


def test_every_row_is_seen_before_any_is_seen_again() -> None:
    seen = [row for step in range(15) for row in rows_at(step, np.array([3, 5, 8, 9, 11]), SMALL)]
    assert len(seen) == 15 * SMALL.batch_size
    for start in range(0, len(seen), 5):
        assert sorted(seen[start : start + 5]) == [3, 5, 8, 9, 11]
    assert seen[:5] != seen[5:10] or seen[5:10] != seen[10:15]


def test_probabilities_are_the_members_own_and_sum_to_one(
    annotated: Annotated, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = start_members(_shape(annotated), [0, 1]).eval()
    features, class_ids = annotated.features(range(5)), annotated.class_ids[:5]
    whole = member_probabilities(heads, features, class_ids)
    assert whole.shape == (2, 5, 3, 16, 16)
    torch.testing.assert_close(whole.sum(dim=2), torch.ones(2, 5, 16, 16))
    monkeypatch.setattr("radgen.labels.masks.CACHED_PIXELS", 2 * 16 * 16)
    torch.testing.assert_close(member_probabilities(heads, features, class_ids), whole, rtol=1e-4, atol=1e-5)


def test_masks_are_those_of_the_members_mean_logits(annotated: Annotated) -> None:
    heads = start_members(_shape(annotated), [0, 1]).eval()
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.add_(0.2 * torch.rand(parameter.shape, generator=torch.Generator().manual_seed(1)))
        features, class_ids = annotated.features(range(5)), annotated.class_ids[:5]
        logits = heads(features, class_ids)
        mean = logits.mean(dim=0)
    wanted = mean.argmax(dim=1).to(torch.uint8)
    assert torch.equal(ensemble_masks(heads, features, class_ids), wanted)
    assert torch.equal(paint_rows(heads, annotated, range(5)), wanted)
    torch.testing.assert_close(ensemble_probabilities(heads, features, class_ids), mean.softmax(dim=1))
    masks, errors = masks_and_errors(heads, features, class_ids)
    assert torch.equal(masks, wanted)
    torch.testing.assert_close(errors, expected_error((2 * mean).softmax(dim=1)), rtol=1e-3, atol=1e-6)
    squares = torch.nn.functional.avg_pool2d(logits.flatten(0, 1), 2).unflatten(0, logits.shape[:2]).softmax(dim=2)
    apart = disagreement(heads, features, class_ids)
    torch.testing.assert_close(apart, image_disagreement(jensen_shannon(squares)), rtol=1e-3, atol=1e-6)


def test_most_likely_is_argmax_and_the_first_of_equals_wins() -> None:
    probabilities = torch.rand(3, 7, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(most_likely(probabilities).long(), probabilities.argmax(dim=1))
    assert most_likely(torch.ones(1, 4, 2, 2)).tolist() == [[[0, 0], [0, 0]]]


def test_logits_that_are_no_numbers_are_refused_and_never_painted() -> None:
    logits = torch.zeros(3, 4, 2, 2)
    logits[1, 2, 0, 1] = float("nan")
    with pytest.raises(CheckpointError, match=r"give no number for 1 pixels of 1 of 3 images.*run the labels stage"):
        most_likely(logits)
    logits[1, 2, 0, 1] = float("inf")
    assert most_likely(logits)[1].tolist() == [[0, 2], [0, 0]]


def test_loss_that_is_not_finite_stops_with_a_sentence() -> None:
    network = torch.nn.Linear(1, 1)
    with pytest.raises(TrainingError, match=r"toy: the loss is nan at step 2 of 5; lower its learning_rate"):
        run_steps(
            network,
            lambda step: network(torch.ones(1)).sum() * (float("nan") if step == 2 else 1),
            steps=5,
            learning_rate=0.1,
            weight_decay=0.0,
            name="toy",
            say=lambda _: None,
        )


@pytest.mark.parametrize("steps", [1, 2, 15, 400])
def test_rate_rises_then_falls(steps: int) -> None:
    rates = [cosine_rate(step, steps, 2.0) for step in range(steps)]
    assert all(0 < rate <= 2 for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
