import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radgen.imaging.quality import QualityFilter, contrast
from radgen.imaging.refusal import RefusedError
from radgen.imaging.settings import QualitySettings

RNG = np.random.default_rng(0)
BUSY = RNG.uniform(0, 255, (32, 32)).astype(np.float32)


def check(found: QualityFilter, index: int, grey: np.ndarray, body_pixels: int | None = None) -> None:
    body = None if body_pixels is None else (np.arange(grey.size) < body_pixels).reshape(grey.shape)
    found.check(index, [grey], body, np.rint(grey).astype(np.uint8))


def test_good_slices_pass() -> None:
    found = QualityFilter(QualitySettings())
    check(found, 0, BUSY)
    check(found, 1, BUSY.T.copy())


def test_an_almost_empty_slice_is_refused_with_its_share() -> None:
    with pytest.raises(RefusedError, match=r"0.0195 of the slice is body, but at least 0.02 is asked for"):
        check(QualityFilter(QualitySettings()), 0, BUSY, 20)
    with pytest.raises(RefusedError, match=r"0.0000 of the slice is body"):
        check(QualityFilter(QualitySettings(min_body_fraction=0.0)), 0, BUSY, 0)


def test_a_flat_slice_is_refused_with_its_contrast() -> None:
    flat = 100 + (RNG.random((32, 32)) < 0.5).astype(np.float32)
    with pytest.raises(RefusedError, match=r"spread over 0.0020 of the scale, but at least 0.01"):
        check(QualityFilter(QualitySettings()), 0, flat)


def test_contrast_is_the_bodys_alone() -> None:
    body = np.zeros((32, 32), dtype=bool)
    body[4:20, 4:20] = True
    assert contrast(BUSY, body) == pytest.approx(BUSY[body].std() / 255, rel=1e-3)


@given(st.integers(0, 10**6), st.floats(0.8, 1.2))
@settings(max_examples=60, deadline=None)
def test_the_glance_at_a_part_of_the_slice_decides_as_the_whole(seed: int, strictness: float) -> None:
    rng = np.random.default_rng(seed)
    grey = np.full((24, 24), 100.0, dtype=np.float32)
    grey[::4, ::4] += rng.uniform(0, 60, (6, 6))  # contrast where the glance falls, and hardly any elsewhere
    grey += rng.uniform(0, 1, grey.shape)
    body = rng.random((24, 24)) < rng.uniform(0.2, 1)
    least = contrast(grey, body) * strictness
    found = QualityFilter(QualitySettings(min_body_fraction=0.0, min_contrast=least))
    with contextlib.nullcontext() if strictness <= 1 else pytest.raises(RefusedError, match="spread over"):
        found.check(0, [grey], body, np.rint(grey).astype(np.uint8))


def test_an_exact_duplicate_of_its_series_is_refused_and_names_the_first() -> None:
    found = QualityFilter(QualitySettings())
    check(found, 4, BUSY)
    with pytest.raises(RefusedError, match="equals slice 4 of its series") as refusal:
        check(found, 9, BUSY.copy())
    assert refusal.value.figure == 4
    check(QualityFilter(QualitySettings()), 9, BUSY)  # another series
    allowed = QualityFilter(QualitySettings(duplicates=False))
    check(allowed, 0, BUSY)
    check(allowed, 1, BUSY)


def test_a_slice_like_the_one_kept_before_is_thinned_out_with_its_correlation() -> None:
    found = QualityFilter(QualitySettings(near_duplicate_correlation=0.9))
    close = np.clip(BUSY + RNG.normal(0, 10, BUSY.shape), 0, 255).astype(np.float32)
    check(found, 0, BUSY)
    with pytest.raises(RefusedError, match=r"correlates by 0\.9\d+ with the kept slice 0, but at most 0.9") as refusal:
        check(found, 1, close)
    assert refusal.value.figure == pytest.approx(np.corrcoef(BUSY.ravel(), close.ravel())[0, 1], abs=1e-3)
    check(found, 2, 255 - BUSY)
    check(found, 3, close)  # slice 2 is the one kept before
    free = QualityFilter(QualitySettings())
    check(free, 0, BUSY)
    check(free, 1, close)


def test_a_slice_is_flat_only_when_every_channel_is() -> None:
    flat = np.full_like(BUSY, 7.0)
    found = QualityFilter(QualitySettings())
    found.check(0, [flat, BUSY], None, np.zeros((2, 32, 32), dtype=np.uint8))
    with pytest.raises(RefusedError, match=r"spread over 0\.0000"):
        found.check(1, [flat, flat], None, np.zeros((2, 32, 32), dtype=np.uint8))


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(ValueError, match=r"near_duplicate_correlation: 1 is not between 0 and 1"):
        QualitySettings(near_duplicate_correlation=1.0)
    with pytest.raises(ValueError, match=r"min_contrast: 1 is not a share"):
        QualitySettings(min_contrast=1.0)
