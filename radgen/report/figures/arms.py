"""Every arm's score with its interval, and the paired differences to the low arm: the primary result."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.arms import arm_words, masks_words, metric_of, primary_rows, whom
from radgen.report.study import StudyResults, records
from radgen.report.style import FLOOR, INK, REAL, SYNTHETIC, figure_title, quiet_axes

ENDS = ("", "_lower", "_upper")
NAMED = (
    "task", "arm", "setting", "synthetic", "n_train_patients", "n_train_images", "n_synthetic_images", "metric",
    "n_seeds", "n_patients",
)  # fmt: skip
LABEL_CHARACTERS = 44  # beside the axes
LEGEND = "Blue circles train on real images alone, orange diamonds see synthetic ones."


def draw_arms(study: StudyResults, album: Album, task: str) -> None:
    """Draw every arm's score with its interval."""
    rows = primary_rows(study, task)
    figure = album.new(0.75 + 0.4 * len(rows))
    axes = figure.subplots()
    _draw_forest(axes, study, records(rows), "mean", "{:.3f}")
    low = rows[rows["arm"] == study.facts.low_arm]
    for value in low["mean"]:
        axes.axvline(value, color=FLOOR, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    metric = metric_of(rows)
    figure_title(figure, f"{task}: {metric} on {whom(rows)}")
    first = records(rows)[0]
    album.add(
        figure,
        f"arms_{task}",
        section="benchmark",
        title=f"Arms of {task}",
        caption=(
            f"{metric[0].upper()}{metric[1:]} of each arm, mean of {first['n_seeds']} networks, on the same "
            f"{first['n_patients']} {whom(rows)}; bars are patient-level bootstrap intervals, the dashed line is "
            f"the low arm. {LEGEND} Settings: {_settings(rows)}."
        ),
        data=rows[[*NAMED, *(f"mean{end}" for end in ENDS), "seed_sd"]],
        simulated=masks_words(study, task),
    )


def draw_differences(study: StudyResults, album: Album, task: str) -> None:
    """Draw the paired difference of every arm to the low arm."""
    rows = primary_rows(study, task)
    rows = rows[rows["to_low"].notna() & (rows["arm"] != study.facts.low_arm)]
    if rows.empty:
        album.absent[f"differences_{task}"] = "no arm besides the low arm was scored"
        return
    figure = album.new(0.75 + 0.4 * len(rows))
    axes = figure.subplots()
    _draw_forest(axes, study, records(rows), "to_low", "{:+.3f}")
    axes.axvline(0, color=INK, linewidth=0.9, zorder=0)
    metric = metric_of(rows)
    figure_title(figure, f"{task}: difference of {metric} to the low arm")
    album.add(
        figure,
        f"differences_{task}",
        section="headline",
        title=f"Differences to the low arm: {task}",
        caption=(
            f"Paired difference of {metric} to the low arm on the same {records(rows)[0]['n_patients']} real test "
            f"patients; right of zero is better. Bars are patient-level bootstrap intervals. {LEGEND} Settings: "
            f"{_settings(rows)}."
        ),
        data=rows[[*NAMED, *(f"to_low{end}" for end in ENDS)]],
        simulated=masks_words(study, task),
    )


def _settings(rows: pd.DataFrame) -> str:
    told = [f"{row['arm']}: {row['setting']}" for row in records(rows[rows["setting"].notna()])]
    return "; ".join(told) or "no synthetic arm"


def _draw_forest(axes: Axes, study: StudyResults, rows: list[dict[str, Any]], column: str, form: str) -> None:
    """Draw estimates with intervals, one arm per line, values written at the right edge."""
    for place, row in enumerate(rows):
        middle, lower, upper = (row[f"{column}{end}"] for end in ENDS)
        made, measured = isinstance(row["synthetic"], str), math.isfinite(middle)
        colour, marker = (SYNTHETIC, "D") if made else (REAL, "o")
        words = "not measured"
        if measured:
            axes.hlines(place, lower, upper, color=colour, linewidth=1.6, alpha=0.75)
            axes.plot(middle, place, marker=marker, color=colour, markersize=5.5 if made else 6)
            words = f"{form.format(middle)}  [{form.format(lower)}, {form.format(upper)}]".replace("-", "−")
        axes.annotate(
            words, (1, place), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
            fontsize=7.2,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [_label(study, row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.locator_params(axis="x", nbins=6)
    quiet_axes(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _label(study: StudyResults, row: dict[str, Any]) -> str:
    patients, images, made = row["n_train_patients"], row["n_train_images"], row["n_synthetic_images"]
    real = f"{patients:,} patient{'s' * (patients != 1)}, {images:,} images" if patients else "no real patient"
    words = textwrap.fill(arm_words(study, row["arm"]), LABEL_CHARACTERS)
    return f"{words}\n{real}{f' + {made:,} synthetic' if made else ''}"
