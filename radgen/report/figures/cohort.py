"""What went into a study, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.study import StudyResults
from radgen.report.style import FLOOR, INK, MUTED, WARN, class_colour, panel_title

ASIDE = " (set aside)"
NO_CLASS = "no class"
SPLITS = ("train", "val", "test", "annotator", "generator")
SPLIT_WORDS = {
    "train": "train",
    "val": "validation",
    "test": "test",
    "annotator": "simulated\nannotator",
    "generator": "generator",
}


def draw_cohort(study: StudyResults, album: Album) -> None:
    """Draw patients and stored images by split, images by class."""
    series = study.table("cohort.series", ("patient_key", "split"))
    patients = series.groupby("split")["patient_key"].nunique()
    images = study.images("slices.index").table.select(["split", "class_name"]).to_pandas()
    splits = [name for name in SPLITS if name in set(patients.index) | set(images["split"])]
    figure = album.new(0.85 + 0.42 * len(splits))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7), sharey=True)
    _bars(left, splits, [int(patients.get(name, 0)) for name in splits], MUTED)
    panel_title(left, "Patients")
    images["class_name"] = images["class_name"].fillna(NO_CLASS)
    names = [*study.class_names, *([NO_CLASS] if (images["class_name"] == NO_CLASS).any() else [])]
    _class_bars(right, splits, images, names)
    panel_title(right, "2-D images by class")
    for axes in (left, right):
        axes.set_xticks([])
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.tick_params(length=0)
    left.set_yticks(range(len(splits)), [SPLIT_WORDS[name] for name in splits])
    left.invert_yaxis()
    album.add(
        figure,
        "cohort",
        section="cohort",
        title="What went in",
        caption=(
            f"{int(patients.sum()):,} patients and {len(images):,} images in {len(splits)} splits; no patient is in "
            f"two. Images by class are those stored after the quality filter."
        ),
        data=_counts(patients, splits, images, names),
    )


def _counts(patients: pd.Series, splits: list[str], images: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Return images by split and class, with the patients of each split, all classes together."""
    found = images.value_counts(["split", "class_name"])
    rows = [(split, name, int(found.get((split, name), 0))) for split in splits for name in classes]
    table = pd.DataFrame(rows, columns=["split", "class_name", "images"])
    return table.assign(split_patients=[int(patients.get(split, 0)) for split in table["split"]])


def _bars(axes: Axes, splits: Sequence[str], values: Sequence[int], colour: str) -> None:
    places = np.arange(len(splits))
    axes.barh(places, values, height=0.62, color=colour)
    for place, value in zip(places, values, strict=True):
        axes.annotate(f"{value:,}", (value, place), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_xlim(0, 1.18 * max(1, *values))


def _class_bars(axes: Axes, splits: list[str], images: pd.DataFrame, classes: list[str]) -> None:
    counts = pd.crosstab(images["split"], images["class_name"]).reindex(index=splits, columns=classes, fill_value=0)
    left = np.zeros(len(splits))
    total = counts.sum(axis=1).to_numpy()
    for number, name in enumerate(classes):
        values = counts[name].to_numpy()
        colour = FLOOR if name == NO_CLASS else class_colour(number)
        axes.barh(range(len(splits)), values, left=left, height=0.62, color=colour, label=name, edgecolor="white")
        for place, (start, value) in enumerate(zip(left, values, strict=True)):
            if value > 0.12 * total.max():
                axes.text(start + value / 2, place, f"{value:,}", ha="center", va="center", color=INK, fontsize=7)
        left = left + values
    for place, value in enumerate(total):
        axes.annotate(f"{int(value):,}", (value, place), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_xlim(0, 1.12 * max(1, total.max()))
    axes.legend(
        loc="lower right", ncols=min(4, len(classes)), bbox_to_anchor=(1, 1.0), borderaxespad=0.1, handlelength=1
    )


def draw_refused(study: StudyResults, album: Album) -> None:
    """Draw how many files and slices were refused or set aside, by reason."""
    files = study.table("cohort.rejects", ("reason", "refused"))
    slices = study.table("slices.rejects", ("reason",))
    refused = files["refused"].astype(bool)
    reasons = {
        "Files of the archive": files["reason"].where(refused, files["reason"] + ASIDE),
        "Slices": slices["reason"],
    }
    panels = {title: found.value_counts().sort_index() for title, found in reasons.items() if len(found)}
    if not panels:
        album.absent["refused"] = "nothing was refused"
        return
    lines = [len(counts) for counts in panels.values()]
    figure = album.new(0.35 + 0.5 * len(panels) + 0.24 * sum(lines))
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[number + 0.8 for number in lines])[:, 0]
    for axes, (title, counts) in zip(grid, panels.items(), strict=True):
        _reason_bars(axes, {str(name): int(value) for name, value in counts.sort_values(kind="stable").items()})
        panel_title(axes, f"{title}: {int(counts.sum()):,}")
    album.add(
        figure,
        "refused",
        section="refused",
        title="What was refused",
        caption=(
            f"{int(refused.sum()):,} files were refused, {int((~refused).sum()):,} set aside on purpose (they are no "
            f"images of the study), and {len(slices):,} slices were not stored. Every one is a row of "
            "cohort/rejects.parquet or slices/rejects.parquet with its reason."
        ),
        data=pd.DataFrame(
            [(title, name, int(count)) for title, counts in panels.items() for name, count in counts.items()],
            columns=["what", "reason", "count"],
        ),
    )


def _reason_bars(axes: Axes, counts: dict[str, int]) -> None:
    colours = [FLOOR if name.endswith(ASIDE) else WARN for name in counts]
    axes.barh(range(len(counts)), list(counts.values()), height=0.6, color=colours)
    axes.set_yticks(range(len(counts)), [name.replace("-", " ") for name in counts])
    for place, value in enumerate(counts.values()):
        axes.annotate(f"{value:,}", (value, place), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_xlim(0, 1.12 * max(counts.values()))
    axes.set_xticks([])
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
