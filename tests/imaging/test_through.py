"""Laws of resampling through the slices: places are known, ramps stay ramps, labels stay labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radgen.imaging.through import SliceAxis


@given(st.integers(2, 40), st.floats(0.5, 8.0), st.floats(0.5, 8.0))
@settings(max_examples=80, deadline=None)
def test_new_slices_lie_inside_the_series_evenly_and_as_far_apart_as_asked(
    count: int, have: float, want: float
) -> None:
    axis = SliceAxis.of(count, have, want)
    assert axis.step * have == pytest.approx(want, rel=2e-3)
    last = axis.offset + (axis.count - 1) * axis.step
    assert axis.offset == pytest.approx(count - 1 - last, abs=1e-4)
    assert -1e-4 <= axis.offset < axis.step / 2 + 1e-3


@given(st.integers(2, 20), st.floats(0.4, 6.0))
@settings(max_examples=30, deadline=None)
def test_a_ramp_through_the_slices_says_where_each_new_slice_lies(count: int, want: float) -> None:
    axis = SliceAxis.of(count, 2.0, want)
    ramp = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None] * 10, (count, 3, 4))
    places = axis.offset + axis.step * np.arange(axis.count)
    assert axis.resample(ramp, labels=False)[:, 1, 2] == pytest.approx(10 * places, abs=1e-3)
    whole = axis.resample(ramp.astype(np.int16), labels=False)
    assert whole.dtype == np.int16
    assert np.abs(whole[:, 0, 0] - 10 * places).max() <= 0.501
    assert np.abs(axis.resample(ramp.astype(np.uint8) // 10, labels=True)[:, 2, 3] - places).max() <= 0.5 + 1e-6


def test_the_asked_spacing_changes_nothing_where_it_is_there() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    for axis in (SliceAxis.of(2, 3.0, None), SliceAxis.of(2, 3.0, 3.0), SliceAxis.of(1, 3.0, 1.0)):
        assert axis.is_identity
        assert axis.resample(array, labels=False) is array
