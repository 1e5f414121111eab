"""Cox models and concordance: laws on planted survival, and no gain where nothing is planted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.errors import CohortError
from radgen.radiogenomic.gene_scores import cox_scores
from radgen.radiogenomic.survival import (
    SurvivalScore,
    comparable_pairs,
    concordance,
    cross_validate,
    fit_cox,
)

Floats = NDArray[np.float64]


def planted(
    seed: int, patients: int, hazard: tuple[float, ...], *, rounded: bool = False
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(patients, len(hazard)))
    times = rng.exponential(np.exp(-values @ np.array(hazard)))
    end = rng.uniform(0.3, 3.0, patients)
    days = np.minimum(times, end)
    return values, np.ceil(10 * days) if rounded else days, times <= end


def test_concordance_is_the_count_of_pairs() -> None:
    rng = np.random.default_rng(0)
    times, died, risks = (
        rng.integers(1, 9, 30).astype(float),
        rng.random(30) < 0.6,
        rng.integers(0, 4, 30).astype(float),
    )
    agreed = compared = 0.0
    for one, two in itertools.permutations(range(30), 2):
        first = died[one] and (times[one] < times[two] or (times[one] == times[two] and not died[two]))
        if first:
            compared += 1
            agreed += 1.0 if risks[one] > risks[two] else 0.5 if risks[one] == risks[two] else 0.0
    assert comparable_pairs(times, died).sum() == compared
    assert concordance(risks, times, died) == pytest.approx(agreed / compared)
    assert concordance(-times, times, np.ones(30, dtype=bool)) == 1.0
    assert concordance(np.zeros(30), times, died) == 0.5


def test_log_hazards_are_found() -> None:
    values, times, died = planted(1, 4000, (0.8, -0.5, 0.0))
    assert fit_cox(values, times, died, 1e-6) == pytest.approx([0.8, -0.5, 0.0], abs=0.06)


@pytest.mark.parametrize("ridge", [0.5, 20.0])
def test_the_fit_is_the_top_of_the_penalised_likelihood(ridge: float) -> None:
    values, times, died = planted(2, 60, (1.0, 0.0, -1.0, 0.3), rounded=True)
    beta = fit_cox(values, times, died, ridge)

    def height(at: Floats) -> float:
        risk = values @ at
        likelihood = sum(risk[i] - np.log(np.exp(risk[times >= times[i]]).sum()) for i in np.flatnonzero(died))
        return float(likelihood - ridge / 2 * at @ at)

    rng = np.random.default_rng(3)
    assert all(height(beta + 0.01 * rng.normal(size=4)) < height(beta) for _ in range(50))
    # At a great ridge the solution is the gradient at 0 over the ridge, whose square is the score statistic's.
    small = fit_cox(values, times, died, 1e6) * 1e6
    signs = np.sign(fit_cox(values[:, :1], times, died, 0.5))
    assert np.sign(small[:1]) == signs
    assert cox_scores(values, times, died)[0] > 0


@pytest.mark.filterwarnings("error")
def test_a_column_that_one_patient_has_does_not_throw_the_fit() -> None:
    values, times, died = planted(7, 100, (0.5,))
    rare = np.zeros((100, 1))
    rare[np.flatnonzero(died)[0]] = 10.0
    beta = fit_cox(np.concatenate([values, rare, rare * (times[:, None] < 1)], axis=1), times, died, 0.1)
    assert np.isfinite(beta).all()
    assert np.abs(beta).max() < 5


def scores(sets: dict[str, Floats], times: Floats, died: NDArray[np.bool_], seed: int = 0) -> dict[str, SurvivalScore]:
    found = cross_validate(sets, times, died, reference="clinical", repeats=2, bootstrap_samples=300, seed=seed)
    return {score.name: score for score in found}


def test_an_embedding_that_knows_more_gains_and_one_that_does_not_does_not() -> None:
    values, times, died = planted(4, 160, (0.3, 1.0, 1.0))
    rng = np.random.default_rng(5)
    knows = np.concatenate([values[:, 1:], rng.normal(size=(160, 10))], axis=1)
    noise = rng.normal(size=(160, 12))
    clinical = values[:, :1].copy()
    clinical[::7] = np.nan
    found = scores({"clinical": clinical, "knows": knows, "noise": noise}, times, died)
    assert found["clinical"].gain == found["clinical"].gain_low == found["clinical"].gain_high == 0
    assert found["knows"].concordance > 0.7
    assert found["knows"].gain_low > 0
    assert found["noise"].gain_low < 0.1
    assert found["noise"].low < 0.55
    assert found["knows"].low < found["knows"].concordance < found["knows"].high


def test_without_anything_planted_half_of_the_pairs_agree() -> None:
    values = []
    for seed in range(6):
        _, times, died = planted(10 + seed, 90, (0.0,))
        noise = np.random.default_rng(100 + seed).normal(size=(90, 8))
        values.append(scores({"clinical": noise}, times, died, seed)["clinical"].concordance)
    assert np.mean(values) == pytest.approx(0.5, abs=0.06)


def test_a_patient_in_the_held_out_fold_does_not_teach() -> None:
    """A variable that names each patient would be perfect if it were fitted on whoever it is asked about."""
    _, times, died = planted(6, 80, (0.0,))
    assert scores({"clinical": np.eye(80)}, times, died)["clinical"].concordance == pytest.approx(0.5, abs=0.02)


def test_too_few_deaths_are_refused() -> None:
    with pytest.raises(CohortError, match="1 deaths among 20 patients for 5 folds, variables: clinical 1"):
        scores({"clinical": np.ones((20, 1))}, np.arange(1.0, 21), np.arange(20) == 3)
