"""The ensemble learns a toy, its members differ, and training is the same every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.errors import TrainingError
from radgen.gan.sampling import load_sampler
from radgen.imageset.core import ImageSet
from radgen.labels.annotated import Annotated, held_out_rows, read_pack_facts, redraw
from radgen.labels.head import HeadShape, LabelHead
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.steps import cosine_rate, run_steps
from radgen.labels.train import VALIDATION_SCHEMA, bootstrap, train_heads, validate
from radgen.provenance import digest_file
from tests.labels.toys import CLASSES, CPU, STRUCTURES, make_annotation, save_alias_free_file, save_generator_file

SMALL = LabelHeadSettings(members=2, images=480, width=8, embedding=4, learning_rate=1e-2)


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Annotated:
    return _annotate(tmp_path_factory.mktemp("ensemble"), save_generator_file)


def _annotate(folder: Path, save: Callable[[Path], Path]) -> Annotated:
    weights = save(folder / "generator.safetensors")
    pack, index = make_annotation(folder, weights, count=24)
    facts = read_pack_facts(pack, digest_file(weights))
    sampler = load_sampler(weights, seed=facts.sampler_seed, truncation=facts.truncation, device=CPU)
    return redraw(sampler, facts, ImageSet(index))


def _shape(annotated: Annotated) -> HeadShape:
    return HeadShape(
        scales=tuple((name, maps.shape[1]) for name, maps in annotated.features.items()),
        class_names=CLASSES,
        labels=("background", *STRUCTURES),
        width=SMALL.width,
        embedding=SMALL.embedding,
        dropout=SMALL.dropout,
        generator="g",
    )


def _train(annotated: Annotated, rows: list[int], settings: LabelHeadSettings) -> list[LabelHead]:
    return train_heads(annotated, rows, _shape(annotated), settings, device=CPU, say=lambda _: None)


def test_heads_learn_on_an_alias_free_generator_too(tmp_path: Path) -> None:
    annotated = _annotate(tmp_path, save_alias_free_file)
    assert {maps.shape[-1] for maps in annotated.features.values()} == {16}
    assert annotated.largest_difference == 0
    teaching, held = held_out_rows(annotated, 0.25, list(range(len(annotated))))
    rows = validate(_train(annotated, teaching, SMALL), annotated, held, CPU).to_pylist()
    found = {row["structure"]: row["dice"] for row in rows if row["member"] == "ensemble"}
    assert found["bright"] > 0.6


def test_ensemble_learns_a_toy(annotated: Annotated) -> None:
    teaching, held = held_out_rows(annotated, 0.25, list(range(len(annotated))))
    table = validate(_train(annotated, teaching, SMALL), annotated, held, CPU)
    assert table.schema == VALIDATION_SCHEMA
    rows = table.to_pylist()
    assert [(row["member"], row["structure"]) for row in rows] == [
        (member, structure) for member in ("0", "1", "ensemble") for structure in STRUCTURES
    ]
    for row in rows:
        assert row["n"] == len(held)
        assert row["dice"] > 0.8, row
    untrained = [LabelHead(_shape(annotated)).eval()]
    assert all(row["dice"] < 0.5 for row in validate(untrained, annotated, held, CPU).to_pylist())


def test_training_is_deterministic_and_members_differ(annotated: Annotated) -> None:
    short = replace(SMALL, images=32)
    rows = list(range(8)) + list(range(12, 20))
    one, two = _train(annotated, rows, short), _train(annotated, rows, short)
    for a, b in zip(one, two, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(one[0].paint.weight, one[1].paint.weight)
    other = _train(annotated, rows, replace(short, seed=2))
    assert not torch.equal(one[0].paint.weight, other[0].paint.weight)


def test_members_start_from_different_weights(annotated: Annotated) -> None:
    still = replace(SMALL, images=8, learning_rate=1e-12)
    one, two = _train(annotated, list(range(len(annotated))), still)
    assert (one.paint.weight - two.paint.weight).abs().max() > 0.01


def test_bootstraps_differ_and_keep_every_class() -> None:
    class_ids = np.array([0] * 10 + [1] * 3)
    draws = [bootstrap(class_ids, 1, member) for member in range(20)]
    assert len({tuple(draw.tolist()) for draw in draws}) == 20
    for draw in draws:
        assert np.array_equal(np.bincount(class_ids[draw]), [10, 3])


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
