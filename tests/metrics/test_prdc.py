"""Precision, recall, density and coverage obey their laws."""

from __future__ import annotations

import numpy as np
import pytest

from radgen.errors import InputError
from radgen.metrics.prdc import Prdc, prdc


def _cloud(seed: int, count: int = 300, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32) + np.float32(shift)


def test_identical_sets_score_one() -> None:
    found = prdc(_cloud(0), _cloud(0))
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density >= 1


def test_far_sets_score_zero() -> None:
    assert prdc(_cloud(0), _cloud(1, shift=100)) == Prdc(0, 0, 0, 0)


def test_one_distribution_scores_about_one() -> None:
    found = prdc(_cloud(0), _cloud(1))
    assert found.precision > 0.9
    assert found.recall > 0.9
    assert 0.85 < found.density < 1.15
    assert found.coverage > 0.9


def test_a_collapsed_generator_is_precise_and_covers_nothing() -> None:
    found = prdc(_cloud(0), 0.02 * _cloud(1))
    assert found.precision == 1
    assert found.recall < 0.1
    assert found.coverage < 0.3


def test_a_generator_with_outliers_loses_precision_and_not_recall() -> None:
    other = _cloud(1)
    other[:60] += 50
    found = prdc(_cloud(0), other)
    assert found.precision == pytest.approx(prdc(_cloud(0), other[60:]).precision * 240 / 300)
    assert found.recall > 0.9


def test_slices_of_one_patient_do_not_shrink_each_others_radius() -> None:
    scans = _cloud(0, 40)
    slices = np.repeat(scans, 10, axis=0) + 1e-3 * _cloud(1, 400)
    patients = np.repeat(np.arange(40), 10)
    other = _cloud(2, 400)
    assert prdc(slices, other).precision < 0.1
    assert prdc(slices, other, k=20, real_patients=patients).precision > 0.5


def test_synthetic_images_have_no_patient_and_are_no_neighbours_of_themselves() -> None:
    nobody = np.full(300, -1)
    assert prdc(_cloud(0), _cloud(1), other_patients=nobody) == prdc(_cloud(0), _cloud(1))


def test_too_few_patients_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="10 of 10 images have fewer than 5 neighbours of other patients"):
        prdc(_cloud(0, 10), _cloud(1, 10), real_patients=np.zeros(10, dtype=np.int64))
