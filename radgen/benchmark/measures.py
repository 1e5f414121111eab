"""From score rows to measures: one number per arm, metric and structure, with its bootstrap replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from radgen.benchmark import probabilities, scoring
from radgen.benchmark.comparisons import Score, sign_flip_p, swap_p
from radgen.benchmark.statistics import Floats, Integers, bootstrap_weights, ratio, standard_error
from radgen.errors import InputError

AUC = "auc"
DICE = "dice"
PATIENT = "patient_"  # before the name of a metric whose units are patients
PROBABILITY_METRICS: Mapping[str, Score] = {
    AUC: probabilities.auc,
    "ap": probabilities.average_precision,
    "balanced_accuracy": probabilities.balanced_accuracy,
    "brier": probabilities.brier,
    "ece": probabilities.calibration_error,
}
VOLUME_METRICS = (DICE, "hd95_mm", "surface_dice")
COUNTED_REASONS = {
    "n_both_empty": scoring.BOTH_EMPTY,
    "n_missed": scoring.MISSED,
    "n_invented": scoring.INVENTED,
}


@dataclass(frozen=True)
class Draws:
    """The bootstrap draws that all arms of a task share.

    Attributes
    ----------
    patients
        Test patients, sorted.
    weights
        float [1 + samples, patients] from `bootstrap_weights`.
    seed
        Names the task.
    """

    patients: list[str]
    weights: Floats
    seed: str

    @classmethod
    def of(cls, patients: list[str], samples: int, seed: str) -> Draws:
        """Draw."""
        return cls(patients, bootstrap_weights(len(patients), samples, seed), seed)

    def column(self, names: Sequence[str]) -> Integers:
        """Return the column of `weights` of each patient."""
        return np.searchsorted(np.array(self.patients), np.array(names))

    def of_generators(self, count: int) -> Floats:
        """Draw generators beside patients, float [1 + samples, count], each row summing to 1."""
        samples = len(self.weights) - 1
        return bootstrap_weights(count, samples, self.seed, "generators") / count if count > 1 else np.ones((1, 1))


@dataclass(frozen=True)
class Measure:
    """One metric of one arm.

    Attributes
    ----------
    metric, structure
        `structure` is None for the mean over classes or structures.
    primary
        Whether headlines and the rule go by it.
    replicates
        float [1 + samples]: mean over networks, element 0 for patients and generators as they are.
    by_seed
        float [seeds]: the estimate of each network.
    n_scored
        Images, patients or series behind it, counted once for all seeds.
    n_generators
        Behind the networks.
    patient_values
        float [1 or 1 + samples, patients]: mean over networks, one row for each draw of generators where there are
        several; NaN where a patient has none. Only for metrics that are means over patients.
    probability, truth, units
        Of other metrics: float [seeds, units, classes], bool [units, classes], the patient of each unit int [units].
    counts
        Further columns of the summary.
    """

    metric: str
    structure: str | None
    primary: bool
    replicates: Floats
    by_seed: Floats
    n_scored: int
    n_generators: int = 1
    patient_values: Floats | None = None
    probability: Floats | None = None
    truth: NDArray[np.bool_] | None = None
    units: Integers | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def minus(self, other: Measure, weights: Floats) -> Floats:
        """Replicates of the paired difference to another arm: same patients, same draws.

        Where values belong to patients, only patients with a value in both arms count.
        """
        if self.patient_values is None or other.patient_values is None:
            return self.replicates - other.replicates
        return weighted_means(self.patient_values - other.patient_values, weights)

    def error_of_difference(self, other: Measure, weights: Floats) -> float:
        """Standard error of the difference: over patients by bootstrap, over networks by their variance.

        Where generators are drawn in the bootstrap, their networks are drawn with them.
        """
        alone = [one.by_seed for one in (self, other) if one.n_generators == 1 and len(one.by_seed) > 1]
        over_seeds = sum(float(np.var(seeds, ddof=1)) / len(seeds) for seeds in alone)
        return float(np.sqrt(standard_error(self.minus(other, weights)) ** 2 + over_seeds))

    def p_of_difference(self, other: Measure, permutations: int, seed: str) -> float:
        """Two-sided permutation p value of the difference to another arm, over patients."""
        if self.patient_values is not None and other.patient_values is not None:
            return sign_flip_p(self.patient_values[0] - other.patient_values[0], permutations, seed)
        if self.probability is None or other.probability is None or self.truth is None or self.units is None:
            return float("nan")
        score = PROBABILITY_METRICS[self.metric.removeprefix(PATIENT)]
        both = self.probability, other.probability
        return swap_p(*both, self.truth, self.units, score=score, permutations=permutations, seed=seed)


def weighted_means(values: Floats, weights: Floats) -> Floats:
    """Weighted mean over patients for each draw, without the patients that have no value.

    Parameters
    ----------
    values
        float [1 or samples, patients].
    weights
        float [samples, patients].
    """
    known = np.isfinite(values)
    return ratio((weights * np.where(known, values, 0.0)).sum(axis=1), (weights * known).sum(axis=1))


def over_generators(values: Floats, generators: Sequence[str], draws: Draws) -> Floats:
    """Mean over networks, then over generators drawn anew in each sample: the two levels of the bootstrap.

    Parameters
    ----------
    values
        float [seeds, n], NaN where unknown.
    generators
        The generator behind each network; one name for all where there is one.
    draws
        Of the task.

    Returns
    -------
    float [1, n], or [1 + samples, n] where there are several generators
        Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8.
    """
    names = sorted(set(generators))
    each = np.stack([_mean_of_known(values[[one == name for one in generators]]) for name in names])
    weight, known = draws.of_generators(len(names)), np.isfinite(each)
    return ratio(weight @ np.where(known, each, 0.0), weight @ known.astype(np.float64))


def _mean_of_known(values: Floats) -> Floats:
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


# ---------------------------------------------------------------- classification


@dataclass(frozen=True)
class Level:
    """The probabilities of a classification arm, by image or by patient.

    Attributes
    ----------
    prefix
        Before the names of its metrics: nothing for images, `patient_` for patients.
    primary
        Whether headlines go by its AUC.
    probability, truth, units
        float [seeds, units, classes], bool [units, classes], the patient of each unit int [units].
    classes
        Names of the columns.
    """

    prefix: str
    primary: bool
    probability: Floats
    truth: NDArray[np.bool_]
    units: Integers
    classes: tuple[str, ...]


def levels(scores: pa.Table, draws: Draws) -> list[Level]:
    """Return an arm's probabilities by image, and by patient where patients differ in their classes.

    Then patients are primary, else images.

    Parameters
    ----------
    scores
        The arm's rows of SCORES_SCHEMA.
    draws
        Of the task, for its patients.

    Raises
    ------
    InputError
        An image lacks a row for some class or seed.
    """
    rows = scores.sort_by([("seed", "ascending"), ("image_id", "ascending"), ("structure", "ascending")])
    sizes = [pc.count_distinct(rows.column(name)).as_py() for name in ("seed", "image_id", "structure")]
    if rows.num_rows != int(np.prod(sizes)):
        msg = (
            f"arm {rows.column('arm')[0]}: {rows.num_rows} score rows for {sizes[0]} seeds, {sizes[1]} images and "
            f"{sizes[2]} classes; delete its scores and run the arm again"
        )
        raise InputError(msg)
    probability = rows.column("probability").to_numpy().astype(np.float64).reshape(sizes)
    truth = rows.column("truth").to_numpy().reshape(sizes)[0].astype(bool)
    names = rows.column("structure").slice(0, sizes[2]).to_pylist()
    units = draws.column(np.array(rows.column("patient").to_pylist()).reshape(sizes)[0, :, 0].tolist())
    count = len(draws.patients)
    whose, has, classes = probabilities.of_patients(probability, truth, units, count)
    by_patient = bool(((has.sum(axis=0) > 0) & (has.sum(axis=0) < count)).any())
    found = [Level("", not by_patient, probability, truth, units, tuple(names))]
    if by_patient:
        found.append(Level(PATIENT, True, whose, has, np.arange(count), tuple(names[each] for each in classes)))
    return found


def image_measures(scores: pa.Table, draws: Draws) -> list[Measure]:
    """Measure a classification arm at both of its levels.

    Parameters
    ----------
    scores
        The arm's rows of SCORES_SCHEMA.
    draws
        Of the task.

    Raises
    ------
    InputError
        An image lacks a row for some class or seed.
    """
    generators = _generators(scores)
    measures = []
    for level in levels(scores, draws):
        for metric, function in PROBABILITY_METRICS.items():
            each = np.stack([function(one, level.truth, level.units, draws.weights) for one in level.probability])
            measures.append(
                Measure(
                    metric=f"{level.prefix}{metric}",
                    structure=None,
                    primary=metric == AUC and level.primary,
                    replicates=_drawn(each, generators, draws),
                    by_seed=each[:, 0],
                    n_scored=len(level.truth),
                    n_generators=len(set(generators)),
                    probability=level.probability,
                    truth=level.truth,
                    units=level.units,
                )
            )
    return measures


def _drawn(each: Floats, generators: Sequence[str], draws: Draws) -> Floats:
    """Replicates over patients [seeds, 1 + samples], each sample with its own draw of generators: [1 + samples]."""
    names = sorted(set(generators))
    means = np.stack([_mean_of_known(each[[one == name for one in generators]]) for name in names])
    weight, known = draws.of_generators(len(names)).T, np.isfinite(means)
    return ratio((weight * np.where(known, means, 0.0)).sum(axis=0), (weight * known).sum(axis=0))


def _generators(rows: pa.Table) -> list[str]:
    """Return the generator of each network, in the order of seeds; one name for all where there is none."""
    found = dict(zip(rows.column("seed").to_pylist(), rows.column("generator").to_pylist(), strict=True))
    return [found[seed] or "" for seed in sorted(found)]


# ---------------------------------------------------------------- segmentation


def volume_measures(scores: pa.Table, draws: Draws) -> list[Measure]:
    """Measure a segmentation arm: every structure, then the mean over structures. Parameters as `image_measures`."""
    structures = pc.unique(scores.column("structure")).to_pylist()
    measures = []
    for metric in VOLUME_METRICS:
        rows = scores.filter(pc.equal(scores.column("metric"), metric))
        for structure in [*structures, None] if rows.num_rows else []:
            chosen = rows if structure is None else rows.filter(pc.equal(rows.column("structure"), structure))
            measures.append(_volume_measure(chosen, metric, structure, draws))
    return measures


def _volume_measure(rows: pa.Table, metric: str, structure: str | None, draws: Draws) -> Measure:
    values = _by_patient(rows, draws)
    generators = _generators(rows)
    mean = over_generators(values, generators, draws)
    reasons = rows.column("reason").to_pylist()
    counts = {name: reasons.count(reason) for name, reason in COUNTED_REASONS.items()}
    gaps = dict(zip(rows.column("series").to_pylist(), rows.column("n_missing_slices").to_pylist(), strict=True))
    counts["n_missing_slices"] = sum(gaps.values())
    return Measure(
        metric=metric,
        structure=structure,
        primary=metric == DICE and structure is None,
        replicates=weighted_means(mean, draws.weights),
        by_seed=weighted_means(values, np.ones((1, values.shape[1]))),
        n_scored=len(gaps),
        n_generators=len(set(generators)),
        patient_values=mean,
        counts=counts,
    )


def _by_patient(rows: pa.Table, draws: Draws) -> Floats:
    """Mean of the known values of each seed and patient, float [seeds, patients]; NaN where there is none."""
    seeds, seed = np.unique(rows.column("seed").to_numpy(), return_inverse=True)
    count, column = len(draws.patients), draws.column(rows.column("patient").to_pylist())
    value = rows.column("value").to_numpy().astype(np.float64)
    cell, known, size = seed * count + column, np.isfinite(value), len(seeds) * count
    total = np.bincount(cell[known], weights=value[known], minlength=size).astype(np.float64)
    means = ratio(total, np.bincount(cell[known], minlength=size).astype(np.float64))
    return means.reshape(len(seeds), count)
