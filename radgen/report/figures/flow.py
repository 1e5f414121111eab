"""The flow of the cohort: what was read, what was refused at which step and why, and what each split holds."""

from __future__ import annotations

import pandas as pd

from radgen.report.album import Album
from radgen.report.figures.boxes import Box, Diagram, height_of
from radgen.report.figures.cohort import SPLIT_WORDS, SPLITS
from radgen.report.study import StudyResults, dig
from radgen.report.style import INK, REAL, WARN, WIDTH_IN

MOST_REASONS = 6
MAIN_IN, SIDE_IN, STEP_IN = 2.3, 2.3, 0.28
MAIN_LEFT, SIDE_LEFT = 0.9, 4.0


def draw_flow(study: StudyResults, album: Album) -> None:
    """Draw the steps from the archive to the splits, refusals beside the step that refused."""
    series = study.table("cohort.series", ("series_key", "patient_key", "split"))
    files = study.table("cohort.rejects", ("reason", "refused"))
    slices = study.table("slices.rejects", ("reason",))
    images = study.images("slices.index")
    splits = [name for name in SPLITS if name in set(series["split"])]
    per_split = _per_split(series, images.column("split").tolist(), splits)
    steps = [
        ("Archive", _archive_lines(study), _asides(files)),
        ("Series that could be read", _series_lines(series), _reasons(slices["reason"], "slices not stored")),
        ("Images stored", [f"{len(images):,} two-dimensional slices"], []),
    ]
    heights = [max(height_of(main), height_of(side[1:]) if side else 0.0) for _, main, side in steps]
    split_lines = [f"{row.patients:,} patients\n{row.series:,} series\n{row.images:,} images" for row in per_split]
    figure = album.new(sum(heights) + STEP_IN * 3 + height_of(["", "", ""]) + 0.15)
    diagram = Diagram(figure, top_in=album.banner_in)
    top, before = 0.08, None
    for (title, lines, side), height in zip(steps, heights, strict=True):
        box = diagram.box(MAIN_LEFT, top, MAIN_IN, title, lines, height=height, colour=INK)
        if before is not None:
            diagram.arrow(before.below, box.above)
        if side:
            other = diagram.box(SIDE_LEFT, top, SIDE_IN, side[0], side[1:], height=height, colour=WARN)
            diagram.arrow(box.right, other.middle_left)
        top, before = top + height + STEP_IN, box
    if before is not None:
        _draw_splits(diagram, before, top, list(zip(splits, split_lines, strict=True)))
    album.add(
        figure,
        "flow",
        section="refused",
        title="From the archive to the splits",
        caption=(
            f"What was read, what was left out at each step and why (at most {MOST_REASONS} reasons are named), and "
            "what each split holds. No patient is in two splits."
        ),
        data=pd.DataFrame(
            [(title, "kept", line) for title, lines, _ in steps for line in lines]
            + [(title, "left out", line) for title, _, side in steps for line in side]
            + [("Splits", split, words.replace("\n", ", ")) for split, words in zip(splits, split_lines, strict=True)],
            columns=["step", "outcome", "count"],
        ),
    )


def _draw_splits(diagram: Diagram, parent: Box, top: float, splits: list[tuple[str, str]]) -> None:
    gap = 0.12
    width = min(1.6, (WIDTH_IN - 0.3 - gap * (len(splits) - 1)) / len(splits))
    left = (WIDTH_IN - width * len(splits) - gap * (len(splits) - 1)) / 2
    bus = top - STEP_IN / 2
    for name, lines in splits:
        box = diagram.box(left, top, width, SPLIT_WORDS[name].replace("\n", " "), lines.split("\n"), colour=REAL)
        diagram.arrow(parent.below, (parent.below[0], bus), (box.above[0], bus), box.above)
        left += width + gap


def _per_split(series: pd.DataFrame, image_splits: list[str], splits: list[str]) -> list[pd.Series]:
    images = pd.Series(image_splits).value_counts()
    groups = series.groupby("split")
    table = pd.DataFrame({"patients": groups["patient_key"].nunique(), "series": groups.size()}).loc[splits]
    table["images"] = [int(images.get(name, 0)) for name in splits]
    return [row for _, row in table.iterrows()]


def _archive_lines(study: StudyResults) -> list[str]:
    files = dig(study.manifest("cohort.manifest"), "run", "notes", "files")
    return [f"{files:,} files"] if isinstance(files, int) else ["files as found"]


def _series_lines(series: pd.DataFrame) -> list[str]:
    return [f"{len(series):,} series of {series['patient_key'].nunique():,} patients"]


def _asides(files: pd.DataFrame) -> list[str]:
    refused = files["refused"].astype(bool)
    told = _reasons(files.loc[refused, "reason"], "files refused")
    aside = _reasons(files.loc[~refused, "reason"], "files set aside on purpose")
    if told and aside:
        return [*told, aside[0], *aside[1:]]
    return told or aside


def _reasons(reasons: pd.Series, what: str) -> list[str]:
    """Return a heading and one line per reason, the most frequent first; nothing where there are none."""
    counts = reasons.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if counts.empty:
        return []
    lines = [f"{str(name).replace('-', ' ')}: {value:,}" for name, value in counts.items()]
    rest = int(counts.iloc[MOST_REASONS:].sum())
    more = [f"{len(counts) - MOST_REASONS} other reasons: {rest:,}"] if rest else []
    return [f"{int(counts.sum()):,} {what}", *lines[:MOST_REASONS], *more]
