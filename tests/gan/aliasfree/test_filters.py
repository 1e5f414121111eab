"""The filter design against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from radgen.gan.aliasfree.filters import kaiser_beta, lowpass, radial_lowpass, separable_parts
from tests.gan.aliasfree import reference

BANDS = [(12, 2.0, 6.0, 32.0), (12, 8.0, 1.849, 32.0), (24, 6.063, 2.277, 64.0), (48, 6.063, 2.277, 128.0)]


@pytest.mark.parametrize("band", BANDS)
def test_separable_filter_is_scipys(band: tuple[int, float, float, float]) -> None:
    np.testing.assert_allclose(lowpass(*band), reference.firwin(*band), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("band", BANDS)
def test_radial_filter_is_a_windowed_jinc(band: tuple[int, float, float, float]) -> None:
    found = radial_lowpass(*band)
    np.testing.assert_allclose(found, reference.radial(*band), rtol=1e-9, atol=1e-12)
    assert found.sum() == pytest.approx(1)


def test_filter_of_odd_length_has_its_limit_in_the_middle() -> None:
    odd, even = radial_lowpass(11, 4.0, 4.0, 32.0), radial_lowpass(12, 4.0, 4.0, 32.0)
    assert odd.max() == odd[5, 5]
    assert odd[5, 5] == pytest.approx(even[5, 5], rel=0.3)


@pytest.mark.parametrize("width", [0.05, 0.2, 0.5, 1.5])
def test_window_parameter_follows_kaisers_three_formulas(width: float) -> None:
    expected = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(24, width / 16 * 2))
    assert kaiser_beta(24, width, 32.0) == pytest.approx(expected)


def test_radial_filter_is_a_sum_of_few_separable_ones() -> None:
    kernel = radial_lowpass(12, 4.6, 3.4, 32.0)
    parts = separable_parts(kernel)
    assert 2 <= len(parts) <= 6
    np.testing.assert_allclose(sum(np.outer(a, b) for a, b in parts), kernel, atol=1e-9 * np.abs(kernel).max() * 10)
