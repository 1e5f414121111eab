"""Scores compare equal numbers in equal proportions, and missing ones carry a reason."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from radgen.metrics.quality import EVERY_CLASS, QUALITY_SCHEMA, Side, class_counts, draw, quality_rows, quality_table
from radgen.metrics.settings import MetricsSettings
from radgen.metrics.summary import summary_lines

SETTINGS = MetricsSettings(kid_subsets=10, kid_subset_images=40)


def _side(seed: int, counts: dict[str, int], shift: float = 0.0, patients: bool = True) -> Side:
    names = np.array([name for name, count in counts.items() for _ in range(count)], dtype=object)
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((len(names), 4)) + shift + 3 * (names == "b")[:, None]
    return Side(features.astype(np.float32), names, np.arange(len(names)) // 3 if patients else np.full(len(names), -1))


def _scores(synthetic: Side) -> dict[tuple[str, str, str], dict[str, object]]:
    others = {"synthetic": synthetic, "floor": _side(2, {"a": 90, "b": 60})}
    rows = quality_rows("main", _side(1, {"a": 120, "b": 60}), others, ("a", "b"), SETTINGS)
    return {(row["class_name"], row["metric"], row["role"]): row for row in rows}  # type: ignore[misc]


def test_both_roles_have_the_same_number_of_images_in_one_proportion() -> None:
    scores = _scores(_side(3, {"a": 300, "b": 300}, patients=False))
    assert {row["n_synthetic"] for key, row in scores.items() if key[0] == EVERY_CLASS} == {150}
    assert {row["n_synthetic"] for key, row in scores.items() if key[0] == "b"} == {60}
    assert {row["n_real"] for key, row in scores.items() if key[0] == EVERY_CLASS} == {150}
    assert class_counts([_side(1, {"a": 90, "b": 60})], _side(1, {"a": 120, "b": 60}), ("a", "b"), 5_000) == {
        "a": 90,
        "b": 45,
    }
    assert class_counts([_side(1, {"a": 90, "b": 60})], _side(1, {"a": 120, "b": 60}), ("a", "b"), 30) == {
        "a": 20,
        "b": 10,
    }


def test_worse_images_score_worse_and_the_floor_does_not_move() -> None:
    good, bad = (_scores(_side(3, {"a": 200, "b": 200}, shift, patients=False)) for shift in (0.0, 1.0))
    for metric, sign in (
        ("judge_fd", 1),
        ("kid", 1),
        ("precision", -1),
        ("recall", -1),
        ("coverage", -1),
        ("density", -1),
    ):
        one, two = (scores[EVERY_CLASS, metric, "synthetic"]["value"] for scores in (good, bad))
        assert sign * (two - one) > 0, metric  # type: ignore[operator]
        assert good[EVERY_CLASS, metric, "floor"] == bad[EVERY_CLASS, metric, "floor"]
    assert good["a", "kid", "floor"]["low"] < good["a", "kid", "floor"]["high"]  # type: ignore[operator]


def test_many_dimensions_have_an_interval_too() -> None:
    rng = np.random.default_rng(8)
    sides = [
        Side(rng.standard_normal((300, 257)).astype(np.float32), np.full(300, "a", dtype=object), np.arange(300) // 2)
        for _ in range(3)
    ]
    rows = quality_rows("main", sides[0], {"synthetic": sides[1], "floor": sides[2]}, ("a",), SETTINGS, extractor="net")
    (row,) = (row for row in rows if (row["metric"], row["role"]) == ("net_fd", "synthetic"))
    assert 0 < row["low"] < row["value"] < row["high"] < 1.3 * row["value"]  # type: ignore[operator]


def test_how_often_a_class_was_asked_for_does_not_change_the_pooled_score() -> None:
    even, uneven = (_side(3, counts, patients=False) for counts in ({"a": 400, "b": 400}, {"a": 400, "b": 100}))
    one, two = (_scores(side)[EVERY_CLASS, "judge_fd", "synthetic"]["value"] for side in (even, uneven))
    assert one == pytest.approx(two, abs=0.25)


def test_too_few_images_give_kid_and_a_reason() -> None:
    scores = _scores(_side(3, {"a": 30, "b": 30}, patients=False))
    distance = scores["b", "judge_fd", "synthetic"]
    assert distance["value"] is None
    assert "30 images are fewer than 10 x 4" in str(distance["reason"])
    assert scores["b", "kid", "synthetic"]["value"] is not None


def test_a_class_without_samples_is_named_as_missing() -> None:
    scores = _scores(_side(3, {"a": 100}, patients=False))
    assert scores["b", "recall", "synthetic"]["value"] is None
    assert "a class is missing on one side" in str(scores[EVERY_CLASS, "judge_fd", "synthetic"]["reason"])
    assert scores["a", "recall", "synthetic"]["value"] is not None


def test_draws_are_of_the_class_and_repeatable() -> None:
    side = _side(1, {"a": 50, "b": 50})
    one = draw(side, {"a": 10, "b": 20}, 3)
    assert sorted(one.class_names.tolist()) == ["a"] * 10 + ["b"] * 20
    np.testing.assert_array_equal(one.features, draw(side, {"a": 10, "b": 20}, 3).features)


def test_a_distance_never_stands_without_recall_and_copies() -> None:
    rows = list(_scores(_side(3, {"a": 200, "b": 200}, patients=False)).values())
    table = quality_table(rows)  # type: ignore[arg-type]
    assert table.schema == QUALITY_SCHEMA
    lines = summary_lines(table)
    assert len(lines) == 3
    for line in lines:
        assert "recall" in line
        assert "near copies by features not measured" in line
    few = summary_lines(quality_table(list(_scores(_side(3, {"a": 30, "b": 30}, patients=False)).values())))  # type: ignore[arg-type]
    assert few[2].startswith("main, b: judge KID")
    assert "no judge FD: 30 images are fewer" in few[2]
    assert "FID" not in "".join(lines)
    assert pa.types.is_float64(table.schema.field("value").type)
