"""Scores one patient at a time: ROC curves of classification, and every patient's score under every arm as a dot."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes
from numpy.typing import NDArray

from radgen.benchmark.measures import DICE, Draws, Level, levels, volume_measures
from radgen.benchmark.settings import CLASSIFICATION, FULL_ARM
from radgen.benchmark.statistics import auc_replicates
from radgen.benchmark.tables import SCORES_SCHEMA
from radgen.benchmark.task_result import as_one_network
from radgen.report.album import Album
from radgen.report.arms import arm_words, masks_words, primary_rows, whom
from radgen.report.study import StudyResults, records
from radgen.report.style import FLOOR, GOOD, INK, REAL, SYNTHETIC, panel_title, quiet_axes

Floats = NDArray[np.float64]
MOST_CURVES = 5  # low, full and three synthetic arms: more cannot be told apart at column width
MOST_CLASSES = 6
MOST_STRIPS = 3
GRID = np.linspace(0, 1, 201)
STYLES = (("#e69f00", "solid"), (SYNTHETIC, "solid"), ("#cc79a7", "solid"))
JITTER = 0.27


# ---------------------------------------------------------------- ROC


def draw_roc(study: StudyResults, album: Album, task: str) -> None:
    """Draw the ROC curves of classification: the low arm, the full arm and the synthetic ones, class by class."""
    if task != CLASSIFICATION:
        return
    found = {arm: _primary_level(study, arm) for arm in _few_arms(study, task)}
    first = next(iter(found.values()))
    scored, omitted = _scored(first, study.class_names, MOST_CLASSES)
    if not scored:
        album.absent[f"roc_{task}"] = "all test images are of one class"
        return
    colours = _colours(study, list(found))
    columns = min(3, len(scored) + 1)  # one cell is the legend's
    lines = -(-(len(scored) + 1) // columns)
    figure = album.new(2.6 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(scored) :]:
        axes.set_axis_off()
    rows = []
    for axes, column in zip(grid.flat, scored, strict=False):
        for arm, level in found.items():
            rates, area = mean_roc(level, column)
            colour, dashes = colours[arm]
            axes.plot([0, *GRID], [0, *rates], color=colour, linestyle=dashes, label=arm_words(study, arm))
            rows += [{"arm": arm, "class": level.classes[column], "auc": area, "false_positive_rate": x, "sensitivity": y} for x, y in zip(GRID, rates, strict=True)]  # noqa: E501  # fmt: skip
        _roc_panel(axes, first, column)
    grid.flat[len(scored)].legend(*grid.flat[0].get_legend_handles_labels(), loc="center left")
    unit = "patients" if first.prefix else "images"
    evaluated = whom(primary_rows(study, task))
    album.add(
        figure,
        f"roc_{task}",
        section="benchmark",
        title="ROC curves",
        caption=(
            f"Each class against the rest, by {unit} of {evaluated}: mean sensitivity of {len(first.probability)} "
            "networks at each false positive rate. The areas under them, with intervals, are in the arms' figure. "
            f"{_left_out(study, task, list(found))} {omitted}"
        ).strip(),
        data=pd.DataFrame(rows),
    )


def _roc_panel(axes: Axes, level: Level, column: int) -> None:
    axes.plot([0, 1], [0, 1], color=FLOOR, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel="false positive rate")
    axes.set_ylabel("sensitivity")
    positive = int(level.truth[:, column].sum())
    unit = "patients" if level.prefix else "images"
    panel_title(axes, level.classes[column], f"{positive} of {len(level.truth)} {unit} have it")
    quiet_axes(axes)


def mean_roc(level: Level, column: int) -> tuple[Floats, float]:
    """Average the ROC curves of an arm's networks at equal false positive rates.

    Parameters
    ----------
    level
        Probabilities of the arm.
    column
        The class that stands against the rest.

    Returns
    -------
    rates, area
        Sensitivity at each rate of GRID, float [201]; mean area under the networks' own curves, as summed up elsewhere.
        Source: Fawcett 2006, An introduction to ROC analysis, section 8.1 (vertical averaging).
    """
    truth, one = level.truth[:, column], np.ones((1, int(level.units.max()) + 1))
    curves = [_roc(probability[:, column], truth) for probability in level.probability]
    areas = [auc_replicates(each[:, column], truth, level.units, one)[0] for each in level.probability]
    rates: Floats = np.mean([np.interp(GRID, false, true) for false, true in curves], axis=0)
    return rates, float(np.mean(areas))


def _roc(probability: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return false and true positive rates at every distinct threshold, from none called to all."""
    order = np.argsort(-probability, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    hits = np.cumsum(truth[order])[ends]
    false, true = (ends + 1 - hits) / (~truth).sum(), hits / truth.sum()
    return np.append(0.0, false), np.append(0.0, true)


def _scored(level: Level, order: Sequence[str], most: int) -> tuple[list[int], str]:
    """Return the classes that some units have and others lack, and which of them are not drawn, in words.

    Of two classes that exclude each other the second alone is drawn: the first is its mirror image.
    """
    columns = [column for column, have in enumerate(level.truth.mean(axis=0)) if 0 < have < 1]
    columns.sort(key=lambda column: order.index(level.classes[column]))
    if len(columns) == len(level.classes) == 2 and bool((level.truth.sum(axis=1) == 1).all()):
        return columns[1:], ""
    others = ", ".join(level.classes[column] for column in columns[most:])
    return columns[:most], f"Classes not drawn: {others}." if others else ""


def _few_arms(study: StudyResults, task: str) -> list[str]:
    """Return the arms that the curves show: the low arm, the full arm and synthetic ones in their order."""
    rows = records(primary_rows(study, task))
    made = [row["arm"] for row in rows if isinstance(row["synthetic"], str)]
    there = [row["arm"] for row in rows]
    return [arm for arm in (study.facts.low_arm, FULL_ARM, *made) if arm in there][:MOST_CURVES]


def _left_out(study: StudyResults, task: str, shown: list[str]) -> str:
    others = [arm for arm in primary_rows(study, task)["arm"] if arm not in shown]
    return f"Not drawn: {', '.join(arm_words(study, arm) for arm in others)}." if others else ""


def _colours(study: StudyResults, arms: list[str]) -> dict[str, tuple[str, str]]:
    fixed = {study.facts.low_arm: (INK, "dashed"), FULL_ARM: (REAL, "solid")}
    rest = iter(STYLES)
    return {arm: fixed.get(arm) or next(rest) for arm in arms}


# ---------------------------------------------------------------- dots


def draw_patients(study: StudyResults, album: Album, task: str) -> None:
    """Draw every test patient as a dot, arm by arm."""
    if task == CLASSIFICATION:
        _draw_probabilities(study, album, task)
    else:
        _draw_dice(study, album, task)


def _draw_dice(study: StudyResults, album: Album, task: str) -> None:
    arms = list(primary_rows(study, task)["arm"])
    values = {arm: _patient_dice(study, arm) for arm in arms}
    low = values.get(study.facts.low_arm)
    if low is None:
        album.absent[f"patients_{task}"] = "the low arm was not scored"
        return
    figure = album.new(0.85 + 0.36 * len(arms))
    left, right = figure.subplots(1, 2, sharey=True)
    made = primary_rows(study, task)["synthetic"].notna()
    for place, (arm, synthetic) in enumerate(zip(arms, made, strict=True)):
        colour = SYNTHETIC if synthetic else REAL
        _strip(left, place, values[arm], colour)
        if arm != study.facts.low_arm:
            _strip(right, place, values[arm] - low, colour)
    _arm_axis(left, study, arms)
    right.axvline(0, color=INK, linewidth=0.9, zorder=0)
    panel_title(left, f"{task}: Dice of each patient")
    panel_title(right, "difference to the low arm")
    for axes in (left, right):
        quiet_axes(axes, grid="x")
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=5)
    number_of = _numbers(low)
    rows = [
        {"arm": arm, "patient": number_of[place], "dice": value, "to_low": value - low[place]}
        for arm in arms
        for place, value in enumerate(values[arm])
    ]
    harmed = {arm: int((values[arm] < low).sum()) for arm in arms if arm != study.facts.low_arm}
    album.add(
        figure,
        f"patients_{task}",
        section="benchmark",
        title=f"Every patient: {task}",
        caption=(
            f"Each dot is one of {len(low)} {whom(primary_rows(study, task))}: mean Dice over structures and networks, "
            "and what it gains or loses against the low arm; the green bar is the mean, orange arms see synthetic "
            "images. Patients who lose: "
            f"{', '.join(f'{arm_words(study, arm)} {count}' for arm, count in harmed.items())}."
        ),
        data=pd.DataFrame(rows),
        simulated=masks_words(study, task),
    )


