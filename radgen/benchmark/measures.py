"""From score rows to measures: one number per arm, metric and structure, with its bootstrap replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from radgen.benchmark import scoring
from radgen.benchmark.statistics import (
    Floats,
    Integers,
    balanced_accuracy_replicates,
    macro_auc_replicates,
    mean_replicates,
    standard_error,
)
from radgen.errors import InputError

AUC = "auc"
DICE = "dice"
IMAGE_METRICS: dict[str, Callable[[Floats, Integers, Integers, Floats], Floats]] = {
    AUC: macro_auc_replicates,
    "balanced_accuracy": balanced_accuracy_replicates,
}
VOLUME_METRICS = (DICE, "hd95_mm")
COUNTED_REASONS = {
    "n_both_empty": scoring.BOTH_EMPTY,
    "n_missed": scoring.MISSED,
    "n_invented": scoring.INVENTED,
}


@dataclass(frozen=True)
class Measure:
    """One metric of one arm.

    Attributes
    ----------
    metric, structure
        `structure` is None for the mean over classes or structures.
    replicates
        float [1 + samples]: mean over seeds, element 0 for the patients as they are.
    by_seed
        float [seeds]: the estimate of each seed.
    n_scored
        Images or series behind it, counted once for all seeds.
    patient_values
        float [patients], mean over seeds, NaN where a patient has none; only for metrics that are means over patients.
    counts
        Further columns of the summary.
    """

    metric: str
    structure: str | None
    replicates: Floats
    by_seed: Floats
    n_scored: int
    patient_values: Floats | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def primary(self) -> bool:
        """Whether headlines and the rule go by it."""
        return self.structure is None and self.metric in {AUC, DICE}

    def minus(self, other: Measure, weights: Floats) -> Floats:
        """Replicates of the paired difference to another arm: same patients, same draws.

        Where values belong to patients, only patients with a value in both arms count.
        """
        if self.patient_values is None or other.patient_values is None:
            return self.replicates - other.replicates
        return mean_replicates(self.patient_values - other.patient_values, weights)

    def error_of_difference(self, other: Measure, weights: Floats) -> float:
        """Standard error of the difference: over patients by bootstrap, over seeds by their variance."""
        over_seeds = sum(float(np.var(one.by_seed, ddof=1)) / len(one.by_seed) for one in (self, other))
        return float(np.sqrt(standard_error(self.minus(other, weights)) ** 2 + over_seeds))


def image_measures(scores: pa.Table, patients: list[str], weights: Floats) -> list[Measure]:
    """Measure a classification arm.

    Parameters
    ----------
    scores
        The arm's rows of SCORES_SCHEMA.
    patients
        Test patients in the order of the columns of `weights`.
    weights
        From `bootstrap_weights`.

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
    probability = rows.column("probability").to_numpy().reshape(sizes)
    actual = rows.column("truth").to_numpy().reshape(sizes)[0].argmax(axis=1)
    names = np.array(rows.column("patient").to_pylist()).reshape(sizes)[0, :, 0]
    column = np.searchsorted(np.array(patients), names)
    measures = []
    for metric, function in IMAGE_METRICS.items():
        each = np.stack([function(one, actual, column, weights) for one in probability])
        measures.append(Measure(metric, None, each.mean(axis=0), each[:, 0], sizes[1]))
    return measures


def volume_measures(scores: pa.Table, patients: list[str], weights: Floats) -> list[Measure]:
    """Measure a segmentation arm: every structure, then the mean over structures. Parameters as `image_measures`."""
    structures = pc.unique(scores.column("structure")).to_pylist()
    measures = []
    for metric in VOLUME_METRICS:
        rows = scores.filter(pc.equal(scores.column("metric"), metric))
        for structure in [*structures, None]:
            chosen = rows if structure is None else rows.filter(pc.equal(rows.column("structure"), structure))
            measures.append(_volume_measure(chosen, metric, structure, patients, weights))
    return measures


def _volume_measure(
    rows: pa.Table, metric: str, structure: str | None, patients: list[str], weights: Floats
) -> Measure:
    values = _by_patient(rows, patients)
    by_seed = np.array([mean_replicates(one, weights[:1])[0] for one in values])
    mean = _mean_over_seeds(values)
    reasons = rows.column("reason").to_pylist()
    counts = {name: reasons.count(reason) for name, reason in COUNTED_REASONS.items()}
    gaps = dict(zip(rows.column("series").to_pylist(), rows.column("n_missing_slices").to_pylist(), strict=True))
    counts["n_missing_slices"] = sum(gaps.values())
    return Measure(metric, structure, mean_replicates(mean, weights), by_seed, len(gaps), mean, counts)


def _by_patient(rows: pa.Table, patients: list[str]) -> Floats:
    """Mean of the known values of each seed and patient, float [seeds, patients]; NaN where there is none."""
    seeds, seed = np.unique(rows.column("seed").to_numpy(), return_inverse=True)
    column = np.searchsorted(np.array(patients), np.array(rows.column("patient").to_pylist()))
    value = rows.column("value").to_numpy().astype(np.float64)
    cell, known, size = seed * len(patients) + column, np.isfinite(value), len(seeds) * len(patients)
    total = np.bincount(cell[known], weights=value[known], minlength=size)
    count = np.bincount(cell[known], minlength=size)
    means: Floats = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return means.reshape(len(seeds), len(patients))


def _mean_over_seeds(values: Floats) -> Floats:
    known: NDArray[np.bool_] = np.isfinite(values)
    count = known.sum(axis=0)
    mean: Floats = np.divide(
        np.where(known, values, 0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0
    )
    return mean
