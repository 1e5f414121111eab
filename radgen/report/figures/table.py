"""The metrics as a table of a paper: every class, samples above their floor."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.scores import EVERY_CLASS, FLOOR, SYNTHETIC, companions_in_words, shown_scores
from radgen.report.study import StudyResults
from radgen.report.style import INK, MUTED, RULE, WIDTH_IN, inch_axes
from radgen.report.style import SYNTHETIC as SYNTHETIC_COLOUR

COLUMNS = {
    "judge_fd": "FD\n(judge)",
    "kid": "KID\n(judge)",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "class_accuracy": "class\nseen",
    "near_copies_features": "copies by\nfeatures",
    "near_copies_pixels": "copies by\npixels",
}
SHARES = frozenset({"near_copies_features", "near_copies_pixels"})
ROWS = ((SYNTHETIC, "samples", SYNTHETIC_COLOUR), (FLOOR, "real floor", MUTED))
LINE_IN, HEAD_IN = 0.19, 0.42
NAME_IN, ROLE_IN = 1.12, 0.82
MOST_CLASSES = 12


def draw_metrics_table(study: StudyResults, album: Album, source: str) -> None:
    """Draw the table."""
    rows = shown_scores(study, source)
    measured = rows[rows["value"].notna() & rows["metric"].isin(COLUMNS)]
    if measured.empty:
        album.absent[f"metrics_table_{source}"] = "no score was measured"
        return
    there = set(measured["class_name"])
    classes = [name for name in (EVERY_CLASS, *study.class_names) if name in there][: MOST_CLASSES + 1]
    metrics = [name for name in COLUMNS if name in set(measured["metric"])]
    values = measured.set_index(["class_name", "role", "metric"])["value"]
    figure = album.new(HEAD_IN + 0.1 + len(classes) * (2 * LINE_IN + 0.06))
    axes = inch_axes(figure, album.banner_in)
    width = (WIDTH_IN - 0.2 - NAME_IN - ROLE_IN) / len(metrics)
    edges = [0.1 + NAME_IN + ROLE_IN + (number + 1) * width - 0.08 for number in range(len(metrics))]
    for edge, metric in zip(edges, metrics, strict=True):
        axes.text(
            edge, HEAD_IN - 0.05, COLUMNS[metric], ha="right", va="bottom", fontsize=6.8, color=INK, weight="bold"
        )
    _rule(axes, HEAD_IN, INK)
    top = HEAD_IN + 0.06
    for name in classes:
        n = rows.loc[rows["class_name"] == name, "n_synthetic"].iloc[0]
        axes.text(0.1, top, _short(name), fontsize=7.2, weight="bold", va="top")
        axes.text(0.1, top + LINE_IN, f"n = {n:,}", fontsize=6.5, color=MUTED, va="top")
        for role, words, colour in ROWS:
            axes.text(0.1 + NAME_IN, top, words, fontsize=6.8, color=colour, va="top")
            for edge, metric in zip(edges, metrics, strict=True):
                value = float(values.get((name, role, metric), math.nan))
                axes.text(edge, top, _cell(value, metric), fontsize=7.2, ha="right", va="top", color=colour)
            top += LINE_IN
        top += 0.06
        _rule(axes, top - 0.035, RULE)
    album.add(
        figure,
        f"metrics_table_{source}",
        section="quality",
        title=f"Scores of {source} as a table",
        caption=(
            "Samples, and below them the floor: real images of other patients in the samples' place, equally many. "
            f"Near copies are a share of the images. {companions_in_words(rows)}"
        ),
        data=measured.drop(columns="reason"),
        source=source,
    )


def _rule(axes: Axes, place: float, colour: str) -> None:
    axes.plot([0.1, WIDTH_IN - 0.1], [place, place], color=colour, linewidth=0.8, solid_capstyle="butt")


def _cell(value: float, metric: str) -> str:
    """Write one value.

    >>> _cell(0.0123, "near_copies_pixels"), _cell(2.97106, "judge_fd"), _cell(math.nan, "recall")
    ('1.2 %', '2.97', '–')
    """
    if not math.isfinite(value):
        return "–"
    if metric in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}"


def _short(name: str) -> str:
    return name if len(name) <= 17 else f"{name[:16]}…"