def _draw_probabilities(study: StudyResults, album: Album, task: str) -> None:
    arms = list(primary_rows(study, task)["arm"])
    found = {arm: _primary_level(study, arm) for arm in arms}
    first = next(iter(found.values()))
    shown, omitted = _scored(first, study.class_names, MOST_STRIPS)
    if not shown:
        album.absent[f"patients_{task}"] = "all test images are of one class"
        return
    figure = album.new(1.05 + 0.36 * len(arms))
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    unit, rows = "patient" if first.prefix else "image", []
    for axes, column in zip(panels, shown, strict=True):
        truth = first.truth[:, column]
        for place, arm in enumerate(arms):
            values = found[arm].probability[:, :, column].mean(axis=0)
            _strip(axes, place - 0.16, values[~truth], FLOOR, width=0.12, mean=False)
            _strip(axes, place + 0.16, values[truth], SYNTHETIC, width=0.12, mean=False)
            rows += [{"arm": arm, "class": first.classes[column], "truth": int(one), "probability": value} for one, value in sorted(zip(truth, values, strict=True))]  # noqa: E501  # fmt: skip
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel(f"probability of {first.classes[column]}")
        panel_title(axes, f"{task}: each {unit}", f"orange: with {first.classes[column]}; grey: without")
        quiet_axes(axes, grid="x")
        axes.tick_params(axis="y", length=0)
    _arm_axis(panels[0], study, arms)
    album.add(
        figure,
        f"patients_{task}",
        section="benchmark",
        title=f"Every {unit}: {task}",
        caption=(
            f"Each dot is one {unit} ({len(first.truth)} of {whom(primary_rows(study, task))}): its mean probability "
            "over the networks of an arm. The farther orange lies right of grey, the better they are told apart. "
            f"{omitted}"
        ).strip(),
        data=pd.DataFrame(rows),
    )


