import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radgen.imaging.resize import Axis, Geometry, fit_axis, resize_image, resize_mask, to_source


def axes(least: float, most: float) -> st.SearchStrategy[Axis]:
    """Draw an axis whose stored picture covers the whole source."""

    def make(stored: int, source: int, spread: float) -> Axis:
        step = max(source / stored, least) * spread
        return fit_axis(stored, source, float(np.clip(step, least, most)), (source - 1) / 2)

    return st.builds(make, st.integers(8, 40), st.integers(5, 60), st.floats(1.0, 1.4))


def labels(rng: np.random.Generator, rows: int, cols: int) -> np.ndarray:
    return rng.integers(0, 5, (rows, cols)).astype(np.uint8)


@given(axes(0.1, 1.0), axes(0.1, 1.0), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_a_mask_stored_finer_comes_back_unchanged(rows: Axis, cols: Axis, seed: int) -> None:
    # Only what the stored picture covers can come back.
    geometry = Geometry(rows, cols)
    covered = np.ix_(*(_covered(axis) for axis in (rows, cols)))
    mask = np.zeros((rows.source, cols.source), dtype=np.uint8)
    mask[covered] = labels(np.random.default_rng(seed), *mask[covered].shape)
    assert np.array_equal(to_source(resize_mask(mask, geometry), geometry), mask)


def _covered(axis: Axis) -> np.ndarray:
    stored = (np.arange(axis.source) - axis.offset) / axis.step
    return np.flatnonzero((stored > -0.49) & (stored < axis.stored - 0.51))


@given(axes(1.0, 9.0), axes(1.0, 9.0), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_a_mask_stored_coarser_is_stored_the_same_again(rows: Axis, cols: Axis, seed: int) -> None:
    geometry = Geometry(rows, cols)
    stored = resize_mask(labels(np.random.default_rng(seed), rows.source, cols.source), geometry)
    assert np.array_equal(resize_mask(to_source(stored, geometry), geometry), stored)


def test_stored_pixels_lie_where_the_index_says() -> None:
    geometry = Geometry(fit_axis(16, 40, 2.5, 19.5), fit_axis(16, 20, 2.5, 9.5))
    row = geometry.columns()
    source = np.zeros((40, 20), dtype=np.uint8)
    for i, j in ((0, 5), (7, 7), (15, 10)):
        r, c = (int(np.floor(row[f"offset_{k}"] + n * row[f"step_{k}"] + 0.5)) for k, n in (("row", i), ("col", j)))
        source[:] = 0
        source[r, c] = 3
        assert resize_mask(source, geometry)[i, j] == 3
    assert Geometry.of_row(row, (16, 16)) == geometry


@given(axes(0.1, 9.0), axes(0.1, 9.0))
@settings(max_examples=60, deadline=None)
def test_a_constant_stays_constant_inside(rows: Axis, cols: Axis) -> None:
    geometry = Geometry(rows, cols)
    out = resize_image(np.full((rows.source, cols.source), 7.0, dtype=np.float32), geometry)
    inside = np.ix_(*(_whole(axis) for axis in (rows, cols)))
    assert out.shape == (rows.stored, cols.stored)
    assert out[inside] == pytest.approx(7.0, rel=1e-5)
    assert out.max() <= 7.001


def _whole(axis: Axis) -> np.ndarray:
    centre = axis.offset + axis.step * np.arange(axis.stored)
    reach = max(axis.step / 2, 0.5)
    return np.flatnonzero((centre - reach >= -0.5) & (centre + reach <= axis.source - 0.5))


def test_coarser_pixels_are_averages_of_the_area_they_cover() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (12, 12)).astype(np.float32)
    geometry = Geometry(fit_axis(3, 12, 4.0, 5.5), fit_axis(4, 12, 3.0, 5.5))
    assert resize_image(image, geometry) == pytest.approx(image.reshape(3, 4, 4, 3).mean(axis=(1, 3)), rel=1e-5)
    uneven = Geometry(fit_axis(8, 12, 1.5, 5.5), fit_axis(12, 12, 1.0, 5.5))
    fine = np.repeat(image, 2, axis=0).reshape(8, 3, 12).mean(axis=1)
    assert resize_image(image, uneven) == pytest.approx(fine, rel=1e-5)


def test_stripes_finer_than_a_pixel_turn_grey_and_do_not_alias() -> None:
    image = np.zeros((250, 250), dtype=np.float32)
    image[:, ::2] = 200
    out = resize_image(image, Geometry(fit_axis(64, 250, 250 / 64, 124.5), fit_axis(64, 250, 250 / 64, 124.5)))
    assert out.std() < 20
    assert out.mean() == pytest.approx(100, rel=0.01)


def test_at_step_one_pixels_are_copied_and_padding_is_black() -> None:
    image = np.random.default_rng(1).integers(1, 255, (5, 8)).astype(np.float32)
    geometry = Geometry(fit_axis(8, 5, 1.0, 2.0), fit_axis(8, 8, 1.0, 3.5))
    out = resize_image(image, geometry)
    assert np.array_equal(out[1:6], image)
    assert not out[:1].any()
    assert not out[6:].any()
    assert np.array_equal(resize_mask(image.astype(np.uint8), geometry), out.astype(np.uint8))


def test_finer_pixels_are_interpolated_linearly() -> None:
    ramp = np.repeat(np.arange(8, dtype=np.float32)[None], 8, axis=0)
    out = resize_image(ramp, Geometry(fit_axis(16, 8, 0.5, 3.5), fit_axis(16, 8, 0.5, 3.5)))
    assert out[8] == pytest.approx(np.clip(np.arange(16) * 0.5 - 0.25, 0, 7))


def test_probabilities_come_back_smooth_and_zero_outside() -> None:
    stored = np.stack([np.full((16, 16), 0.25), np.full((16, 16), 0.75)]).astype(np.float32)
    geometry = Geometry(fit_axis(16, 30, 1.5, 14.5), fit_axis(16, 40, 1.5, 19.5))
    back = to_source(stored, geometry)
    assert back.shape == (2, 30, 40)
    assert back.dtype == np.float32
    assert back[1, 3:27, 8:32] == pytest.approx(0.75)
    assert not back[:, :, :7].any()  # so that an argmax over labels gives background there
    assert not back[:, :, 33:].any()


@given(axes(0.3, 5.0), axes(0.3, 5.0))
@settings(max_examples=40, deadline=None)
def test_one_hot_probabilities_agree_with_the_mask_away_from_edges(rows: Axis, cols: Axis) -> None:
    geometry = Geometry(rows, cols)
    half = np.zeros((rows.stored, cols.stored), dtype=np.uint8)
    half[:, cols.stored // 2 :] = 1
    back = to_source(np.stack([half == 0, half == 1]).astype(np.float32), geometry)
    nearest = to_source(half, geometry)
    sure = back.max(axis=0) > 0.55
    assert np.array_equal(back.argmax(axis=0)[sure], nearest[sure])
