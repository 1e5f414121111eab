"""The fan of an ultrasound and the field of an endoscope: whole, convex, and without the text beside it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.imaging.frame import boxes_mask, find_field, hull, kept_of_pictures
from radgen.imaging.settings import SlicesSettings

ROWS, COLS = np.mgrid[:200, :240]


def fan() -> NDArray[np.bool_]:
    """Draw a curved probe's sector."""
    distance = np.hypot(ROWS + 40, COLS - 120)
    angle = np.arctan2(COLS - 120, ROWS + 40)
    return np.asarray((distance > 60) & (distance < 220) & (np.abs(angle) < 0.5))


def ultrasound(seed: int = 0) -> NDArray[np.uint8]:
    """Draw speckle in a fan with a dark cyst at its edge, letters and a scale beside it."""
    rng = np.random.default_rng(seed)
    picture = np.where(fan(), rng.gamma(1.5, 40, ROWS.shape).clip(0, 255), 0)
    picture[np.hypot(ROWS - 100, COLS - 170) < 22] *= 0.02
    picture[10:14, 6:40:3] = picture[10:24:6, 6:40] = 255  # thin strokes
    picture[20:180:10, 230:236] = 200
    return np.asarray(picture + rng.integers(0, 4, ROWS.shape)).clip(0, 255).astype(np.uint8)


def test_the_fan_is_kept_whole_with_its_dark_cyst_and_the_text_goes() -> None:
    field = find_field(ultrasound()[None])
    assert field is not None
    assert field[fan()].mean() > 0.995
    assert not field[:30, :44].any()
    assert not field[:, 228:].any()
    assert field[hull(fan())].mean() > 0.99
    assert field[~hull(fan())].mean() < 0.02


def test_dark_corners_of_an_endoscope_go_and_the_field_stays() -> None:
    rng = np.random.default_rng(1)
    disc = (np.hypot(ROWS - 100, COLS - 120) < 112) & (np.abs(COLS - 120) < 100)
    picture = np.where(disc, rng.integers(20, 200, ROWS.shape), rng.integers(0, 5, ROWS.shape)).astype(np.uint8)
    field = find_field(picture[None])
    assert field is not None
    assert field[disc].mean() > 0.999
    assert field[~disc].mean() < 0.03


def test_a_picture_without_dark_borders_is_kept_whole() -> None:
    assert find_field(np.full((1, 40, 50), 90, dtype=np.uint8)) is None
    assert find_field(np.zeros((1, 40, 50), dtype=np.uint8)) is None


def test_all_pictures_of_a_series_share_one_field() -> None:
    clip = np.stack([ultrasound(0), ultrasound(1)])
    clip[0, 110:] = 0
    kept = kept_of_pictures(clip, "fan", ())
    assert kept is not None
    assert kept.shape == clip.shape
    assert np.array_equal(kept[0], kept[1])
    assert kept[0][fan()].mean() > 0.995


def test_a_hull_is_convex_and_no_larger_than_it_must_be() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[1, 4] = mask[4, 1] = mask[4, 7] = mask[7, 4] = True
    assert np.array_equal(hull(mask), np.abs(np.mgrid[-4:5, -4:5]).sum(axis=0) <= 3)


def test_boxes_cover_every_pixel_they_touch() -> None:
    mask = boxes_mask([(0.0, 0.25, 0.11, 1.0)], (10, 8))
    assert mask[:2, 2:].all()
    assert mask.sum() == 12
    kept = kept_of_pictures(np.ones((2, 10, 8)), "none", [(0.0, 0.25, 0.11, 1.0)])
    assert kept is not None
    assert np.array_equal(kept, np.broadcast_to(~mask, (2, 10, 8)))
    assert kept_of_pictures(np.ones((2, 10, 8)), "none", ()) is None


@pytest.mark.parametrize("box", [(0.5, 0.0, 0.5, 1.0), (0.0, 0.0, 1.2, 1.0), (0.0, 0.7, 1.0, 0.2)])
def test_impossible_boxes_are_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="make no box"):
        SlicesSettings(overlay_boxes=(box,))