def _strip(axes: Axes, place: float, values: Floats, colour: str, *, width: float = JITTER, mean: bool = True) -> None:
    """Draw values as dots around a line; dots that lie close are shifted by their rank, never at random."""
    known = np.sort(values[np.isfinite(values)])
    shifts = (np.arange(len(known)) * 0.618034 % 1 - 0.5) * 2 * width  # the golden section fills evenly
    axes.plot(
        known, place + shifts, marker="o", linestyle="none", color=colour, markersize=2.6, alpha=0.55,
        markeredgewidth=0,
    )  # fmt: skip
    if mean and len(known):
        axes.vlines(known.mean(), place - 1.25 * width, place + 1.25 * width, color=GOOD, linewidth=2, zorder=4)


def _arm_axis(axes: Axes, study: StudyResults, arms: Sequence[str]) -> None:
    axes.set_yticks(range(len(arms)), ["\n".join(textwrap.wrap(arm_words(study, arm), 34)[:2]) for arm in arms])
    axes.set_ylim(len(arms) - 0.45, -0.55)


def _numbers(low: Floats) -> list[int]:
    """Number patients by their score in the low arm, the worst first: no name leaves with a figure's table."""
    order = np.argsort(np.where(np.isfinite(low), low, np.inf), kind="stable")
    numbers = np.empty(len(low), dtype=np.int64)
    numbers[order] = np.arange(1, len(low) + 1)
    return [int(number) for number in numbers]


# ---------------------------------------------------------------- rows


def _primary_level(study: StudyResults, arm: str) -> Level:
    rows, draws = _rows(study, CLASSIFICATION, arm)
    return next(level for level in levels(rows, draws) if level.primary)


def _patient_dice(study: StudyResults, arm: str) -> Floats:
    rows, draws = _rows(study, "segmentation", arm)
    measures = volume_measures(rows, draws)
    values = next(one.patient_values for one in measures if one.metric == DICE and one.structure is None)
    assert values is not None  # noqa: S101 - means over patients have them
    first: Floats = values[0]
    return first


def _rows(study: StudyResults, task: str, arm: str) -> tuple[pa.Table, Draws]:
    """Return an arm's rows of SCORES_SCHEMA and the task's patients as they are, without a bootstrap sample."""
    frame = study.table("benchmark.scores", SCORES_SCHEMA.names)
    of_task = frame[frame["task"] == task]
    rows = of_task[of_task["arm"] == arm]
    table = pa.Table.from_pandas(rows, schema=SCORES_SCHEMA, preserve_index=False)
    patients = sorted(set(of_task["patient"]))
    return as_one_network(table), Draws(patients, np.ones((1, len(patients))), task)
