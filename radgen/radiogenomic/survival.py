"""Whether numbers of a patient tell who lives longer: ridge-penalised Cox models and Harrell's concordance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.errors import CohortError
from radgen.seeds import random_generator

Floats = NDArray[np.float64]
RIDGES = (0.1, 1.0, 10.0, 100.0, 1000.0)
NEWTON_STEPS = 30
INNER_FOLDS = 4


@dataclass(frozen=True)
class SurvivalScore:
    """Concordance of one set of variables, and how much more than the reference's it is.

    Parameters
    ----------
    name
        Of the variables.
    variables
        How many.
    concordance, low, high
        Share of comparable pairs of held-out patients whose order of risks is that of their deaths, and its interval.
    gain, gain_low, gain_high
        Minus that of the reference, pair by pair on the same patients.
    """

    name: str
    variables: int
    concordance: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


def fit_cox(values: Floats, times: Floats, died: NDArray[np.bool_], ridge: float) -> Floats:
    """Fit the log hazards of a Cox model.

    Parameters
    ----------
    values
        float64 [patients, variables], complete, on one scale.
    times
        float64 [patients].
    died
        bool [patients].
    ridge
        Weight of half the squared norm of the log hazards; above 0.

    Returns
    -------
    array of float64
        [variables].

    Notes
    -----
    D. R. Cox, Regression models and life-tables, JRSS B 34 (1972): the partial likelihood of equation 12 with Breslow's
    ties, less the ridge of P. J. M. Verweij and H. C. van Houwelingen, Stat. Med. 13 (1994), by Newton's method with
    halved steps.
    """
    order = np.argsort(-times, kind="stable")
    x, t, dead = values[order], times[order], died[order]
    # Patients of one time share their risk set: all whose time is not earlier.
    last = np.searchsorted(-t, -t, side="right") - 1
    beta = np.zeros(x.shape[1])
    height = _penalised(x, beta, dead, last, ridge)
    for _ in range(NEWTON_STEPS):
        gradient, hessian = _slopes(x, beta, dead, last, ridge)
        step = np.linalg.solve(hessian, gradient)
        # A column that few patients have can throw the first step far beyond the top.
        while not _penalised(x, beta + step, dead, last, ridge) >= height and np.abs(step).max() > 1e-10:
            step /= 2
        beta = beta + step
        height = _penalised(x, beta, dead, last, ridge)
        if np.abs(step).max() < 1e-8:
            break
    return beta


def _penalised(x: Floats, beta: Floats, dead: NDArray[np.bool_], last: NDArray[np.intp], ridge: float) -> float:
    risk = x @ beta
    at_risk = np.logaddexp.accumulate(risk)[last]
    return float((risk - at_risk)[dead].sum() - ridge / 2 * beta @ beta)


def _slopes(
    x: Floats, beta: Floats, dead: NDArray[np.bool_], last: NDArray[np.intp], ridge: float
) -> tuple[Floats, Floats]:
    """Return the gradient of the penalised likelihood and minus its second derivative."""
    risk = x @ beta
    weight = np.exp(risk - risk.max())
    total = np.cumsum(weight)[last][dead]
    mean = np.cumsum(weight[:, None] * x, axis=0)[last][dead] / total[:, None]
    gradient = (x[dead] - mean).sum(axis=0) - ridge * beta
    # The sum over deaths of the weighted second moment at risk: patient i counts in every risk set that holds it.
    sets = np.zeros(len(x))
    np.add.at(sets, last[dead], 1 / total)
    share = weight * np.cumsum(sets[::-1])[::-1]
    hessian = (x * share[:, None]).T @ x - mean.T @ mean
    return gradient, hessian + ridge * np.eye(x.shape[1])


def comparable_pairs(times: Floats, died: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which patient (row) is known to have died before which other one (column), bool [patients, patients]."""
    earlier = times[:, None] < times[None]
    # Of two with one time, the one who died went first if the other was then seen alive.
    earlier |= (times[:, None] == times[None]) & ~died[None]
    return earlier & died[:, None] & ~np.eye(len(times), dtype=bool)


def concordance(risks: Floats, times: Floats, died: NDArray[np.bool_]) -> float:
    """Return Harrell's C: of the pairs that can be compared, the share in which the higher risk died first.

    Notes
    -----
    F. E. Harrell et al., Evaluating the yield of medical tests, JAMA 247 (1982), 2543-2546; equal risks count half.
    """
    pairs = comparable_pairs(times, died)
    return float(_agreement(risks)[pairs].mean()) if pairs.any() else float("nan")


def _agreement(risks: Floats) -> Floats:
    """Return 1 where the row's risk is higher than the column's, half where they are equal."""
    agreed: Floats = (risks[:, None] > risks[None]) + 0.5 * (risks[:, None] == risks[None])
    return agreed


