"""What a benchmark says in sentences: what it could tell, whether an arm helps, and what real images would buy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from radgen.benchmark.comparisons import POWER, patients_needed
from radgen.benchmark.measures import Measure
from radgen.benchmark.settings import LOW_ARM, SummarySettings
from radgen.benchmark.statistics import Floats, interval
from radgen.benchmark.task_result import Row, TaskResult

CURVE_POINTS = 60  # numbers of real images between the low arm's and all, evenly spaced in their logarithm
LEAST_GENERATORS = 3  # fewer say nothing about how much generators differ
POWER_WORDS = f"in {100 * POWER:.0f} % of such studies"


def verdict_rows(result: TaskResult, summary: list[Row], settings: SummarySettings, primary: str | None) -> list[Row]:
    """Return rows of VERDICT_SCHEMA: what can be told first, then each synthetic arm, then the primary one's rivals.

    Parameters
    ----------
    result
        All arms of a task.
    summary
        Its rows of SUMMARY_SCHEMA.
    settings
        Confidence, and the least gain that is worth having.
    primary
        The arm named in advance, if any.
    """
    rows = {row["arm"]: row for row in summary if row["primary"]}
    compared = [row for row in rows.values() if row["synthetic"] is not None and row.get("to_low") is not None]
    # Set before any arm is read: the smallest difference that this test set lets anyone see.
    ordered = sorted(compared, key=lambda row: row["arm"] != primary)
    found = [_power(result, row, settings) for row in ordered[:1]]
    found += [_of_arm(result, row, settings) for row in ordered]
    found += [_generators(result, row) for row in ordered[:1]]
    rivals = [_rivals(result, rows, str(primary), settings)] if primary in {row["arm"] for row in compared} else []
    return found + [row for row in rivals if row is not None]


def _power(result: TaskResult, row: Row, settings: SummarySettings) -> Row:
    detectable, wanted, patients = row["detectable"], settings.least_gain, row["n_patients"]
    told = (
        f"{result.task}: with {patients} patients the smallest difference to the low arm that is found {POWER_WORDS} "
        f"is {detectable:.3f} ({row['arm']})"
    )
    if detectable <= wanted:
        told += f", small enough for a gain of {wanted:g}."
    else:
        needed = patients_needed(patients, detectable, wanted)
        told += f". This is too few patients to tell a gain of {wanted:g}: that takes about {needed}."
    return {"task": result.task, "arm": None, "kind": "power", "sentence": told}


def _of_arm(result: TaskResult, row: Row, settings: SummarySettings) -> Row:
    arm, sure = str(row["arm"]), f"{100 * settings.confidence:g} %"
    gain = f"{row['to_low']:+.3f} [{row['to_low_lower']:+.3f}, {row['to_low_upper']:+.3f}]"
    more = more_real_images(result, arm, settings)
    annotated = row.get("n_annotated_images") or 0
    helps = row["to_low_lower"] > 0
    if more is not None and (not helps or more <= annotated):
        kind = "do not bother"
        spent = f", and {annotated} synthetic ones were annotated" if annotated and more <= annotated else ""
        instead = f"annotate {more} more real images instead: with {sure} confidence they are better than this arm"
        if more == 0:
            instead = f"the low arm's real images alone are better with {sure} confidence"
        sentence = f"{result.task}: {arm}: do not bother, {instead} (difference to the low arm {gain}{spent})."
    elif helps:
        kind = "helps"
        worth = (
            f"beating it with {sure} confidence takes about {more} more labelled real images"
            if more is not None
            else "no number of the study's further real images beats it with that confidence"
        )
        sentence = f"{result.task}: {arm} helps: {gain} over the low arm with {sure} confidence; {worth}."
    else:
        kind = "open"
        sentence = (
            f"{result.task}: {arm}: neither a gain nor a better use of real images is shown (difference to the low arm "
            f"{gain}; the smallest that would be found is {row['detectable']:.3f})."
        )
    if not row["headline"]:
        sentence += (
            f" Setting {row['setting']}: the generator saw what the low arm must do without, so this is no claim."
        )
    if row["evaluation"] == "development":
        sentence += " On development folds."
    return {"task": result.task, "arm": arm, "kind": kind, "sentence": sentence, "more_real_images": more}


def more_real_images(result: TaskResult, arm: str, settings: SummarySettings) -> int | None:
    """Return the fewest further real images with which real images alone are better than an arm, for sure.

    0 says that the low arm's own images are.
    Between the arms that learn from labelled real images alone the score is taken to be linear in the logarithm of the
    number of images, in every bootstrap sample. None where no number up to the study's own is surely better.
    """
    measure = next(one for one in result.measures[arm] if one.primary)
    points = sorted(
        (int(facts["n_train_images"]), name) for name, facts in result.facts.items() if _learns_from_real_labels(facts)
    )
    counts = [count for count, _ in points]
    if LOW_ARM not in result.facts or len(set(counts)) < 2:
        return None
    curve = {count: _replicates(result, name, measure) for count, name in points}  # of equal counts the last one
    low = int(result.facts[LOW_ARM]["n_train_images"])
    wanted = np.unique(np.geomspace(low, max(counts), CURVE_POINTS).round().astype(np.int64))
    for count in wanted.tolist():
        lower, _ = interval(_between(curve, count) - measure.replicates, settings.confidence)
        if lower > 0:
            return int(count - low)
    return None


def _learns_from_real_labels(facts: Row) -> bool:
    """Whether an arm is a point of what labelled real images of the study are worth, with nothing else beside them."""
    plain = facts["method"] in {None, "supervised"} and facts["augmentation"] in {None, "standard"}
    own = facts["extra_real"] in {None, "annotator", "annotated"}
    return plain and own and facts["synthetic"] is None and facts["n_train_images"] > 0


def _replicates(result: TaskResult, arm: str, measure: Measure) -> Floats:
    twin = result.twin(arm, measure)
    return np.full_like(measure.replicates, math.nan) if twin is None else twin.replicates


def _between(curve: dict[int, Floats], count: int) -> Floats:
    known = sorted(curve)
    above = next(number for number in known if number >= count)
    below = max((number for number in known if number < count), default=above)
    if above == below:
        return curve[above]
    share = math.log(count / below) / math.log(above / below)
    found: Floats = (1 - share) * curve[below] + share * curve[above]
    return found


def _generators(result: TaskResult, row: Row) -> Row:
    """Say over what the intervals of the first arm hold."""
    count = row["n_generators"]
    which = "one generator" if count == 1 else f"{count} generators"
    told = f"conditional on {which}: another training may give another result"
    if count >= LEAST_GENERATORS:
        told = f"over patients and over {count} generators, both drawn anew in each bootstrap sample"
    sentence = f"{result.task}: the interval of {row['arm']} is {told}."
    return {"task": result.task, "arm": row["arm"], "kind": "generators", "sentence": sentence}


def _rivals(result: TaskResult, rows: dict[str, Row], primary: str, settings: SummarySettings) -> Row | None:
    """Say whether the primary arm is above every rival on the same pixels and masks."""
    measure = next(one for one in result.measures[primary] if one.primary)
    names = [name for name, row in rows.items() if _is_rival(row)]
    if not names:
        return None
    told, beaten = [], 0
    for name in names:
        twin = result.twin(name, measure)
        if twin is None:
            continue
        difference = measure.minus(twin, result.draws.weights)
        lower, upper = interval(difference, settings.confidence)
        beaten += lower > 0
        told.append(f"{difference[0]:+.3f} [{lower:+.3f}, {upper:+.3f}] to {name}")
    sentence = f"{result.task}: {primary} is surely above {beaten} of its {len(told)} rivals: {'; '.join(told)}."
    return {"task": result.task, "arm": primary, "kind": "rivals", "sentence": sentence}


def _is_rival(row: dict[str, Any]) -> bool:
    """Whether an arm spends the same pixels or labels another way: no synthetic images, and no point of the curve."""
    return row["synthetic"] is None and bool(row.get("rival"))
