"""From the scores of all arms to the summary and to the real-only curve with its rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from radgen.benchmark.measures import Measure, image_measures, volume_measures
from radgen.benchmark.rule import CurvePoint, choose_low, holds
from radgen.benchmark.settings import BUDGET_ARM, CLASSIFICATION, FULL_ARM, LOW_ARM, SummarySettings
from radgen.benchmark.statistics import Floats, bootstrap_weights, interval
from radgen.benchmark.tables import ARM_FIELDS
from radgen.errors import InputError

Row = dict[str, Any]
# A gap below so many of its standard errors is noise, and no share of it can be told.
NOISE_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class TaskResult:
    """The measures of every arm of one task, on the same test patients and the same bootstrap draws."""

    task: str
    patients: list[str]
    weights: Floats
    facts: Mapping[str, Row]
    measures: Mapping[str, list[Measure]]

    def twin(self, arm: str, measure: Measure) -> Measure | None:
        """Return the same metric and structure of another arm."""
        key = (measure.metric, measure.structure)
        return next((one for one in self.measures.get(arm, []) if (one.metric, one.structure) == key), None)


def measure_tasks(scores: pa.Table, settings: SummarySettings, order: Sequence[str]) -> list[TaskResult]:
    """Measure all arms of all tasks.

    Parameters
    ----------
    scores
        Rows of SCORES_SCHEMA of all arms.
    settings
        Number of bootstrap samples.
    order
        Names of arms in the order to show them; others come last, by name.

    Raises
    ------
    InputError
        Two arms of a task were tested on different patients.
    """
    rank = {name: number for number, name in enumerate(order)}
    results = []
    for task in sorted(pc.unique(scores.column("task")).to_pylist()):
        rows = scores.filter(pc.equal(scores.column("task"), task))
        arms = sorted(pc.unique(rows.column("arm")).to_pylist(), key=lambda name: (rank.get(name, len(rank)), name))
        parts = {arm: rows.filter(pc.equal(rows.column("arm"), arm)) for arm in arms}
        patients = _common_patients(task, parts)
        weights = bootstrap_weights(len(patients), settings.bootstrap_samples, task)
        measure = image_measures if task == CLASSIFICATION else volume_measures
        facts = {arm: part.select([field.name for field in ARM_FIELDS]).slice(0, 1) for arm, part in parts.items()}
        results.append(
            TaskResult(
                task=task,
                patients=patients,
                weights=weights,
                facts={arm: table.to_pylist()[0] for arm, table in facts.items()},
                measures={arm: measure(part, patients, weights) for arm, part in parts.items()},
            )
        )
    return results


def _common_patients(task: str, parts: Mapping[str, pa.Table]) -> list[str]:
    tested = {arm: sorted(pc.unique(part.column("patient")).to_pylist()) for arm, part in parts.items()}
    first, patients = next(iter(tested.items()))
    for arm, others in tested.items():
        if others != patients:
            msg = (
                f"{task}: arm {arm} was tested on {len(others)} patients and arm {first} on {len(patients)}, not "
                "the same ones; run both on one cohort"
            )
            raise InputError(msg)
    return patients


# ---------------------------------------------------------------- summary


def summary_rows(result: TaskResult, settings: SummarySettings) -> list[Row]:
    """Return one row of SUMMARY_SCHEMA per arm, metric and structure."""
    return [
        _summary_row(result, arm, measure, settings)
        for arm, measures in result.measures.items()
        for measure in measures
    ]


def _summary_row(result: TaskResult, arm: str, measure: Measure, settings: SummarySettings) -> Row:
    row: Row = dict(result.facts[arm]) | measure.counts
    row |= {
        "metric": measure.metric,
        "structure": measure.structure,
        "primary": measure.primary,
        "seed_sd": float(np.std(measure.by_seed, ddof=1)) if len(measure.by_seed) > 1 else None,
        "n_seeds": len(measure.by_seed),
        "n_patients": len(result.patients),
        "n_scored": measure.n_scored,
    }
    row |= _with_interval("mean", measure.replicates, settings)
    for name, reference in (("to_low", LOW_ARM), ("to_budget", BUDGET_ARM)):
        other = result.twin(reference, measure)
        if other is not None and arm != reference:
            row |= _with_interval(name, measure.minus(other, result.weights), settings)
    share = _gap_share(result, arm, measure)
    return row if share is None else row | _with_interval("gap_share", share, settings)


def _gap_share(result: TaskResult, arm: str, measure: Measure) -> Floats | None:
    """Replicates of the share of the gap between low and full that an arm closes; None where the gap is noise."""
    low, full = result.twin(LOW_ARM, measure), result.twin(FULL_ARM, measure)
    if low is None or full is None or arm in {LOW_ARM, FULL_ARM}:
        return None
    gap = full.minus(low, result.weights)
    if not abs(gap[0]) > NOISE_STANDARD_ERRORS * full.error_of_difference(low, result.weights):
        return None
    gain = measure.minus(low, result.weights)
    share: Floats = np.divide(gain, gap, out=np.full(gap.shape, np.nan), where=gap != 0)
    return share


def _with_interval(name: str, replicates: Floats, settings: SummarySettings) -> Row:
    lower, upper = interval(replicates, settings.confidence)
    return {name: float(replicates[0]), f"{name}_lower": lower, f"{name}_upper": upper}


# ---------------------------------------------------------------- curve


def curve_rows(result: TaskResult, arms: Sequence[str], low_fraction: float, settings: SummarySettings) -> list[Row]:
    """Return one row of CURVE_SCHEMA per real-only arm, the largest fraction first.

    Parameters
    ----------
    result
        All arms of a task.
    arms
        Names of the real-only arms.
    low_fraction
        The study's configured one.
    settings
        The rule's thresholds.
    """
    points = [_curve_point(result, arm, settings) for arm in arms if arm in result.measures]
    judged = [CurvePoint(row["fraction"], row["gap"], row["standard_error"]) for row in points]
    best = choose_low(judged, settings.rule_gap, settings.rule_standard_errors)
    for row, point in zip(points, judged, strict=True):
        row["holds"] = holds(point, settings.rule_gap, settings.rule_standard_errors)
        row["chosen"] = row["fraction"] == best
        row["configured"] = row["fraction"] == low_fraction
    return sorted(points, key=lambda row: -float(row["fraction"]))


def _curve_point(result: TaskResult, arm: str, settings: SummarySettings) -> Row:
    measure = next(one for one in result.measures[arm] if one.primary)
    facts, full = result.facts[arm], result.twin(FULL_ARM, measure)
    row = {
        "task": result.task,
        "arm": arm,
        "metric": measure.metric,
        "fraction": facts["real_fraction"],
        "n_patients": facts["n_train_patients"],
        "n_images": facts["n_train_images"],
        "gap": math.nan if full is None else float(full.minus(measure, result.weights)[0]),
        "standard_error": math.nan if full is None else full.error_of_difference(measure, result.weights),
    }
    if arm == FULL_ARM:
        row |= {"gap": 0.0, "standard_error": 0.0}
    return row | _with_interval("mean", measure.replicates, settings)


def verdict(rows: Sequence[Row]) -> str:
    """Say in one sentence whether a task's configured low fraction obeys the rule."""
    task = rows[0]["task"]
    chosen = next((row["fraction"] for row in rows if row["chosen"]), None)
    configured = next((row for row in rows if row["configured"]), None)
    if configured is None:
        return f"{task}: the configured low fraction is not on the curve"
    told = (
        f"{task}: the rule {'holds' if configured['holds'] else 'does not hold'} at the configured low fraction "
        f"{configured['fraction']:g} (gap {configured['gap']:.3f}, standard error {configured['standard_error']:.3f})"
    )
    if chosen is None:
        return f"{told}; it holds at no fraction of this curve"
    return told if chosen == configured["fraction"] else f"{told}; it would choose {chosen:g}"
