"""Scores of probabilities against brute force and by hand, each with patient weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.benchmark import probabilities
from radgen.benchmark.statistics import bootstrap_weights

Arrays = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]


@pytest.fixture
def images() -> Arrays:
    generator = np.random.default_rng(5)
    truth = generator.random(90) < 0.35
    score = np.clip(np.round(0.6 * generator.random(90) + 0.35 * truth, 1), 0, 1)  # rounded: many ties
    both = np.stack([1 - score, score], axis=1)
    return both, np.stack([~truth, truth], axis=1), generator.integers(0, 15, 90)


def by_class(function: Callable[..., float]) -> Callable[..., float]:
    return lambda truth, score: float(np.mean([function(truth[:, c], score[:, c]) for c in range(truth.shape[1])]))


def brute_auc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    pairs = [(p > n) + 0.5 * (p == n) for p in score[truth] for n in score[~truth]]
    return float(np.mean(pairs))


def brute_ap(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """At each positive, the share of positives among all that score no less."""
    return float(np.mean([truth[score >= one].mean() for one in score[truth]]))


def brute_brier(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    return float(np.mean((score - truth) ** 2))


def brute_recall(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    named = score.argmax(axis=1)
    return float(np.mean([(named[truth[:, c]] == c).mean() for c in range(truth.shape[1])]))


BRUTE = [
    (probabilities.auc, by_class(brute_auc)),
    (probabilities.average_precision, by_class(brute_ap)),
    (probabilities.brier, by_class(brute_brier)),
    (probabilities.balanced_accuracy, brute_recall),
]


@pytest.mark.parametrize(("ours", "brute"), BRUTE, ids=["auc", "ap", "brier", "balanced accuracy"])
def test_scores_equal_brute_force_in_every_bootstrap_sample(
    images: Arrays, ours: Callable[..., NDArray[np.float64]], brute: Callable[..., float]
) -> None:
    probability, truth, patient = images
    weights = bootstrap_weights(15, 140, "test")  # more than one block
    found = ours(probability, truth, patient, weights)
    for sample in (0, 1, 77, 140):
        repeated = np.repeat(np.arange(90), weights[sample].astype(int)[patient])
        assert found[sample] == pytest.approx(brute(truth[repeated], probability[repeated]))


def test_calibration_error_by_hand() -> None:
    """Two bins: 0.25 said of four images of which two are positive, 0.95 of two of which one is."""
    probability = np.array([[0.25]] * 4 + [[0.95]] * 2)
    truth = np.array([[True], [True], [False], [False], [True], [False]])
    patient = np.arange(6)
    found = probabilities.calibration_error(probability, truth, patient, np.ones((1, 6)))
    assert found[0] == pytest.approx((4 * 0.25 + 2 * 0.45) / 6)
    only_last = np.array([[0.0, 0, 0, 0, 0, 3.0]])
    assert probabilities.calibration_error(probability, truth, patient, only_last)[0] == pytest.approx(0.95)


def test_a_class_of_one_kind_leaves_rank_scores_unknown() -> None:
    probability, truth = np.array([[0.2], [0.7]]), np.array([[True], [True]])
    for score in (probabilities.auc, probabilities.average_precision):
        assert np.isnan(score(probability, truth, np.arange(2), np.ones((1, 2)))[0])


def test_a_patient_of_mixed_slices_is_as_suspicious_as_the_worst_one() -> None:
    probability = np.array([[[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]])
    truth = np.array([[True, False], [False, True], [True, False], [True, False]])
    whose, has, classes = probabilities.of_patients(probability, truth, np.array([0, 0, 1, 1]), 2)
    # Both patients have slices of the first class: that is no finding. The second class is, and one of them has it.
    assert has.tolist() == [[True], [False]]
    assert whose[0].tolist() == [[0.8], [0.4]]
    assert classes.tolist() == [1]


def test_a_patient_of_one_class_gets_the_mean() -> None:
    probability = np.array([[[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]]])
    truth = np.array([[True, False], [True, False], [False, True]])
    whose, has, classes = probabilities.of_patients(probability, truth, np.array([0, 0, 1]), 2)
    assert has.tolist() == [[True, False], [False, True]]
    assert classes.tolist() == [0, 1]
    assert whose[0] == pytest.approx(np.array([[0.7, 0.3], [0.3, 0.7]]))


def test_balanced_accuracy_of_patients_with_several_findings_calls_each_at_one_half() -> None:
    truth = np.array([[True, True], [True, False]])
    probability = np.array([[0.9, 0.6], [0.7, 0.6]])
    found = probabilities.balanced_accuracy(probability, truth, np.arange(2), np.ones((1, 2)))
    # Sensitivity 1 and 1; only the second class has a negative, which is called: specificity 0.
    assert found[0] == pytest.approx(0.5)
