"""From the scores of all arms to the summary and to the real-only curve with its rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from radgen.benchmark.comparisons import detectable_difference, fieller, holm
from radgen.benchmark.measures import Measure
from radgen.benchmark.rule import CurvePoint, choose_low, holds
from radgen.benchmark.settings import BUDGET_ARM, FULL_ARM, LOW_ARM, SummarySettings
from radgen.benchmark.statistics import Floats, interval
from radgen.benchmark.task_result import Row, TaskResult

# A gap below so many of its standard errors is noise, and no share of it can be told.
NOISE_STANDARD_ERRORS = 2.0


# ---------------------------------------------------------------- summary


def summary_rows(result: TaskResult, settings: SummarySettings, primary: str | None = None) -> list[Row]:
    """Return one row of SUMMARY_SCHEMA per arm, metric and structure.

    The primary arm was named in advance, so its p value stands alone; those of all other arms but the real-only curve
    are adjusted for their number.
    """
    rows = [
        _summary_row(result, arm, measure, settings)
        for arm, measures in result.measures.items()
        for measure in measures
    ]
    family = [row for row in rows if "p_value" in row and row["arm"] != primary and not row.get("on_curve")]
    for row, adjusted in zip(family, holm([row["p_value"] for row in family]), strict=True):
        row["p_holm"] = adjusted
    return rows


def _summary_row(result: TaskResult, arm: str, measure: Measure, settings: SummarySettings) -> Row:
    weights = result.draws.weights
    row: Row = dict(result.facts[arm]) | measure.counts
    row |= {
        "metric": measure.metric,
        "structure": measure.structure,
        "primary": measure.primary,
        "seed_sd": float(np.std(measure.by_seed, ddof=1)) if len(measure.by_seed) > 1 else None,
        "n_seeds": len(measure.by_seed),
        "n_generators": measure.n_generators,
        "n_patients": len(result.draws.patients),
        "n_scored": measure.n_scored,
        "note": _note(measure.metric, row),
    }
    row |= _with_interval("mean", measure.replicates, settings)
    for name, reference in (("to_low", LOW_ARM), ("to_budget", BUDGET_ARM)):
        other = result.twin(reference, measure)
        if other is not None and arm != reference:
            row |= _with_interval(name, measure.minus(other, weights), settings)
    low = result.twin(LOW_ARM, measure)
    if low is not None and arm != LOW_ARM:
        error = measure.error_of_difference(low, weights)
        row["detectable"] = detectable_difference(error, settings.confidence)
        if measure.primary:
            row["p_value"] = measure.p_of_difference(low, settings.permutations, f"{result.task} {arm}")
    return row | _gap_share(result, arm, measure, settings)


def _note(metric: str, row: Row) -> str | None:
    """Return what a distance rests on; it leaves the row itself."""
    tolerance, voxels = row.pop("tolerance", None), row.pop("voxels", None)
    parts = {"surface_dice": (tolerance, voxels), "hd95_mm": (voxels,)}.get(metric, ())
    return "; ".join(part for part in parts if part) or None


def _gap_share(result: TaskResult, arm: str, measure: Measure, settings: SummarySettings) -> Row:
    """Return the share of the gap between low and full that an arm closes; nothing where the gap is noise."""
    low, full = result.twin(LOW_ARM, measure), result.twin(FULL_ARM, measure)
    if low is None or full is None or arm in {LOW_ARM, FULL_ARM}:
        return {}
    weights = result.draws.weights
    gap = full.minus(low, weights)
    if not abs(gap[0]) > NOISE_STANDARD_ERRORS * full.error_of_difference(low, weights):
        return {}
    share = fieller(measure.minus(low, weights), gap, settings.confidence)
    return dict(zip(("gap_share", "gap_share_lower", "gap_share_upper"), share, strict=True))


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
        "gap": math.nan if full is None else float(full.minus(measure, result.draws.weights)[0]),
        "standard_error": math.nan if full is None else full.error_of_difference(measure, result.draws.weights),
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
