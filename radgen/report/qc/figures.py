"""Figures over all series: sizes and spacings, shares removed and clipped, intensity histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from radgen.report.album import Album
from radgen.report.qc.outliers import Finding
from radgen.report.qc.table import COUNTS, QcTable
from radgen.report.study import spread
from radgen.report.style import INK, MUTED, WARN, class_colour, figure_style, panel_title, quiet_axes

Outliers = Mapping[int, Sequence[Finding]]
BINS = 24
# Lines of a panel of intensities: more would be one grey area.
LINES = 120
PANELS = 6
GRID_POINTS = 256
SMOOTHING = (0.25, 0.5, 0.25)  # over neighbouring bins: grey values and bins seldom fall into step


def draw_checks(checks: QcTable, found: Outliers, album: Album) -> None:
    """Draw every figure of the quality-control pages."""
    if checks.series.empty:
        album.absent["checks"] = "no series was read"
        return
    with figure_style():
        _draw_sizes(checks, found, album)
        _draw_shares(checks, found, album)
        _draw_intensities(checks, found, album)


def standing_out(found: Outliers, column: str) -> set[int]:
    """Return the positions of series that stand out in one figure."""
    return {position for position, each in found.items() if any(one.measure.column == column for one in each)}


# ---------------------------------------------------------------- one number per series


def _draw_sizes(checks: QcTable, found: Outliers, album: Album) -> None:
    series = checks.series.assign(side=checks.series[["rows", "cols"]].max(axis=1))
    panels = {
        "Pixel size": ("pixel_mm", "mm"),
        "Distance between slices": ("spacing_slice_mm", "mm"),
        "Slices of a series": ("n_slices", "slices"),
        "Matrix, larger side": ("side", "pixels"),
    }
    figure = album.new(4.1)
    for axes, (title, (column, unit)) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        _histogram(axes, series, column, checks.groups, found)
        unknown = int(series[column].isna().sum())
        panel_title(axes, title, f"{unit}; unknown for {unknown:,} series" if unknown else unit)
    album.add(
        figure,
        "sizes",
        section="sizes",
        title="Spacing and size",
        caption=(
            f"Source series before anything is resampled, {len(series):,} in all. Pixel size is the geometric mean of "
            "rows and columns. Series that stand out in a figure are red."
        ),
        data=series[["group", *(column for column, _ in panels.values())]],
    )


def _draw_shares(checks: QcTable, found: Outliers, album: Album) -> None:
    panels = {
        "removed_fraction": ("Removed as background", "% of a series' voxels"),
        "removed_tissue_most": ("Tissue removed", "% in the slice that loses most"),
        "clipped_fraction": ("Outside the window", "% of the body, mean of slices"),
    }
    figure = album.new(2.1)
    series = checks.series.assign(**{name: 100 * checks.series[name] for name in panels})
    for axes, (column, titles) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        _histogram(axes, series, column, checks.groups, found)
        panel_title(axes, *titles)
    album.add(
        figure,
        "shares",
        section="shares",
        title="What is removed and what is clipped",
        caption=(
            "Share of voxels that the body mask turns to grey 0; share of what is denser than air among them (couch, "
            "sheets, or part of the patient: look); share of body pixels that the display window makes black or white. "
            "Series that stand out in a figure are red."
        ),
        data=series[["group", *panels]],
    )


def _histogram(axes: Axes, series: pd.DataFrame, column: str, groups: Sequence[str], found: Outliers) -> None:
    values = series[column].to_numpy(dtype=float)
    known = values[np.isfinite(values)]
    if not known.size:
        axes.text(0.5, 0.5, "unknown for every series", transform=axes.transAxes, ha="center", color=MUTED)
        axes.set_axis_off()
        return
    edges = _edges(known)
    marked = standing_out(found, column)
    outside = series["position"].isin(marked).to_numpy() & np.isfinite(values)
    inside = np.isfinite(values) & ~outside
    parts = {group: values[inside & (series["group"] == group).to_numpy()] for group in groups}
    colours = [class_colour(number) for number in range(len(groups))]
    if outside.any():
        parts["stands out"] = values[outside]
        colours.append(WARN)
    axes.hist(
        list(parts.values()), bins=edges.tolist(), stacked=True, color=colours, label=list(parts), edgecolor="white",
        linewidth=0.4,
    )  # fmt: skip
    if len(parts) > 1:
        axes.legend(loc="best", handlelength=1)
    quiet_axes(axes)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if column in {"n_slices", "side"}:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    margin = 0.02 * abs(high) + 0.01
    if high - low < 2 * margin:  # all the same: one bar of the figure's own width
        return np.linspace(low - 4 * margin, high + 4 * margin, 10)
    return np.linspace(low, high, BINS + 1)


# ---------------------------------------------------------------- intensities


def _draw_intensities(checks: QcTable, found: Outliers, album: Album) -> None:
    groups = checks.groups[:PANELS]
    figure = album.new(0.5 + 2.0 * -(-len(groups) // 2))
    grid = figure.subplots(-(-len(groups) // 2), min(2, len(groups)), squeeze=False).flat
    curves = [_intensity_panel(axes, checks, group, found) for axes, group in zip(grid, groups, strict=False)]
    for axes in list(grid)[len(groups) :]:
        axes.set_axis_off()
    left_out = (
        f" The {len(checks.groups) - PANELS} smallest groups are not drawn." if len(checks.groups) > PANELS else ""
    )
    album.add(
        figure,
        "intensities",
        section="intensities",
        title="Intensities of what is kept",
        caption=(
            "One line per series, smoothed over three bins: how often each intensity occurs among the voxels that are "
            "kept (all voxels where no background is removed). The dark line is the median of all lines, the band "
            "holds nine series of ten; series whose median intensity stands out are red. CT is in HU; series without "
            f"absolute units are scaled to their own display window, black at 0 and white at 1.{left_out}"
        ),
        data=pd.concat(curves),
    )


def _intensity_panel(axes: Axes, checks: QcTable, group: str, found: Outliers) -> pd.DataFrame:
    """Draw one group and return its median and the band around it by intensity."""
    members = checks.series[checks.series["group"] == group]
    marked = standing_out(found, "kept_median")
    everyone = members["position"].to_numpy(dtype=np.int64)
    drawn = np.union1d(spread(everyone, LINES), spread(everyone[np.isin(everyone, list(marked))], LINES))
    in_units = bool((members["modality"] == "CT").all())
    lines = [_density(row, in_units=in_units) for row in checks.rows(drawn.tolist(), COUNTS)]
    known = [(at, line) for at, line in zip(drawn.tolist(), lines, strict=True) if line is not None]
    note = f"{len(members):,} series" + (f", {len(drawn):,} drawn" if len(drawn) < len(members) else "")
    panel_title(axes, group, f"{note}; {'HU' if in_units else 'share of the display window'}")
    if not known:
        axes.text(0.5, 0.5, "nothing is kept", transform=axes.transAxes, ha="center", color=MUTED)
        axes.set_axis_off()
        return _band(group, np.empty(0), np.empty((3, 0)))
    places = _common_places([line for _, line in known])
    curves = np.array([np.interp(places, x, y, left=0, right=0) for _, (x, y) in known])
    usual = np.array([at not in marked for at, _ in known])
    base = curves[usual] if usual.any() else curves
    axes.plot(places, base.T, color=MUTED, linewidth=0.4, alpha=0.25)
    low, middle, high = np.percentile(base, [5, 50, 95], axis=0)
    axes.fill_between(places, low, high, color=class_colour(checks.groups.index(group)), alpha=0.28, linewidth=0)
    axes.plot(places, middle, color=INK, linewidth=1.3)
    outside = curves[~usual]
    if len(outside):
        axes.plot(places, outside.T, color=WARN, linewidth=0.7, alpha=max(0.25, min(1.0, 6 / len(outside))))
    axes.set_xlim(float(places[0]), float(places[-1]))
    axes.set_ylim(0, 1.15 * float(np.percentile(curves.max(axis=1), 95)))
    axes.set_yticks([])
    quiet_axes(axes, grid="")
    axes.spines["left"].set_visible(False)
    return _band(group, places, np.array([low, middle, high]))


def _band(group: str, places: NDArray[np.float64], band: NDArray[np.float64]) -> pd.DataFrame:
    columns = dict(zip(("percentile_5", "median", "percentile_95"), band, strict=True))
    return pd.DataFrame({"intensity": places, **columns}).assign(group=group)


def _density(row: Mapping[str, Any], *, in_units: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return places and densities of a series' histogram, or None where nothing is kept."""
    counts = np.asarray(row["kept_counts"] or [0], dtype=float)
    if not counts.sum():
        return None
    inner = np.convolve(counts[1:-1], SMOOTHING, mode="same")
    edges = np.linspace(row["histogram_low"], row["histogram_high"], len(inner) + 1)
    if not in_units:
        edges = (edges - row["window_low"]) / (row["window_high"] - row["window_low"])
    return (edges[1:] + edges[:-1]) / 2, inner / counts.sum() / np.diff(edges)


def _common_places(lines: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Return places over the range that holds nearly all of what the lines count."""
    edges = []
    for x, y in lines:
        cumulated = np.cumsum(y) / max(float(y.sum()), 1e-300)
        first, last = np.minimum(np.searchsorted(cumulated, (0.002, 0.995)), len(x) - 1)
        edges.append((x[first], x[last]))
    low, high = np.percentile([low for low, _ in edges], 2), np.percentile([high for _, high in edges], 98)
    margin = 0.03 * (high - low) + 1e-9
    return np.linspace(low - margin, high + margin, GRID_POINTS)
