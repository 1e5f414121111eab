"""Pairs: synthetic images and, below each, the same image with its mask."""

from __future__ import annotations

from radgen.report.album import Album
from radgen.report.gallery import Pixels, mask_colour, mosaic, overlaid, rgb, swatch_places
from radgen.report.study import StudyResults, spread
from radgen.report.style import SYNTHETIC, WIDTH_PX

TILE_PX = 128
GAP_PX = 4
LEFT_PX = 16
HEAD_PX = 34
CLASS_HEAD_PX = 26
SWATCH_PX = 24
ROOM_PX = 1000  # of a figure's height, for classes
MOST_CLASSES = 8


def draw_pairs(study: StudyResults, album: Album, source: str) -> None:
    """Show synthetic images and, below each, the same image with its mask."""
    names = study.class_names[:MOST_CLASSES]
    columns = study.report.pairs_per_class
    tile = min(TILE_PX, (WIDTH_PX - 2 * LEFT_PX) // columns - GAP_PX, _height_that_fits(len(names)))
    band = CLASS_HEAD_PX + 2 * (tile + GAP_PX) + 8
    key = [(name, mask_colour(at, study.facts.colours)) for at, name in enumerate(study.facts.structures, start=1)]
    lines = 1 + swatch_places(key, LEFT_PX)[-1][1] if key else 0
    sheet = album.sheet(HEAD_PX + len(names) * band + lines * SWATCH_PX + 8)
    top = album.sheet_top
    sheet.words("SYNTHETIC IMAGES AND THEIR MASKS", LEFT_PX, top, weight="bold", fontsize=9, color=SYNTHETIC)
    for number, name in enumerate(names):
        line = top + HEAD_PX + number * band
        total, pixels = _class_pixels(study, source, name, (columns, tile))
        sheet.words(f"{name}  ({total:,} pairs)", LEFT_PX, line)
        if pixels is not None:
            sheet.picture(pixels, LEFT_PX, line + CLASS_HEAD_PX)
    sheet.swatches(key, LEFT_PX, top + HEAD_PX + len(names) * band)
    album.add(
        sheet.figure,
        f"pairs_{source}",
        section="pairs",
        title=f"Pairs of {source}",
        caption=(
            "Synthetic images of each class, and below each the same image with the mask that the label head read off "
            "the generator's features. Only pairs that were kept, spread evenly over the table."
        ),
        simulated=study.annotator_words(),
        source=source,
    )


def _height_that_fits(classes: int) -> int:
    return (ROOM_PX // max(1, classes) - CLASS_HEAD_PX - 8) // 2 - GAP_PX


def _class_pixels(study: StudyResults, source: str, name: str, grid: tuple[int, int]) -> tuple[int, Pixels | None]:
    """Return how many pairs a class has, and its two rows of tiles."""
    pairs = study.images("pairs.part_index", source=source)
    positions = pairs.rows_where(class_name=name)
    if not len(positions):
        return 0, None
    columns, tile = grid
    chosen = spread(positions, columns)
    images, masks = pairs.images(chosen), pairs.masks(chosen)
    plain, painted = rgb(images), overlaid(images, masks, study.facts.colours)
    return len(positions), mosaic([plain, painted], columns, size_px=tile, gap_px=GAP_PX)
