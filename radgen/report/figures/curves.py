"""The real-only curve with the rule that chooses the low fraction, and the plateaus of training."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.arms import arm_words, metric_of, primary_rows
from radgen.report.parts import number
from radgen.report.study import StudyResults, records
from radgen.report.style import FLOOR, GOOD, INK, MUTED, REAL, SYNTHETIC, panel_title, quiet_axes

CURVE = (
    "task", "metric", "fraction", "n_patients", "mean", "mean_lower", "mean_upper", "gap", "standard_error", "holds",
    "chosen", "configured",
)  # fmt: skip
HISTORY = ("task", "arm", "seed", "step", "val_score", "chosen")
PLATEAU_COLUMNS = 4


def draw_real_curve(study: StudyResults, album: Album) -> None:
    """Draw score against training patients for real images alone, and mark the low fraction."""
    curve = study.table("benchmark.curve", CURVE)
    tasks = sorted(set(curve["task"]))
    panels = [(task, curve[curve["task"] == task].sort_values("fraction")) for task in tasks]
    figure = album.new(2.75)
    for axes, (task, rows) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _curve_panel(axes, rows, task)
    words = " ".join(_rule_words(task, rows) for task, rows in panels)
    album.add(
        figure,
        "real_curve",
        section="benchmark",
        title="Real images alone: how much do patients matter?",
        caption=(
            "Score of networks trained on real images of a growing share of the training patients; bars are "
            f"patient-level bootstrap intervals. {words}"
        ),
        data=pd.concat([rows for _, rows in panels])[list(CURVE)],
    )


def _curve_panel(axes: Axes, frame: pd.DataFrame, task: str) -> None:
    rows = records(frame)
    shares = [row["fraction"] for row in rows]  # two small shares may come to the same number of patients
    axes.plot(shares, [row["mean"] for row in rows], color=REAL, marker="o", zorder=3)
    axes.vlines(shares, frame["mean_lower"], frame["mean_upper"], color=REAL, linewidth=1.2, alpha=0.6)
    axes.set_xscale("log")
    axes.set_xlim(min(shares) / 1.5, max(shares) * 1.5)
    axes.set_xticks(shares, [f"{row['n_patients']}\n{100 * row['fraction']:.3g} %" for row in rows])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training patients, and their share")
    quiet_axes(axes)
    for row in rows:
        if not row["configured"]:
            continue
        point = (row["fraction"], row["mean"])
        axes.plot(*point, marker="o", markersize=10, markerfacecolor="none", color=SYNTHETIC, zorder=4)
        axes.annotate(
            f"low arm\ngap {number(row['gap'])}", point, (10, -6), textcoords="offset points", color=SYNTHETIC,
            fontsize=7, ha="left", va="top",
        )  # fmt: skip
    axes.margins(y=0.22)
    panel_title(axes, task, metric_of(frame))


def _rule_words(task: str, frame: pd.DataFrame) -> str:
    """Say for one task whether the rule holds at the configured low fraction."""
    low, chosen = records(frame[frame["configured"]]), records(frame[frame["chosen"]])
    name = task.capitalize()
    would = f"the rule would choose {100 * chosen[0]['fraction']:.3g} %" if chosen else "the rule holds nowhere"
    if not low:
        return f"{name}: the low fraction is not on this curve; {would}."
    row = low[0]
    holds = "holds" if row["holds"] else "does NOT hold"
    return (
        f"{name}: at the low fraction of {100 * row['fraction']:.3g} % the gap is {number(row['gap'])} with a standard "
        f"error of {number(row['standard_error'])}, so the rule {holds} there; {would}."
    )


def draw_plateau(study: StudyResults, album: Album, task: str) -> None:
    """Draw the validation score of every network against steps, and the state that was chosen."""
    arms = [arm for arm in primary_rows(study, task)["arm"] if study.has("benchmark.arm_history", task=task, arm=arm)]
    if not arms:
        album.absent[f"plateau_{task}"] = "no history of an arm is there"
        return
    lines = -(-len(arms) // PLATEAU_COLUMNS)
    figure = album.new(1.75 * lines)
    grid = figure.subplots(lines, min(PLATEAU_COLUMNS, len(arms)), sharey=True, squeeze=False)
    metric = "AUC" if task == "classification" else "Dice on slices"
    for axes in grid.flat[len(arms) :]:
        axes.set_visible(False)
    histories = [study.table("benchmark.arm_history", HISTORY, task=task, arm=arm)[list(HISTORY)] for arm in arms]
    for axes, arm, history in zip(grid.flat, arms, histories, strict=False):
        _plateau_panel(axes, history)
        axes.set_title("\n".join(textwrap.wrap(arm_words(study, arm), 30)), fontsize=7.2, weight="normal")
    for axes in grid[:, 0]:
        axes.set_ylabel(f"validation {metric}", color=MUTED, fontsize=7)
    album.add(
        figure,
        f"plateau_{task}",
        section="benchmark",
        title=f"Training of the networks of {task}",
        caption=(
            f"Validation {metric} of every network (grey), their mean (black) and the state chosen for the test "
            "(green), on the validation patients inside each arm's own label budget. The arm with all real patients "
            "must be flat at the end: more steps would not help it."
        ),
        data=pd.concat(histories),
    )


def _plateau_panel(axes: Axes, history: pd.DataFrame) -> None:
    for _, one in history.groupby("seed"):
        axes.plot(one["step"], one["val_score"], color=FLOOR, linewidth=0.8)
    best = history[history["chosen"]]
    axes.plot(best["step"], best["val_score"], marker="o", markersize=3.5, color=GOOD, linestyle="none", zorder=4)
    mean = history.groupby("step")["val_score"].mean()
    axes.plot(mean.index, mean.to_numpy(), color=INK, linewidth=1.4)
    axes.set_xlim(0, 1.05 * max(history["step"]))
    axes.set_xlabel("steps", color=MUTED, fontsize=7)
    quiet_axes(axes)
