"""Tests of differences on draws whose answer is known: how often they cry wolf, and how often they find a gain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.benchmark import probabilities
from radgen.benchmark.comparisons import (
    detectable_difference,
    fieller,
    holm,
    patients_needed,
    sign_flip_p,
    swap_p,
)
from radgen.benchmark.measures import DICE, Draws, Measure
from radgen.benchmark.settings import SummarySettings
from radgen.benchmark.statistics import interval
from radgen.benchmark.summary import summary_rows
from radgen.benchmark.tables import ARM_FIELDS
from radgen.benchmark.task_result import TaskResult
from radgen.benchmark.verdicts import verdict_rows

DRAWS, PATIENTS, GAIN = 200, 40, 0.03
SETTINGS = SummarySettings(bootstrap_samples=500, permutations=500)
Floats = NDArray[np.float64]


def pool() -> tuple[Floats, Floats]:
    """Dice of 300 patients who differ widely and skewed, as lesions do, and how two networks of one recipe differ."""
    generator = np.random.default_rng(11)
    level = generator.beta(8, 2.5, 300)
    return level, generator.standard_t(5, 300) * 0.035 * np.sqrt(level * (1 - level)) / 0.4


def measure(values: Floats, draws: Draws) -> Measure:
    means = (draws.weights * values).sum(axis=1) / draws.weights.sum(axis=1)
    return Measure(
        metric=DICE,
        structure=None,
        primary=True,
        replicates=means,
        by_seed=means[:1],
        n_scored=len(values),
        patient_values=values[None],
    )


def study(number: int, gain: float) -> TaskResult:
    """One study on patients drawn anew: real_low and an arm of the same skill, or better by `gain`."""
    level, residual = pool()
    generator = np.random.default_rng(1000 + number)
    who, noise = generator.integers(0, 300, PATIENTS), generator.choice(residual, (2, PATIENTS))
    noise *= generator.choice([-1.0, 1.0], noise.shape)
    draws = Draws.of([f"p{place:02d}" for place in range(PATIENTS)], SETTINGS.bootstrap_samples, f"draw {number}")
    scores = {"real_low": level[who] + noise[0], "low_plus": level[who] + noise[1] + gain}
    empty = dict.fromkeys(field.name for field in ARM_FIELDS)
    facts = {arm: empty | {"task": "segmentation", "arm": arm, "n_train_images": 40} for arm in scores}
    facts["low_plus"] |= {"synthetic": "main", "setting": "scarce", "headline": True}
    return TaskResult("segmentation", draws, facts, {arm: [measure(one, draws)] for arm, one in scores.items()})


def found(gain: float) -> dict[str, float]:
    """Share of the draws in which interval, permutation test and sentence claim a difference."""
    claims = {"interval": 0, "test": 0, "sentence": 0}
    for number in range(DRAWS):
        result = study(number, gain)
        rows = summary_rows(result, SETTINGS, "low_plus")
        row = next(row for row in rows if row["arm"] == "low_plus")
        claims["interval"] += row["to_low_lower"] > 0 or row["to_low_upper"] < 0
        claims["test"] += row["p_value"] < 0.05
        claims["sentence"] += any(told["kind"] == "helps" for told in verdict_rows(result, rows, SETTINGS, "low_plus"))
    return {name: count / DRAWS for name, count in claims.items()}


def test_an_arm_that_does_not_help_is_seldom_said_to_help() -> None:
    alarms = found(0.0)
    assert 0.02 <= alarms["interval"] <= 0.09
    assert 0.02 <= alarms["test"] <= 0.09
    assert alarms["sentence"] <= 0.06  # one side only


def test_a_planted_gain_is_found() -> None:
    power = found(GAIN)
    assert min(power.values()) >= 0.8


def patients_of(number: int, skill: tuple[float, float]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Probabilities of two classifiers of some skill for the same 60 patients, and who has the finding."""
    generator = np.random.default_rng(7000 + number)
    sick = generator.random(60) < 0.5
    common, own = generator.normal(0, 0.8, 60), generator.normal(0, 0.6, (2, 60))
    logits = np.array(skill)[:, None] * (sick - 0.5) + common + own
    chance = 1 / (1 + np.exp(-logits * np.array([[1.0], [3.0]])))  # the second network is over-confident
    one, two = (np.stack([1 - p, p], axis=1)[None] for p in chance)
    return one, two, np.stack([~sick, sick], axis=1)


