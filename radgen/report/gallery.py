"""Tiles of images as one picture: no axes, whole pixels, words around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from radgen.report.style import DPI, INK, MASK_CYCLE, WIDTH_PX

Pixels = NDArray[np.uint8]
MASK_OPACITY = 0.45
SWATCH_PX = 24


def rgb(images: Pixels) -> Pixels:
    """Turn images uint8 [n, C, H, W] into colour uint8 [n, H, W, 3]: the first channel as grey, or all three of RGB."""
    last = images.transpose(0, 2, 3, 1)
    colour: Pixels = last if last.shape[3] == 3 else last[..., :1].repeat(3, axis=3)
    return colour


def overlaid(images: Pixels, masks: Pixels, colours: Sequence[str] = ()) -> Pixels:
    """Lay masks uint8 [n, H, W] over images uint8 [n, C, H, W]: translucent fill, opaque outline; returns [n, H, W, 3].

    A pixel is outline when a neighbour above, below, left or right has another label.
    """
    base = rgb(images).astype(np.float64)
    palette = np.array([hex_rgb(mask_colour(label, colours)) for label in range(1, 256)])
    inside = masks > 0
    paint = palette[np.maximum(masks, 1) - 1]
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = (padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    outline = inside & np.any([neighbour != masks for neighbour in around], axis=0)
    opacity = np.where(outline, 0.9, np.where(inside, MASK_OPACITY, 0.0))[..., None]
    shown: Pixels = np.rint(base * (1 - opacity) + paint * opacity).astype(np.uint8)
    return shown


def mask_colour(label: int, colours: Sequence[str] = ()) -> str:
    """Return the colour of mask label 1, 2, ... as #rrggbb: the study's own, else the palette's.

    >>> mask_colour(1), mask_colour(1, ["#102030"])
    ('#56b4e9', '#102030')
    """
    return colours[label - 1] if label <= len(colours) else MASK_CYCLE[(label - 1) % len(MASK_CYCLE)]


def hex_rgb(colour: str) -> tuple[int, int, int]:
    """Split #rrggbb into numbers.

    >>> hex_rgb("#0a10ff")
    (10, 16, 255)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def resized(tiles: Pixels, size_px: int) -> Pixels:
    """Bring tiles [n, H, W, 3] to a height of `size_px`: whole multiples keep their pixels."""
    height, width = tiles.shape[1:3]
    factor = size_px // height
    if factor >= 1 and factor * height == size_px:
        return tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    shape = (max(1, round(width * size_px / height)), size_px)
    return np.stack([np.asarray(Image.fromarray(tile).resize(shape, Image.Resampling.LANCZOS)) for tile in tiles])


def mosaic(rows: Sequence[Pixels], columns: int, *, size_px: int = 128, gap_px: int = 4) -> Pixels:
    """Lay tiles [n, H, W, 3] of each of some groups row by row on white, `gap_px` apart: uint8 [height, width, 3].

    >>> mosaic([np.zeros((3, 4, 4, 3), np.uint8)], 2, size_px=8, gap_px=1).shape
    (17, 17, 3)
    """
    groups = [resized(tiles, size_px) for tiles in rows]
    height, width = groups[0].shape[1:3]
    lines = sum(-(-len(tiles) // columns) for tiles in groups)
    sheet = np.full((lines * (height + gap_px) - gap_px, columns * (width + gap_px) - gap_px, 3), 255, np.uint8)
    first = 0
    for tiles in groups:
        for number, tile in enumerate(tiles):
            top, left = (first + number // columns) * (height + gap_px), number % columns * (width + gap_px)
            sheet[top : top + height, left : left + width] = tile
        first += -(-len(tiles) // columns)
    return sheet


class Sheet:
    """A figure laid out in whole pixels, so that a tile's pixels are the image's own: mosaics and words at (left, top).

    Parameters
    ----------
    figure
        Its size in inches times `style.DPI` is the size in pixels.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.width_px, self.height_px = (round(float(side)) for side in figure.get_size_inches() * DPI)

    def picture(self, pixels: Pixels, left: int, top: int) -> None:
        """Show a mosaic at its own size."""
        height, width = pixels.shape[:2]
        box = (
            left / self.width_px,
            1 - (top + height) / self.height_px,
            width / self.width_px,
            height / self.height_px,
        )
        axes = self.figure.add_axes(box)
        axes.imshow(pixels, interpolation="none", aspect="auto")
        axes.set_axis_off()

    def words(self, text: str, left: int, top: int, **style: Any) -> None:  # noqa: ANN401 - matplotlib's text properties
        """Write a line whose upper left corner is at (left, top)."""
        options: dict[str, Any] = {"ha": "left", "va": "top", "fontsize": 7.5, "color": INK} | style
        self.figure.text(left / self.width_px, 1 - top / self.height_px, text, **options)

    def swatches(self, key: Sequence[tuple[str, str]], left: int, top: int) -> None:
        """Draw a legend of (name, colour)."""
        for (name, colour), (at, line) in zip(key, swatch_places(key, left), strict=True):
            self.picture(np.full((12, 12, 3), hex_rgb(colour), np.uint8), at, top + SWATCH_PX * line + 2)
            self.words(name, at + 18, top + SWATCH_PX * line)


def swatch_places(key: Sequence[tuple[str, str]], left: int) -> list[tuple[int, int]]:
    """Return (left edge in px, line) of each entry of a legend that goes on below when a line is full."""
    places, at, line = [], left, 0
    for name, _ in key:
        width = 34 + round(9.2 * len(name))
        if at + width > WIDTH_PX - left and at > left:
            at, line = left, line + 1
        places.append((at, line))
        at += width
    return places
