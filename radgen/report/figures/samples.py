"""Samples beside real images, class by class."""

from __future__ import annotations

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


def draw_samples(study: StudyResults, album: Album, source: str) -> None:
    """Show real images of the training split on the left and samples of one generator on the right."""
    real, made = study.images("slices.index"), study.images("sample.part_index", source=source)
    names = study.class_names[:MOST_CLASSES]
    columns = study.report.gallery_columns
    tile = min(TILE_PX, (WIDTH_PX - 2 * LEFT_PX - 32) // (2 * columns) - GAP_PX)
    rows = _rows_that_fit(study.report.gallery_rows, len(names), tile)
    band = CLASS_HEAD_PX + rows * (tile + GAP_PX) + 8
    sheet = album.sheet(HEAD_PX + len(names) * band)
    side = columns * (tile + GAP_PX) - GAP_PX
    right = sheet.width_px - LEFT_PX - side
    top = album.sheet_top
    sheet.words(
        "REAL (PHANTOM)" if study.facts.is_phantom else "REAL", LEFT_PX, top, weight="bold", fontsize=9, color=REAL
    )
    sheet.words("SYNTHETIC", right, top, weight="bold", fontsize=9, color=SYNTHETIC)
    shown = []
    for number, name in enumerate(names):
        line = top + HEAD_PX + number * band
        for images, split, left in ((real, "train", LEFT_PX), (made, "synthetic", right)):
            where = {"split": split, "class_name": name}
            ids = _draw_class(sheet, images, where, (left, line), (columns, rows, tile))
            shown += [(split, name, image_id) for image_id in ids]
    album.add(
        sheet.figure,
        f"samples_{source}",
        section="samples",
        title=f"Samples of {source} beside real images",
        caption=(
            f"Left: real images of the training split. Right: samples of generator {source} of the same class. Neither "
            "side is picked by eye: images are spread evenly over each table."
        ),
        data=pd.DataFrame(shown, columns=["split", "class_name", "image_id"]),
        source=source,
        real_pixels=True,
    )


def _rows_that_fit(wanted: int, classes: int, tile: int) -> int:
    room = ROOM_PX // max(1, classes) - CLASS_HEAD_PX - 8
    return max(1, min(wanted, room // (tile + GAP_PX)))


def _draw_class(
    sheet: Sheet, images: ImageSet, where: dict[str, str], place: tuple[int, int], grid: tuple[int, int, int]
) -> list[str]:
    """Draw images of one class and return their ids."""
    (left, top), (columns, rows, tile) = place, grid
    positions = images.rows_where(**where)
    label = f"{where['class_name']}  ({len(positions):,} images)"
    sheet.words(label, left, top)
    chosen = spread(positions, columns * rows)
    if len(chosen):
        sheet.picture(
            mosaic([rgb(images.images(chosen))], columns, size_px=tile, gap_px=GAP_PX), left, top + CLASS_HEAD_PX
        )
    return [str(name) for name in images.column("image_id")[chosen]]
