"""Nearest distances equal brute force, across block borders, and never join one patient."""

from __future__ import annotations

import numpy as np
import pytest

from radgen.metrics import distances
from radgen.metrics.distances import NOBODY, count_within, nearest, patient_numbers


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "ROWS_AT_ONCE", 7)


def _brute(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows[:, None].astype(np.float64) - others[None], axis=2)


@pytest.mark.parametrize("k", [1, 3])
def test_equals_brute_force(k: int) -> None:
    rng = np.random.default_rng(k)
    rows, others = rng.standard_normal((20, 5)).astype(np.float32), rng.standard_normal((31, 5)).astype(np.float32)
    found, places = nearest(rows, others, k=k)
    all_of_them = _brute(rows, others)
    np.testing.assert_allclose(found, np.sort(all_of_them, axis=1)[:, k - 1], rtol=1e-6)
    np.testing.assert_allclose(all_of_them[np.arange(20), places], found, rtol=1e-6)


def test_a_copy_is_at_distance_zero_even_far_from_the_origin() -> None:
    others = (np.random.default_rng(0).standard_normal((50, 64)) + 1000).astype(np.float32)
    found, places = nearest(others[[3, 41]], others)
    np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(places, [3, 41])


def test_pairs_of_one_patient_are_skipped_and_nobody_is_no_patient() -> None:
    rows = np.array([[0.0], [0.0], [0.0]])
    others = np.array([[0.0], [1.0], [5.0], [0.5]])
    theirs = np.array([4, 4, 9, NOBODY])
    found, places = nearest(rows, others, patients=np.array([4, 9, NOBODY]), other_patients=theirs)
    np.testing.assert_array_equal(found, [0.5, 0, 0])
    np.testing.assert_array_equal(places, [3, 0, 0])
    alone, _ = nearest(rows[2:], others[3:], patients=np.array([NOBODY]), other_patients=theirs[3:])
    np.testing.assert_array_equal(alone, 0.5)


def test_nobody_left_is_infinite() -> None:
    one = np.array([7])
    found, places = nearest(np.zeros((1, 2)), np.zeros((1, 2)), patients=one, other_patients=one)
    assert np.isinf(found[0])
    assert places[0] == -1
    assert np.isinf(nearest(np.zeros((1, 2)), np.zeros((0, 2)))[0][0])


def test_counts_the_balls_that_hold_a_row() -> None:
    rng = np.random.default_rng(5)
    rows, centres, radii = rng.standard_normal((20, 3)), rng.standard_normal((9, 3)), rng.uniform(0.5, 2, 9)
    expected = (_brute(rows, centres) <= radii).sum(axis=1)
    np.testing.assert_array_equal(count_within(rows, centres, radii), expected)


def test_the_same_patient_has_the_same_number_in_every_column() -> None:
    one, two = patient_numbers(np.array(["x", None, "y"], dtype=object), np.array(["y", "z"], dtype=object))
    assert one[2] == two[0]
    assert one[1] == NOBODY
    assert len({one[0], one[2], two[1]}) == 3