def auc_found(skill: tuple[float, float]) -> float:
    hits = 0
    for number in range(DRAWS):
        one, two, truth = patients_of(number, skill)
        hits += (
            swap_p(one, two, truth, np.arange(60), score=probabilities.auc, permutations=300, seed=str(number)) < 0.05
        )
    return hits / DRAWS


def test_swapped_patients_tell_areas_apart_as_often_as_they_should() -> None:
    assert 0.02 <= auc_found((1.5, 1.5)) <= 0.09
    assert auc_found((1.0, 2.6)) >= 0.8


def test_images_of_one_patient_are_swapped_together() -> None:
    """Ten images of each patient tell no more than one: swapping images alone would claim far too much."""
    one, two, truth = patients_of(3, (1.0, 2.6))
    options: dict[str, Any] = {"score": probabilities.auc, "permutations": 500, "seed": "x"}
    alone = swap_p(one, two, truth, np.arange(60), **options)
    repeated = [np.repeat(array, 10, axis=-2) for array in (one, two, truth)]
    together = swap_p(*repeated, np.repeat(np.arange(60), 10), **options)
    assert together == pytest.approx(alone)


def test_sign_flips_by_hand() -> None:
    """Of four signs of two equal differences, two are as extreme as those seen."""
    assert sign_flip_p(np.array([1.0, 1.0]), 4000, "x") == pytest.approx(0.5, abs=0.03)
    assert sign_flip_p(np.full(20, 0.1), 999, "x") == pytest.approx(0.001)
    assert np.isnan(sign_flip_p(np.array([np.nan]), 100, "x"))


def test_holm_adjusts_known_values_and_keeps_their_order() -> None:
    assert holm([0.01, float("nan"), 0.02]) == [0.02, pytest.approx(float("nan"), nan_ok=True), 0.02]
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_fieller_covers_the_share_of_a_gap() -> None:
    """Replicates of a gain and a gap with known errors: about 95 of 100 intervals hold the true share."""
    generator, covered = np.random.default_rng(2), 0
    for _ in range(300):
        errors = generator.multivariate_normal([0, 0], [[4e-4, 2e-4], [2e-4, 4e-4]], 401)
        gain, gap = 0.05 + errors[0, 0], 0.1 + errors[0, 1]
        _, lower, upper = fieller(gain + np.r_[0, errors[1:, 0]], gap + np.r_[0, errors[1:, 1]], 0.95)
        covered += lower <= 0.5 <= upper
    assert 0.92 <= covered / 300 <= 0.98


def test_fieller_has_no_interval_where_the_gap_may_be_zero() -> None:
    generator = np.random.default_rng(0)
    ratio, lower, upper = fieller(np.r_[0.05, generator.normal(0.05, 0.02, 400)], np.r_[0.02, generator.normal(0.02, 0.02, 400)], 0.95)  # noqa: E501  # fmt: skip
    assert ratio == pytest.approx(2.5)
    assert np.isnan(lower)
    assert np.isnan(upper)


def test_the_smallest_detectable_difference_is_found_in_four_of_five_studies() -> None:
    """Studies whose true gain is just that difference: about 80 % of their intervals leave zero out."""
    generator, error = np.random.default_rng(4), 0.02
    gain = detectable_difference(error, 0.95)
    seen = generator.normal(gain, error, 2000)
    assert np.mean(seen > 1.96 * error) == pytest.approx(0.8, abs=0.03)
    assert patients_needed(30, gain, gain) == 30
    assert interval(np.r_[0, generator.normal(0, error, 4000)], 0.95)[1] == pytest.approx(1.96 * error, rel=0.06)
