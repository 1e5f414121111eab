"""Sprite sheets: a few images to a picture, so that a page asks for little and holds little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from radgen.imageset.core import ImageSet
from radgen.provenance import atomic_path
from radgen.report.gallery import Pixels, hex_rgb, mask_colour, rgb
from radgen.report.study import StudyResults

COLUMNS = 5
PER_SHEET = COLUMNS * COLUMNS
Read = Callable[[ImageSet, NDArray[np.int64]], Pixels]
MASK_ALPHA, OUTLINE_ALPHA = 110, 235


def image_tiles(study: StudyResults, rows: pd.DataFrame) -> Pixels:
    """Return the images of rows, uint8 [n, H, W, 3], in their order."""
    return _gather(study, rows, lambda images, positions: rgb(images.images(positions)))


def mask_tiles(study: StudyResults, rows: pd.DataFrame) -> Pixels:
    """Return the masks of rows as translucent paint, uint8 [n, H, W, 4]; rows without a mask are clear."""
    height, width = study.images(rows["set"].iloc[0], source=rows["source"].iloc[0]).image_shape[1:]
    tiles = np.zeros((len(rows), height, width, 4), np.uint8)
    masked = np.flatnonzero(rows["masked"].to_numpy(bool))
    if len(masked):
        masks = _gather(study, rows.iloc[masked], lambda images, positions: images.masks(positions))
        tiles[masked] = painted(masks, study.facts.colours)
    return tiles


def painted(masks: Pixels, colours: Sequence[str] = ()) -> Pixels:
    """Paint masks uint8 [n, H, W] as uint8 [n, H, W, 4]: translucent inside, nearly opaque at the outline."""
    palette = np.array([(0, 0, 0), *(hex_rgb(mask_colour(label, colours)) for label in range(1, 256))], np.uint8)
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = (padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    outline = np.any([neighbour != masks for neighbour in around], axis=0)
    alpha = np.where(masks == 0, 0, np.where(outline, OUTLINE_ALPHA, MASK_ALPHA)).astype(np.uint8)
    return np.concatenate([palette[masks], alpha[..., None]], axis=3)


def nearest_tiles(study: StudyResults, rows: pd.DataFrame) -> Pixels:
    """Return each row's nearest training image, uint8 [n, H, W, 3]; black where none is known."""
    height, width = study.images("slices.index").image_shape[1:]
    tiles = np.zeros((len(rows), height, width, 3), np.uint8)
    known = np.flatnonzero(rows["nearest"].notna().to_numpy())
    if len(known):
        tiles[known] = rgb(study.pixels_of(rows["nearest"].iloc[known].tolist(), "slices.index"))
    return tiles


def _gather(study: StudyResults, rows: pd.DataFrame, read: Read) -> Pixels:
    tiles: list[tuple[int, NDArray[np.uint8]]] = []
    places = pd.Series(range(len(rows)), index=rows.index)
    for (key, source), group in rows.groupby(["set", "source"], sort=False):
        pixels = read(study.images(str(key), source=str(source)), group["position"].to_numpy())
        tiles += list(zip(places[group.index], pixels, strict=True))
    return np.stack([pixels for _, pixels in sorted(tiles, key=lambda pair: pair[0])])


def write_sheet(path: Path, tiles: Pixels, most_px: int) -> None:
    """Write tiles [n, H, W, 3 or 4] row by row as one PNG of `COLUMNS` columns; larger tiles are made smaller."""
    mode = "RGB" if tiles.shape[3] == 3 else "RGBA"
    pictures = [Image.fromarray(tile, mode) for tile in tiles]
    scale = min(1.0, most_px / max(tiles.shape[1:3]))
    width, height = (max(1, round(side * scale)) for side in (tiles.shape[2], tiles.shape[1]))
    kind = Image.Resampling.NEAREST if mode == "RGBA" else Image.Resampling.LANCZOS
    sheet = Image.new(mode, (COLUMNS * width, -(-len(tiles) // COLUMNS) * height))
    for number, picture in enumerate(pictures):
        small = picture if scale == 1.0 else picture.resize((width, height), kind)
        sheet.paste(small, (number % COLUMNS * width, number // COLUMNS * height))
    if mode == "RGB" and all(np.array_equal(tiles[..., 0], tiles[..., band]) for band in (1, 2)):
        sheet = sheet.convert("L")
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")
