import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radgen.imaging.channels import clipped_fraction
from radgen.imaging.refusal import RefusedError
from radgen.imaging.settings import WindowSettings
from radgen.imaging.window import Window, choose_window, picture_window, round_grey

WINDOWS = st.builds(
    lambda low, width: Window(low, low + width), st.floats(-2000, 2000), st.floats(1.0, 4000.0, allow_subnormal=False)
)


@given(WINDOWS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_grey_goes_back_to_within_half_a_level(window: Window, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(window.low, window.high, 500).astype(np.float32)
    back = window.from_grey(window.to_grey(values))
    half = (window.high - window.low) / 510
    assert np.abs(back - values).max() <= half + 1e-6 * max(abs(window.low), abs(window.high), 1)


@given(WINDOWS)
@settings(max_examples=30, deadline=None)
def test_every_grey_level_is_its_own_image(window: Window) -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(window.to_grey(window.from_grey(levels)), levels)


def test_whole_numbers_and_floats_give_the_same_grey() -> None:
    values = np.arange(-1200, 1200, dtype=np.int16)
    window = Window(-160.0, 240.0)
    for dtype in (np.int32, np.float32, np.float64):
        assert np.array_equal(window.to_grey(values), window.to_grey(values.astype(dtype)))
    assert np.all(np.diff(window.to_grey(values).astype(int)) >= 0)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_clipped_share_counts_body_pixels_outside_the_window(dtype: type) -> None:
    values = np.array([0, 9, 10, 11, 20, 21, 30, 5], dtype=dtype)
    body = np.array([0, 1, 1, 1, 1, 1, 1, 1], dtype=bool)
    assert clipped_fraction(values, body, (Window(9.5, 20.5),)) == pytest.approx(4 / 7)
    assert clipped_fraction(values, None, (Window(10.0, 20.0),)) == pytest.approx(5 / 8)
    assert clipped_fraction(values, body, (Window(-70000.0, 70000.0),)) == 0
    assert clipped_fraction(values, np.zeros(8, dtype=bool), (Window(0.0, 1.0),)) == 0


def test_ct_has_a_fixed_window_and_mr_the_percentiles_of_its_body() -> None:
    rng = np.random.default_rng(0)
    volume = rng.uniform(100, 200, (4, 40, 40)).astype(np.float32)
    body = np.zeros(volume.shape, dtype=bool)
    body[:, 10:30, 10:30] = True
    volume[~body] = -5000
    numbers = WindowSettings(ct_center_hu=50, ct_width_hu=300, low_percentile=10, high_percentile=90)
    assert choose_window(volume, body, "CT", numbers) == Window(-100.0, 200.0)
    found = choose_window(volume, body, "MR", numbers)
    assert (found.low, found.high) == pytest.approx((110, 190), abs=2)
    assert choose_window(volume, None, "MR", numbers).low == -5000


def test_a_flat_series_is_refused_with_its_value() -> None:
    with pytest.raises(RefusedError, match=r"percentiles 0.5 and 99.5 are both 7: a flat series"):
        choose_window(np.full((2, 8, 8), 7, dtype=np.int16), None, "MR", WindowSettings())


def test_pictures_stay_as_they_are() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert np.array_equal(picture_window(picture).to_grey(picture), picture)
    deep = np.array([0, 257, 65535], dtype=np.uint16)
    assert picture_window(deep).to_grey(deep).tolist() == [0, 1, 255]


def test_an_empty_picture_is_refused_with_its_value() -> None:
    with pytest.raises(RefusedError, match="every pixel is 0: an empty picture"):
        picture_window(np.zeros((1, 8, 8), dtype=np.uint8))


def test_rounding_ends_inside_the_scale() -> None:
    assert round_grey(np.array([0.0, 0.49, 254.51, 255.0], dtype=np.float32)).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ct_width_hu": 0.0}, "ct_width_hu: 0 HU is no width"),
        ({"low_percentile": 50.0, "high_percentile": 50.0}, "must rise"),
    ],
)
def test_impossible_windows_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        WindowSettings(**wrong)
