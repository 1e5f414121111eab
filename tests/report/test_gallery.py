"""Galleries: pixels stay what they are, masks lie where they belong."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from report_pictures import body_slice

from radgen.report.gallery import hex_rgb, mask_colour, mosaic, overlaid, resized, rgb, swatch_places
from radgen.report.study import spread
from radgen.report.style import WIDTH_PX


def test_whole_multiples_keep_every_pixel() -> None:
    tiles = rgb(np.stack([body_slice("a", n, lesion=True)[0] for n in range(3)]))
    large = resized(tiles, 4 * tiles.shape[1])
    assert (large[:, 1::4, 2::4] == tiles).all()


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 6))
def test_a_mosaic_holds_each_tile_at_its_place(count: int, columns: int, gap: int) -> None:
    tiles = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    sheet = mosaic([tiles], columns, size_px=4, gap_px=gap)
    for number in range(count):
        top, left = number // columns * (4 + gap), number % columns * (4 + gap)
        assert (sheet[top : top + 4, left : left + 4] == number).all()


def test_background_is_untouched_and_structures_take_their_colour() -> None:
    image, mask = body_slice("b", lesion=True)
    shown = overlaid(image[None], mask[None])[0]
    assert (shown[mask == 0] == rgb(image[None])[0][mask == 0]).all()
    for label in np.unique(mask[mask > 0]).tolist():
        tint = shown[mask == label].astype(float).mean(axis=0) - rgb(image[None])[0][mask == label].mean(axis=0)
        wanted = np.array(hex_rgb(mask_colour(label)), float) - 128
        assert np.corrcoef(tint, wanted)[0, 1] > 0.9


@given(st.integers(0, 60), st.integers(1, 20))
def test_spread_is_ordered_distinct_and_no_longer_than_asked(there: int, count: int) -> None:
    chosen = spread(np.arange(there), count)
    assert len(chosen) == min(there, count)
    assert (np.diff(chosen) > 0).all()


@given(st.lists(st.text("abcdefgh ", min_size=1, max_size=40), min_size=1, max_size=30))
def test_a_legend_stays_inside_the_figure(names: list[str]) -> None:
    places = swatch_places([(name, "#000000") for name in names], 16)
    assert all(at + 18 + 9 * len(name) <= WIDTH_PX for (at, _), name in zip(places, names, strict=True))
    assert [line for _, line in places] == sorted(line for _, line in places)
