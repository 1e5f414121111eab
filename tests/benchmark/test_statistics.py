"""Weighted scores against brute force, and the coverage of the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.benchmark.statistics import auc_replicates, bootstrap_weights, interval, mean_replicates


def brute_auc(score: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    pairs = [(p > n) + 0.5 * (p == n) for p in score[truth] for n in score[~truth]]
    return float(np.mean(pairs))


@pytest.fixture
def images() -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    generator = np.random.default_rng(3)
    truth = generator.random(60) < 0.4
    score = np.round(generator.random(60) + 0.3 * truth, 1)  # rounded: many ties
    return score, truth, generator.integers(0, 12, 60)


def test_auc_equals_brute_force_with_ties(
    images: tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    score, truth, patient = images
    assert auc_replicates(score, truth, patient, np.ones((1, 12)))[0] == pytest.approx(brute_auc(score, truth))


def test_a_weight_means_that_the_patient_occurs_so_often(
    images: tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    score, truth, patient = images
    weights = bootstrap_weights(12, 150, "test")  # more than one block
    replicates = auc_replicates(score, truth, patient, weights)
    for sample in (0, 1, 77, 150):
        repeated = np.repeat(np.arange(60), weights[sample].astype(int)[patient])
        assert replicates[sample] == pytest.approx(brute_auc(score[repeated], truth[repeated]))


def test_auc_of_one_kind_of_image_is_unknown() -> None:
    patient = np.zeros(3, dtype=np.int64)
    assert np.isnan(auc_replicates(np.arange(3.0), np.ones(3, dtype=bool), patient, np.ones((1, 1)))[0])


def test_mean_leaves_out_patients_without_a_value() -> None:
    weights = np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 1.0], [0.0, 3.0, 0.0]])
    found = mean_replicates(np.array([1.0, np.nan, 4.0]), weights)
    assert found[:2].tolist() == [2.5, 4.0]
    assert np.isnan(found[2])


def test_weights_draw_all_patients_with_replacement() -> None:
    weights = bootstrap_weights(30, 400, "x")
    assert (weights.sum(axis=1) == 30).all()
    assert (weights[0] == 1).all()
    assert weights[1:].mean() == pytest.approx(1.0)
    assert (bootstrap_weights(30, 400, "x") == weights).all()
    assert (bootstrap_weights(30, 400, "y")[1:] != weights[1:]).any()


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Images of one patient are alike, so only drawing patients covers; drawing images would fall far short."""
    generator = np.random.default_rng(0)
    covered = {"patients": 0, "images": 0}
    for trial in range(200):
        patient = np.repeat(np.arange(25), 8)
        value = generator.normal(0, 1, 25)[patient] + generator.normal(0, 0.3, 200)
        means = np.bincount(patient, weights=value) / 8
        for kind, values in (("patients", means), ("images", value)):
            low, high = interval(mean_replicates(values, bootstrap_weights(len(values), 300, trial)), 0.9)
            covered[kind] += low <= 0 <= high
    assert 0.82 <= covered["patients"] / 200 <= 0.97
    assert covered["images"] / 200 < 0.65


def test_interval_without_any_replicate_is_unknown() -> None:
    assert all(np.isnan(interval(np.array([0.5, np.nan, np.nan]), 0.95)))
