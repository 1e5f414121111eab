"""Scores of samples beside the floor, and how near the samples come to training images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from radgen.report.album import Album
from radgen.report.gallery import Sheet, mosaic, rgb
from radgen.report.scores import (
    BETTER,
    EVERY_CLASS,
    METRIC_WORDS,
    NEAREST,
    companions_in_words,
    score,
    shown_scores,
)
from radgen.report.study import StudyResults
from radgen.report.style import FLOOR, INK, MUTED, REAL, SYNTHETIC, WIDTH_PX, panel_title, quiet_axes

METRICS = ("judge_fd", "kid", "precision", "recall", "density", "coverage")
COLUMNS = 3
BINS = 48
TILE_PX = 128
GAP_PX = 4
LEFT_PX = 16


def draw_quality(study: StudyResults, album: Album, source: str) -> None:
    """Draw every score of the samples beside the floor, class by class."""
    rows = shown_scores(study, source)
    measured = rows[rows["value"].notna()]
    metrics = [name for name in METRICS if name in set(measured["metric"])]
    if not metrics:
        album.absent[f"quality_{source}"] = "; ".join(sorted(set(rows["reason"].dropna()))) or "no score was measured"
        return
    classes = [name for name in (EVERY_CLASS, *study.class_names) if name in set(measured["class_name"])]
    lines = -(-len(metrics) // COLUMNS)
    figure = album.new(lines * (0.72 + 0.3 * len(classes)))
    grid = figure.subplots(lines, COLUMNS, squeeze=False, sharey=True)
    for axes in grid.flat[len(metrics) :]:
        axes.set_visible(False)
    for axes, metric in zip(grid.flat, metrics, strict=False):
        _score_panel(axes, measured[measured["metric"] == metric], metric, classes)
    counts = [rows[rows["class_name"] == name].iloc[0] for name in classes]
    labels = [f"{name}\nn = {row['n_synthetic']:,}" for name, row in zip(classes, counts, strict=True)]
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(classes)), labels)
        axes.set_ylim(len(classes) - 0.4, -0.6)
    album.add(
        figure,
        f"quality_{source}",
        section="quality",
        title=f"Scores of {source} beside their floor",
        caption=(
            "Samples (orange) and the floor (grey: real images of other patients in the samples' place, as many of "
            f"them), both against the same held-out real images, by the judge. {companions_in_words(rows)} KID shows "
            "the middle 95 % of random subsets."
        ),
        data=measured[measured["metric"].isin(metrics)].drop(columns="reason"),
        source=source,
    )


def _score_panel(axes: Axes, rows: pd.DataFrame, metric: str, classes: list[str]) -> None:
    for place, name in enumerate(classes):
        for role, colour, marker, lift in (("floor", FLOOR, "o", 0.0), ("synthetic", SYNTHETIC, "D", 0.0)):
            found = rows[(rows["class_name"] == name) & (rows["role"] == role)]
            if found.empty:
                continue
            row = found.iloc[0]
            if np.isfinite(row["low"]) and np.isfinite(row["high"]):
                axes.hlines(place + lift, row["low"], row["high"], color=colour, linewidth=1.2, alpha=0.6)
            axes.plot(row["value"], place + lift, marker, color=colour, markersize=5.5, zorder=3)
            axes.annotate(
                _short(row["value"]), (row["value"], place), (0, 5 if role == "synthetic" else -5), color=colour,
                textcoords="offset points", fontsize=6.5, ha="center", va="bottom" if role == "synthetic" else "top",
            )  # fmt: skip
    quiet_axes(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    low, high = axes.get_xlim()
    high = max(high, 0.0 if metric in {"judge_fd", "kid"} else 1.0)
    axes.set_xlim(min(low, -0.08 * high), 1.1 * high)
    panel_title(
        axes, METRIC_WORDS[metric], f"{BETTER[metric]} is better" if BETTER[metric] != "near 1" else "near 1 is best"
    )


def _short(value: float) -> str:
    """Write a number with three digits and without an exponent.

    >>> _short(0.01234), _short(3561.2)
    ('0.0123', '3,561')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


# ---------------------------------------------------------------- audit


def draw_nearest(study: StudyResults, album: Album, source: str) -> None:
    """Draw how far samples and held-out real images lie from their nearest training image."""
    rows = study.table("metrics.nearest", NEAREST, source=source)
    figure = album.new(2.5)
    panels = (("distance_features", "By the judge's features"), ("distance_pixels", "By pixels"))
    for axes, (column, title) in zip(figure.subplots(1, 2), panels, strict=True):
        _distance_panel(axes, rows, column, title)
    quality = shown_scores(study, source)
    shares = [
        f"by {by}, {100 * value:.1f} % of samples (held-out real images: {100 * (usual or 0):.1f} %)"
        for by in ("features", "pixels")
        if (value := score(quality, f"near_copies_{by}", "synthetic")) is not None
        for usual in [score(quality, f"near_copies_{by}", "floor")]
    ]
    album.add(
        figure,
        f"nearest_{source}",
        section="quality",
        title=f"Are samples of {source} copies?",
        caption=(
            "Distance of each sample (orange) and of each held-out real image (blue) to its nearest training image; "
            "real images of the same patient are skipped. A generator that copies lies left of the real images. Near "
            f"copies, nearer than nearly all held-out real images: {'; '.join(shares) or 'not measured'}."
        ),
        data=rows[["kind", "class_name", "distance_features", "distance_pixels"]],
        source=source,
    )


