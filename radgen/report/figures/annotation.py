"""What a number of annotations is worth: masks and a downstream segmenter against it, real masks beside synthetic."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.study import StudyResults
from radgen.report.style import MUTED, REAL, SYNTHETIC, panel_title, quiet_axes

CURVE = ("measure", "arm", "structure", "count", "minutes", "dice", "lower", "upper", "n_seeds", "n_units")
WORDS = {"synthetic": "synthetic, then pairs", "real": "real images"}
COLOURS = {"synthetic": SYNTHETIC, "real": REAL}
MARKERS = {"synthetic": "D", "real": "o"}


def draw_annotation_curve(study: StudyResults, album: Album, source: str) -> None:
    """Draw Dice against the number of annotations, and against their minutes where these are known."""
    table = study.table("annotation_curve.table", CURVE, source=source)
    table = table[table["structure"] == "all"].sort_values("count")
    ceiling, arms = table[table["arm"] == "ceiling"], table[table["arm"] != "ceiling"]
    masks, downstream = (arms[arms["measure"] == name] for name in ("masks", "downstream"))
    timed = bool(arms["minutes"].notna().all())
    figure = album.new(2.7)
    axes = figure.subplots(1, 3 if timed else 2, sharey=True)
    _draw(axes[0], masks, "count", "annotated images")
    panel_title(axes[0], "Masks of the label heads", f"{_units(masks)} held-out annotated images")
    _draw(axes[1], downstream, "count", "annotated images")
    panel_title(axes[1], "Segmenter on real patients", f"{_units(downstream)} patients")
    if timed:
        _draw(axes[2], downstream, "minutes", "minutes of annotation")
        panel_title(axes[2], "The same, by time")
    for each in axes[1:]:
        _draw_ceiling(each, ceiling)
    axes[0].set_ylabel("Dice, mean over structures")
    axes[1].legend(loc="best")  # curves may lie anywhere
    minutes = (
        "Minutes count a real image as long as a synthetic one."
        if timed
        else "Minutes are left out: nobody noted seconds, and none are assumed."
    )
    album.add(
        figure,
        f"annotation_curve_{source}",
        section="labels",
        title=f"What a number of annotations of {source} is worth",
        caption=(
            "Left: Dice of the label heads' masks with what the annotator painted, on annotated images that no head "
            "learns from. Right: Dice of a segmenter on real patients who taught nothing, trained on pairs of those "
            "heads or on as many annotated real images, with the same number of steps. "
            f"{_ceiling_words(ceiling)}Mean of {int(table['n_seeds'].max())} repetitions; bars are bootstrap intervals "
            f"over repetitions and over images or patients. {minutes}"
        ),
        data=table[list(CURVE)],
        simulated=study.annotator_words(),
        source=source,
    )


def _draw(axes: Axes, table: pd.DataFrame, column: str, label: str) -> None:
    for arm, rows in table.groupby("arm", sort=False):
        name = str(arm)
        axes.errorbar(
            rows[column],
            rows["dice"],
            yerr=[rows["dice"] - rows["lower"], rows["upper"] - rows["dice"]],
            color=COLOURS[name],
            marker=MARKERS[name],
            elinewidth=1,
            label=WORDS[name],
        )
    axes.set_xscale("log", base=2)
    ticks = sorted(set(table[column]))
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(label)
    axes.set_ylim(0, 1)
    quiet_axes(axes)


def _draw_ceiling(axes: Axes, ceiling: pd.DataFrame) -> None:
    for row in ceiling.to_dict("records"):
        axes.axhspan(row["lower"], row["upper"], color=REAL, alpha=0.12, linewidth=0)
        axes.axhline(row["dice"], color=REAL, linestyle=":", linewidth=1)
        axes.annotate(
            f"all {row['count']:,} real masks", (0, row["dice"]), (2, 2), xycoords=("axes fraction", "data"),
            textcoords="offset points", color=MUTED, fontsize=7,
        )  # fmt: skip  # on the left, where curves are still low


def _ceiling_words(ceiling: pd.DataFrame) -> str:
    if ceiling.empty:
        return ""
    return "Dotted line and band: the same segmenter on all real training masks, and its interval. "


def _units(table: pd.DataFrame) -> str:
    return f"{int(table['n_units'].max()):,}"
