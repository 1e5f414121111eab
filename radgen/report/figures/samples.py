"""Samples beside real images, class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from radgen.imageset.core import ImageSet
from radgen.report.album import Album
from radgen.report.gallery import Sheet, mosaic, rgb
from radgen.report.study import StudyResults, spread
from radgen.report.style import REAL, SYNTHETIC, WIDTH_PX

TILE_PX = 128
GAP_PX = 4
LEFT_PX = 16
HEAD_PX = 34
CLASS_HEAD_PX = 26
ROOM_PX = 1060  # of a figure's height, for classes
MOST_CLASSES = 8


@dataclass(frozen=True)
class Side:
    """Images of one kind, in columns from `left`."""

    words: str
    colour: str
    images: ImageSet
    split: str
    left: int
    dropped: frozenset[str] = frozenset()


def draw_samples(study: StudyResults, album: Album, source: str) -> None:
    """Show real training images beside samples of one generator, and for the shareable edition the samples alone."""
    columns = study.report.gallery_columns
    tile = min(TILE_PX, (WIDTH_PX - 2 * LEFT_PX - 32) // (2 * columns) - GAP_PX)
    right = WIDTH_PX - LEFT_PX - (columns * (tile + GAP_PX) - GAP_PX)
    made = study.images("sample.part_index", source=source)
    real = Side(
        "REAL (PHANTOM)" if study.facts.is_phantom else "REAL", REAL, study.images("slices.index"), "train", LEFT_PX
    )
    sheet, shown = _draw_sides(study, album, [real, Side("SYNTHETIC", SYNTHETIC, made, "synthetic", right)], columns)
    album.add(
        sheet.figure,
        f"samples_{source}",
        section="samples",
        title=f"Samples of {source} beside real images",
        caption=(
            f"Left: real images of the training split. Right: samples of generator {source} of the same class. Neither "
            "side is picked by eye: images are spread evenly over each table."
        ),
        data=shown,
        source=source,
        real_pixels=True,
    )
    alone = Side("SYNTHETIC", SYNTHETIC, made, "synthetic", LEFT_PX, study.dropped("samples", source))
    sheet, shown = _draw_sides(study, album, [alone], 2 * columns)
    album.add(
        sheet.figure,
        f"samples_alone_{source}",
        section="samples",
        title=f"Samples of {source}",
        caption=f"Samples of generator {source}, not picked by eye: images are spread evenly over the table.",
        data=shown,
        source=source,
        stands_in=True,
        shows="sample.part_index",
    )


def _draw_sides(study: StudyResults, album: Album, sides: list[Side], columns: int) -> tuple[Sheet, pd.DataFrame]:
    """Draw every class of all sides; return the sheet, and what it shows."""
    names = study.class_names[:MOST_CLASSES]
    tile = min(TILE_PX, (WIDTH_PX - 2 * LEFT_PX - 32) // (len(sides) * columns) - GAP_PX)
    rows = _rows_that_fit(study.report.gallery_rows, len(names), tile)
    band = CLASS_HEAD_PX + rows * (tile + GAP_PX) + 8
    sheet = album.sheet(HEAD_PX + len(names) * band)
    top, shown = album.sheet_top, []
    for side in sides:
        sheet.words(side.words, side.left, top, weight="bold", fontsize=9, color=side.colour)
        for number, name in enumerate(names):
            ids = _draw_class(sheet, side, name, top + HEAD_PX + number * band, (columns, rows, tile))
            shown += [(side.split, name, image_id) for image_id in ids]
    return sheet, pd.DataFrame(shown, columns=["split", "class_name", "image_id"])


def _rows_that_fit(wanted: int, classes: int, tile: int) -> int:
    room = ROOM_PX // max(1, classes) - CLASS_HEAD_PX - 8
    return max(1, min(wanted, room // (tile + GAP_PX)))


def _draw_class(sheet: Sheet, side: Side, class_name: str, top: int, grid: tuple[int, int, int]) -> list[str]:
    """Draw images of one class, without those that an audit dropped, and return their ids."""
    columns, rows, tile = grid
    positions = side.images.rows_where(split=side.split, class_name=class_name)
    ids = side.images.column("image_id")
    positions = positions[~np.isin(ids[positions].astype(str), sorted(side.dropped))]
    sheet.words(f"{class_name}  ({len(positions):,} images)", side.left, top)
    chosen = spread(positions, columns * rows)
    if len(chosen):
        pixels = mosaic([rgb(side.images.images(chosen))], columns, size_px=tile, gap_px=GAP_PX)
        sheet.picture(pixels, side.left, top + CLASS_HEAD_PX)
    return [str(name) for name in ids[chosen]]