def cross_validate(
    sets: Mapping[str, Floats],
    times: Floats,
    died: NDArray[np.bool_],
    *,
    reference: str,
    folds: int = 5,
    repeats: int = 5,
    bootstrap_samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[SurvivalScore]:
    """Compare sets of variables by the concordance of patients that the models did not see.

    Parameters
    ----------
    sets
        Name to float64 [patients, variables]; NaN becomes the mean of the training folds. Each variable is
        standardised on the training folds; the ridge is the one of `RIDGES` that is best in folds within them.
    times, died
        As of `fit_cox`.
    reference
        The set that the others are compared with.
    folds, repeats
        Divisions of the patients; deaths are spread evenly.
    bootstrap_samples, confidence
        Of the intervals.
    seed
        Of divisions and samples.

    Raises
    ------
    CohortError
        Fewer deaths than folds, or a set without variables.

    Notes
    -----
    Risks of different models are on no common scale, so pairs are compared within a fold alone. Intervals are
    percentiles over patients drawn with replacement; models are not fitted again in them.
    """
    deaths = int(died.sum())
    if deaths < 2 * folds or not all(values.shape[1] for values in sets.values()):
        widths = ", ".join(f"{name} {values.shape[1]}" for name, values in sets.items())
        msg = (
            f"{deaths} deaths among {len(times)} patients for {folds} folds, variables: {widths}; survival needs 2 "
            "deaths a fold and at least one variable in each set"
        )
        raise CohortError(msg)
    pairs = comparable_pairs(times, died)
    counted = np.zeros(pairs.shape)
    agreed = {name: np.zeros(pairs.shape) for name in sets}
    for repeat in range(repeats):
        fold = _folds(died, folds, ("survival", seed, repeat))
        together = pairs & (fold[:, None] == fold[None])
        counted += together
        for name, values in sets.items():
            risks = _held_out_risks(values, times, died, fold, ("survival", seed, repeat, name))
            agreed[name] += np.where(together, _agreement(risks), 0.0)
    drawn = random_generator("survival", seed, "bootstrap").multinomial(
        len(times), np.full(len(times), 1 / len(times)), size=bootstrap_samples
    )
    weights = np.concatenate([np.ones((1, len(times))), drawn]).astype(np.float64)
    below = np.einsum("bi,ij,bj->b", weights, counted, weights, optimize=True)
    shares = {name: np.einsum("bi,ij,bj->b", weights, agreed[name], weights, optimize=True) / below for name in sets}
    tail = 50 * (1 - confidence)

    def interval(values: Floats) -> tuple[float, float, float]:
        low, high = np.nanpercentile(values[1:], [tail, 100 - tail])
        return float(values[0]), float(low), float(high)

    return [
        SurvivalScore(name, sets[name].shape[1], *interval(shares[name]), *interval(shares[name] - shares[reference]))
        for name in sets
    ]


def _folds(died: NDArray[np.bool_], folds: int, seed: tuple[str | int, ...]) -> NDArray[np.int64]:
    """Deal patients into folds, those who died first, so that each fold has its share of deaths."""
    rng = random_generator(*seed)
    order = rng.permutation(len(died))
    order = np.concatenate([order[died[order]], order[~died[order]]])
    fold = np.empty(len(died), dtype=np.int64)
    fold[order] = np.arange(len(died)) % folds
    return fold


def _held_out_risks(
    values: Floats, times: Floats, died: NDArray[np.bool_], fold: NDArray[np.int64], seed: tuple[str | int, ...]
) -> Floats:
    risks = np.empty(len(times))
    for number in np.unique(fold):
        new = fold == number
        known, ask = _standardised(values[~new], values[new])
        ridge = _best_ridge(known, times[~new], died[~new], (*seed, int(number)))
        risks[new] = ask @ fit_cox(known, times[~new], died[~new], ridge)
    return risks


def _standardised(known: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Fill and scale by the known patients alone; what does not vary there becomes 0."""
    seen = ~np.isnan(known)
    count = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, known, 0).sum(axis=0) / count
    deviation = np.sqrt(np.where(seen, (known - mean) ** 2, 0).sum(axis=0) / count)
    scale = np.where(deviation > 1e-9 * (1 + np.abs(mean)), deviation, np.inf)
    return np.nan_to_num((known - mean) / scale), np.nan_to_num((new - mean) / scale)


def _best_ridge(values: Floats, times: Floats, died: NDArray[np.bool_], seed: tuple[str | int, ...]) -> float:
    """Return the ridge with the highest concordance in folds of the training patients; of equal ones the largest."""
    fold = _folds(died, INNER_FOLDS, (*seed, "inner"))
    pairs = comparable_pairs(times, died) & (fold[:, None] == fold[None])
    if not pairs.any():
        return RIDGES[-1]

    def score(ridge: float) -> float:
        risks = np.empty(len(times))
        for number in range(INNER_FOLDS):
            new = fold == number
            known, ask = _standardised(values[~new], values[new])
            risks[new] = ask @ fit_cox(known, times[~new], died[~new], ridge)
        return float(_agreement(risks)[pairs].mean())

    return max(RIDGES, key=lambda ridge: (score(ridge), ridge))
