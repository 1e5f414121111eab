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
    found.check(index, grey, body, np.rint(grey).astype(np.uint8))


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


@given(st.integers(0, 10**6), st.floats(0.0, 0.1))
@settings(max_examples=60, deadline=None)
def test_the_glance_at_a_part_of_the_slice_decides_as_the_whole(seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    grey = (100 + rng.uniform(0, 60) * rng.random((24, 24)) * (rng.random((24, 24)) < 0.3)).astype(np.float32)
    if seed % 2:  # contrast in the glance alone
        grey[np.indices((24, 24)).max(axis=0) % 4 > 0] = 110
    body = rng.random((24, 24)) < rng.uniform(0.1, 1)
    strict = QualitySettings(min_body_fraction=0.0, min_contrast=least)
    try:
        QualityFilter(strict).check(0, grey, body, np.rint(grey).astype(np.uint8))
        passed = True
    except RefusedError:
        passed = False
    assert passed == (contrast(grey, body) >= least)


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


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(ValueError, match=r"min_contrast: 1 is not a share"):
        QualitySettings(min_contrast=1.0)
