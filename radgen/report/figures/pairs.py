"""Pairs: synthetic images and, below each, the same image with its mask and its uncertainty."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radgen.report.album import Album
from radgen.report.figures.labels import UNCERTAINTY
from radgen.report.gallery import Sheet, mask_colour, mosaic, overlaid, rgb, swatch_places
from radgen.report.study import StudyResults, spread
from radgen.report.style import MUTED, SYNTHETIC, WIDTH_PX

TILE_PX = 128
GAP_PX = 4
LEFT_PX = 16
HEAD_PX = 34
CLASS_HEAD_PX = 26
SCORE_PX = 24
SWATCH_PX = 24
ROOM_PX = 1000  # of a figure's height, for classes
MOST_CLASSES = 8


def draw_pairs(study: StudyResults, album: Album, source: str) -> None:
    """Show pairs of every class from the surest to the most uncertain, the mask below each image."""
    names = study.class_names[:MOST_CLASSES]
    columns = study.report.pairs_per_class
    tile = min(TILE_PX, (WIDTH_PX - 2 * LEFT_PX) // columns - GAP_PX, _height_that_fits(len(names)))
    band = CLASS_HEAD_PX + 2 * (tile + GAP_PX) + SCORE_PX + 8
    key = [(name, mask_colour(at, study.facts.colours)) for at, name in enumerate(study.facts.structures, start=1)]
    lines = 1 + swatch_places(key, LEFT_PX)[-1][1] if key else 0
    sheet = album.sheet(HEAD_PX + len(names) * band + lines * SWATCH_PX + 8)
    top = album.sheet_top
    sheet.words("SYNTHETIC IMAGES AND THEIR MASKS", LEFT_PX, top, weight="bold", fontsize=9, color=SYNTHETIC)
    scores = _scores(study, source)
    shown = [
        _draw_class(study, sheet, (source, name), scores, (top + HEAD_PX + number * band, columns, tile))
        for number, name in enumerate(names)
    ]
    sheet.swatches(key, LEFT_PX, top + HEAD_PX + len(names) * band)
    ranked = (
        " Pairs of a class go from the surest on the left to the most uncertain on the right, spread evenly over all "
        "that were kept; the number is the error that the heads expect of the mask."
        if scores is not None
        else " Only pairs that were kept, spread evenly over the table."
    )
    album.add(
        sheet.figure,
        f"pairs_{source}",
        section="pairs",
        title=f"Pairs of {source}",
        caption=(
            "Synthetic images of each class, and below each the same image with the mask that the label head read off "
            f"the generator's features.{ranked}"
        ),
        data=pd.concat(shown),
        simulated=study.annotator_words(),
        source=source,
        shows="pairs.part_index",
    )


def _height_that_fits(classes: int) -> int:
    return (ROOM_PX // max(1, classes) - CLASS_HEAD_PX - SCORE_PX - 8) // 2 - GAP_PX


def _scores(study: StudyResults, source: str) -> pd.Series | None:
    """Return the uncertainty of each pair by its id, or None where none was measured."""
    if not study.has("pairs.uncertainty", source=source):
        return None
    return study.table("pairs.uncertainty", ("image_id", *UNCERTAINTY), source=source).set_index("image_id")[
        "expected_error"
    ]


def _draw_class(
    study: StudyResults, sheet: Sheet, of: tuple[str, str], scores: pd.Series | None, place: tuple[int, int, int]
) -> pd.DataFrame:
    """Draw two rows of tiles of one class, and return what is shown."""
    (source, name), (top, columns, tile) = of, place
    pairs = study.images("pairs.part_index", source=source)
    positions = pairs.rows_where(class_name=name)
    dropped = study.dropped("pairs", source)
    positions = positions[~np.isin(pairs.column("image_id")[positions].astype(str), sorted(dropped))]
    sheet.words(f"{name}  ({len(positions):,} pairs)", LEFT_PX, top)
    ids = pairs.column("image_id")
    ranks = np.full(len(positions), np.nan) if scores is None else scores.reindex(ids[positions]).to_numpy(float)
    chosen = spread(np.argsort(ranks, kind="stable"), columns)
    if len(chosen):
        sheet.picture(_tiles(study, source, positions[chosen], (columns, tile)), LEFT_PX, top + CLASS_HEAD_PX)
    for number, score in enumerate(ranks[chosen]):
        if np.isfinite(score):
            middle = LEFT_PX + number * (tile + GAP_PX) + tile // 2
            below = top + CLASS_HEAD_PX + 2 * (tile + GAP_PX)
            sheet.words(f"{score:.3f}", middle, below, fontsize=6.8, ha="center", color=MUTED)
    return pd.DataFrame({"class_name": name, "image_id": ids[positions[chosen]], "uncertainty": ranks[chosen]})


def _tiles(study: StudyResults, source: str, positions: NDArray[np.int64], grid: tuple[int, int]) -> NDArray[np.uint8]:
    pairs, (columns, tile) = study.images("pairs.part_index", source=source), grid
    images, masks = pairs.images(positions), pairs.masks(positions)
    plain, painted = rgb(images), overlaid(images, masks, study.facts.colours)
    return mosaic([plain, painted], columns, size_px=tile, gap_px=GAP_PX)
