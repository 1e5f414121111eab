"""Images painted on label maps: every curve of training, and maps beside their images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.gallery import hex_rgb, mask_colour, mosaic, rgb, swatch_places
from radgen.report.scores import may_show_frechet
from radgen.report.study import StudyResults, dig, lent_surroundings, spread
from radgen.report.style import GOOD, INK, MUTED, REAL, SYNTHETIC, WIDTH_PX, panel_title, quiet_axes

HISTORY = ("seen_images", "metric", "value")
DISTANCE = "domain_fid"
# Panels of single curves: title and note.
SCORES = {
    DISTANCE: ("Domain Frechet distance", "encoder, validation"),
    "ms_ssim": ("MS-SSIM within a map", "1: all alike"),
    "ssim": ("SSIM with the map's image", "pairs"),
    "psnr": ("PSNR, dB", "pairs"),
    "rmse": ("RMSE, grey levels", "pairs"),
    "encoder_distance": ("Encoder distance", "pairs"),
}
COLUMNS = 3
PANEL_IN = 1.75
TILE_PX, GAP_PX, LEFT_PX, HEAD_PX, SWATCH_PX = 128, 4, 16, 34, 24
MAPS = 5


def draw_semantic_curves(study: StudyResults, album: Album, source: str) -> None:
    """Draw losses and every score at ticks, by maps shown; the published weights are circled."""
    history = study.table("semantic.history", HISTORY, source=source)
    names = [name for name in SCORES if (history["metric"] == name).any()]
    shows_distance = may_show_frechet(study, source)
    if not shows_distance:
        names = [name for name in names if name != DISTANCE]
    rows = -(-(2 + len(names)) // COLUMNS)
    figure = album.new(PANEL_IN * rows + 0.5)
    axes = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    _many(axes[0], history, "loss_", ("Losses", "mean since the point before"))
    _many(axes[1], history, "dice_", ("Dice with the map", "what the annotator finds"))
    published = dig(study.manifest("semantic.manifest", source=source), "run", "notes", "published_images")
    for place, name in zip(axes[2:], names, strict=False):
        _one(place, history[history["metric"] == name], published)
        panel_title(place, *SCORES[name])
    for place in axes[2 + len(names) :]:
        place.set_axis_off()
    withheld = "" if shows_distance else " The domain distance is withheld: recall or the audit of copies is missing."
    album.add(
        figure,
        f"semantic_curves_{source}",
        section="semantic",
        title=f"Training of {source}",
        caption=(
            "Losses (mean since the point before) and scores on maps of validation patients, by maps shown; the "
            f"published weights are circled. These scores choose weights and are no results.{withheld}"
        ),
        data=history[["seen_images", "metric", "value"]],
        source=source,
    )


def _many(axes: Axes, history: pd.DataFrame, head: str, title: tuple[str, str]) -> None:
    """Draw all metrics whose names begin alike, each named at its end."""
    metrics = sorted(name for name in history["metric"].unique() if name.startswith(head))
    colours = (SYNTHETIC, REAL, GOOD, INK, MUTED, "#cc79a7", "#e69f00", "#56b4e9")
    for number, name in enumerate(metrics):
        rows = history[history["metric"] == name].sort_values("seen_images")
        turn, place = divmod(number, len(colours))  # a colour that comes again is dashed, then dotted
        look = (colours[place], ("-", "--", ":")[turn % 3])
        axes.plot(rows["seen_images"] / 1000, rows["value"], color=look[0], ls=look[1], label=name.removeprefix(head))
    if metrics:
        axes.legend(fontsize=5.5, frameon=False, ncols=2, loc="best", handlelength=1.2)
    _finish(axes)
    panel_title(axes, *title)


def _one(axes: Axes, rows: pd.DataFrame, published: object) -> None:
    rows = rows.sort_values("seen_images")
    axes.plot(rows["seen_images"] / 1000, rows["value"], color=INK, marker="o", markersize=2.5)
    chosen = rows[rows["seen_images"] == published]
    axes.plot(chosen["seen_images"] / 1000, chosen["value"], "o", markersize=9, markerfacecolor="none", color=GOOD)
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.set_xlabel("maps shown, thousands", color=MUTED)
    axes.set_xlim(left=0)
    quiet_axes(axes)


def draw_semantic_sheet(study: StudyResults, album: Album, source: str) -> None:
    """Show maps and images painted on them: rows are maps, columns the map and images of other noise."""
    made = study.images("sample.part_index", source=source)
    parents = pd.Series([name.rpartition("_")[0] for name in made.column("image_id")])
    firsts = spread(np.flatnonzero(~parents.duplicated().to_numpy()), MAPS)
    columns = min((WIDTH_PX - 2 * LEFT_PX) // (TILE_PX + GAP_PX) - 1, int(parents.value_counts().iloc[0]))
    key = [(name, mask_colour(at, study.facts.colours)) for at, name in enumerate(study.facts.structures, start=1)]
    lines = 1 + swatch_places(key, LEFT_PX)[-1][1]
    height = HEAD_PX + len(firsts) * (TILE_PX + GAP_PX)
    sheet = album.sheet(height + lines * SWATCH_PX + 8)
    top = album.sheet_top
    sheet.words("MAP", LEFT_PX, top, weight="bold", fontsize=9, color=INK)
    sheet.words("SYNTHETIC", LEFT_PX + TILE_PX + GAP_PX, top, weight="bold", fontsize=9, color=SYNTHETIC)
    palette = np.array([(0, 0, 0), *(hex_rgb(colour) for _, colour in key)], dtype=np.uint8)
    rows = [
        np.concatenate([palette[made.masks([first])], rgb(made.images(np.arange(first, first + columns)))])
        for first in firsts.tolist()
    ]
    sheet.picture(mosaic(rows, 1 + columns, size_px=TILE_PX, gap_px=GAP_PX), LEFT_PX, top + HEAD_PX)
    sheet.swatches(key, LEFT_PX, top + height)
    shown = [made.column("image_id")[first + number] for first in firsts.tolist() for number in range(columns)]
    album.add(
        sheet.figure,
        f"semantic_sheet_{source}",
        section="semantic",
        title=f"Images painted by {source}",
        caption=(
            f"Each row is a label map and images painted on it, which differ in {_differ_in(study, source)}. Maps are "
            "spread evenly over the table, not picked by eye."
        ),
        data=pd.DataFrame({"image_id": shown}),
        source=source,
        real_pixels=True,  # maps may be patients' own
    )


def _differ_in(study: StudyResults, source: str) -> str:
    if lent_surroundings(study, source):
        return "their noise and in what surrounds the labels, which other images lent"
    return "their noise alone"
