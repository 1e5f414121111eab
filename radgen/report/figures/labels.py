"""How good the label head is, and how uncertain its pairs are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.study import StudyResults, records
from radgen.report.style import FLOOR, MUTED, SYNTHETIC, WARN, class_colour, panel_title, quiet_axes

VALIDATION = ("member", "structure", "dice", "n", "found", "n_without", "false_alarms")
ANNOTATOR = ("structure", "dice", "n")
UNCERTAINTY = ("class_name", "expected_error", "kept")
ENSEMBLE = "ensemble"
BINS = 40


def head_scores(study: StudyResults, source: str) -> pd.DataFrame:
    """Return the ensemble's validation rows, one per structure in the study's order."""
    table = study.table("labels.validation", VALIDATION, source=source)
    rows = table[table["member"] == ENSEMBLE].set_index("structure", drop=False)
    return rows.loc[[name for name in study.facts.structures if name in rows.index]]


def draw_labels(study: StudyResults, album: Album, source: str) -> None:
    """Draw the Dice of every head and of the ensemble by structure, with the simulated annotator's own beside it."""
    table = study.table("labels.validation", VALIDATION, source=source)
    ensemble = head_scores(study, source)
    annotator = _annotator_dice(study, ensemble)
    figure = album.new(0.85 + 0.34 * len(ensemble))
    axes = figure.subplots()
    _draw_dice(axes, table[table["member"].str.isdecimal()], ensemble, annotator)
    axes.set_xlim(min(0.5, _lowest(table["dice"])), 1.005)
    axes.set_xlabel("Dice on held-out annotated synthetic images")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, handletextpad=0.4)
    beside = (
        "" if annotator is None else "; the annotator's own errors (squares: its Dice on real patients) come on top"
    )
    album.add(
        figure,
        f"labels_{source}",
        section="labels",
        title=f"Label head of {source}",
        caption=(
            "Dice by structure on annotated synthetic images held out from the label head, mean over the n images that "
            f"hold the structure. The truth here is what the annotator drew{beside}."
        ),
        data=table[list(VALIDATION)],
        simulated=study.annotator_words(),
        source=source,
    )


def _draw_dice(axes: Axes, members: pd.DataFrame, ensemble: pd.DataFrame, annotator: pd.Series | None) -> None:
    rows = records(ensemble)
    for line, row in enumerate(rows):
        dice = members.loc[members["structure"] == row["structure"], "dice"].dropna()
        label = "one head" if line == 0 else None
        axes.plot(dice, np.full(len(dice), line), "|", color=MUTED, markersize=9, label=label)
        words = f"{row['dice']:.2f}" if np.isfinite(row["dice"]) else "none held out"
        axes.annotate(
            f"{words}   n = {int(row['n'])}", (1, line), (8, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize=7.2,
        )  # fmt: skip
    lines = range(len(rows))
    axes.plot(ensemble["dice"], lines, "D", color=SYNTHETIC, label="ensemble of heads", zorder=4)
    if annotator is not None:
        words = "simulated annotator, on real images"
        axes.plot(annotator, lines, "s", markerfacecolor="none", color=FLOOR, markersize=7, label=words)
    axes.set_yticks(lines, [row["structure"] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    quiet_axes(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _annotator_dice(study: StudyResults, ensemble: pd.DataFrame) -> pd.Series | None:
    if not study.facts.simulated_annotator or not study.has("annotator.scores"):
        return None
    return study.table("annotator.scores", ANNOTATOR).set_index("structure")["dice"].reindex(ensemble.index)


def _lowest(dice: pd.Series) -> float:
    known = dice.dropna()
    return max(0.0, float(known.min()) - 0.05) if len(known) else 0.0


def draw_uncertainty(study: StudyResults, album: Album, source: str) -> None:
    """Draw the histogram of uncertainty by class, and what was dropped."""
    table = study.table("pairs.uncertainty", UNCERTAINTY, source=source)
    names = [name for name in study.class_names if name in set(table["class_name"])]
    if not names:
        album.absent[f"uncertainty_{source}"] = "no pair was made"
        return
    figure = album.new(0.5 + 0.95 * len(names))
    edges = np.linspace(0, max(1e-9, float(table["expected_error"].max())), BINS + 1)
    grid = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for number, (axes, name) in enumerate(zip(grid, names, strict=True)):
        rows = table[table["class_name"] == name]
        kept = rows["kept"].to_numpy(bool)
        scores = rows["expected_error"].to_numpy(float)
        axes.hist(
            [scores[kept], scores[~kept]],
            edges,
            stacked=True,
            color=[class_colour(number), WARN],
            edgecolor="white",
            linewidth=0.3,
        )
        quiet_axes(axes)
        panel_title(axes, f"{name}: {int(kept.sum()):,} kept, {int((~kept).sum()):,} dropped")
        axes.set_ylabel("images", color=MUTED)
    grid[-1].set_xlabel("expected error: 1 − Dice that the heads expect of their mask")
    album.add(
        figure,
        f"uncertainty_{source}",
        section="pairs",
        title=f"Uncertainty of the pairs of {source}",
        caption=(
            "The error that the ensemble of heads expects of each of its masks: 1 − Dice, by its mean opinion "
            "(soft Dice confidence, a mean over structures weighted by how surely they are there). Red: dropped, "
            f"{int((~table['kept'].astype(bool)).sum()):,} of {len(table):,} images."
        ),
        data=table[list(UNCERTAINTY)],
        simulated=study.annotator_words(),
        source=source,
    )