def _distance_panel(axes: Axes, rows: pd.DataFrame, column: str, title: str) -> None:
    known = rows[rows[column].notna()]
    top = float(known[column].max()) if len(known) else 1.0
    edges = np.linspace(0, max(top, 1e-9), BINS + 1)
    for kind, colour, words in (("control", REAL, "held-out real"), ("synthetic", SYNTHETIC, "samples")):
        values = known.loc[known["kind"] == kind, column].to_numpy(float)
        if not len(values):
            continue
        share = np.histogram(values, edges)[0] / len(values)
        axes.stairs(share, edges, color=colour, linewidth=1.4, label=f"{words} (n = {len(values):,})")
        axes.stairs(share, edges, color=colour, alpha=0.12, fill=True)
    axes.set_xlabel("distance to the nearest training image")
    axes.set_ylabel("share of images", color=MUTED)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    quiet_axes(axes)
    panel_title(axes, title)
    axes.legend(loc="upper left", handlelength=1.2)


def draw_closest(study: StudyResults, album: Album, source: str) -> None:
    """Show the samples nearest to a training image, each above that image; and the same for held-out real images."""
    rows = study.table("metrics.nearest", NEAREST, source=source)
    rows = rows[rows["distance_pixels"].notna()]
    count = study.report.closest_pairs
    real = "REAL (PHANTOM)" if study.facts.is_phantom else "REAL"
    groups = [
        ("synthetic", "SYNTHETIC, and the nearest training image below", SYNTHETIC, "sample.part_index"),
        ("control", f"{real}, HELD OUT, and the nearest training image of another patient below", REAL, "slices.index"),
    ]
    shown = [group for group in groups if (rows["kind"] == group[0]).any()]
    if not shown:
        album.absent[f"closest_{source}"] = "no nearest training image was found"
        return
    tile = tile_of(count)
    band = 30 + 2 * (tile + GAP_PX) + 30
    sheet = album.sheet(len(shown) * band)
    drawn = []
    for number, (kind, words, colour, key) in enumerate(shown):
        top = album.sheet_top + number * band
        closest = rows[rows["kind"] == kind].sort_values(["distance_pixels", "image_id"]).head(count)
        sheet.words(words, LEFT_PX, top, weight="bold", fontsize=8, color=colour)
        wildcards = {"source": source} if key == "sample.part_index" else {}
        _draw_pairs(study, sheet, closest, (key, wildcards), (top + 30, tile))
        drawn.append(closest[["kind", "class_name", "image_id", "nearest_pixels_image_id", "distance_pixels"]])
    album.add(
        sheet.figure,
        f"closest_{source}",
        section="quality",
        title=f"Closest to the training images: {source}",
        caption=(
            f"The {count} samples that lie nearest to a training image by pixels, closest first, each above that "
            "image, with the distance sqrt(2 (1 - correlation)) below; then the same for held-out real images, which "
            "copy nobody."
        ),
        data=pd.concat(drawn),
        source=source,
        real_pixels=True,
    )


def _draw_pairs(
    study: StudyResults, sheet: Sheet, rows: pd.DataFrame, images: tuple[str, dict[str, str]], place: tuple[int, int]
) -> None:
    key, wildcards = images
    above = study.pixels_of(rows["image_id"].tolist(), key, **wildcards)
    below = study.pixels_of(rows["nearest_pixels_image_id"].tolist(), "slices.index")
    draw_pairs_row(sheet, above, below, [f"{distance:.3f}" for distance in rows["distance_pixels"]], place)


def draw_pairs_row(
    sheet: Sheet, above: NDArray[np.uint8], below: NDArray[np.uint8], words: list[str], place: tuple[int, int]
) -> None:
    """Put two rows of images [n, C, H, W] over each other, with words below each pair; `place` is top and tile."""
    top, tile = place
    sheet.picture(mosaic([rgb(above), rgb(below)], len(words), size_px=tile, gap_px=GAP_PX), LEFT_PX, top)
    for number, told in enumerate(words):
        middle = LEFT_PX + number * (tile + GAP_PX) + tile // 2
        sheet.words(told, middle, top + 2 * (tile + GAP_PX), fontsize=6.8, ha="center", color=INK)


def tile_of(count: int) -> int:
    """Return the side in pixels of `count` images in a row."""
    return min(TILE_PX, (WIDTH_PX - 2 * LEFT_PX) // count - GAP_PX)
