"""A collapsed generator is noticed, and a good one is left in peace."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.metrics.collapse import Reference, collapse_line, variety

RNG = np.random.default_rng(7)


def _drawn(count: int) -> NDArray[np.float32]:
    return RNG.normal(size=(count, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(_drawn(400), np.arange(400) // 5)


def test_samples_like_real_images_raise_no_alarm(reference: Reference) -> None:
    scores = variety(_drawn(400), reference)
    assert scores["recall"] > 0.8
    assert scores["duplicates"] < 0.1
    assert collapse_line(scores) is None


def test_samples_crowding_in_one_place_are_called_out(reference: Reference) -> None:
    scores = variety(0.05 * _drawn(400), reference)
    assert scores["recall"] < 0.05
    line = collapse_line(scores)
    assert line is not None
    assert "samples vary too little: recall 0." in line
    assert "is below 0.1" in line


def test_repeated_samples_are_called_out_although_they_reach_far(reference: Reference) -> None:
    scores = variety(np.repeat(_drawn(100), 4, axis=0), reference)
    assert scores["duplicates"] == 1.0
    line = collapse_line(scores)
    assert line is not None
    assert "100% of samples are duplicates, more than 25%" in line


def test_images_of_one_patient_set_no_limit_for_duplicates() -> None:
    twins = np.repeat(_drawn(200), 2, axis=0)
    scores = variety(_drawn(400), Reference(twins, np.arange(400) // 2))
    assert scores["duplicates"] < 0.1


def test_a_reference_without_enough_other_patients_says_nothing() -> None:
    assert not Reference(_drawn(60), np.zeros(60, dtype=np.int64)).says_enough
    assert not Reference(_drawn(0), np.zeros(0, dtype=np.int64)).says_enough
    assert Reference(_drawn(60), np.arange(60) // 6).says_enough
