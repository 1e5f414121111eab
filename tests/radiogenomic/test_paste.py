"""Pasting: the slice is untouched away from the nodule, the nodule is there in full, and there is no seam."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radgen.errors import InputError
from radgen.imaging.resize import Geometry, fit_axis, resize_image
from radgen.radiogenomic.paste import Pasted, paste
from radgen.seeds import random_generator

SIDE, STEP, SLICE = 32, 1.5, (90, 80)
LOW, HIGH, NODULE_HU = -1000.0, 500.0, 0.0


def scene(*, seam_mm: float, centre: tuple[float, float] = (40.0, 45.0), lift: int = 0) -> tuple[Any, Pasted]:
    """Return a noisy slice, and a nodule pasted into a patch cut out of it, all of which is lifted by some greys."""
    hu = random_generator("slice").normal(-850, 25, SLICE).astype(np.float32)
    geometry = Geometry(*(fit_axis(SIDE, SLICE[axis], STEP, centre[axis]) for axis in (0, 1)))
    row = geometry.columns() | {
        "image_id": "b0",
        "window_low": [LOW],
        "window_high": [HIGH],
        "spacing_row_mm": 1.05,
    }
    grey = np.clip((hu - LOW) / (HIGH - LOW), 0, 1).astype(np.float32)
    background = np.rint(resize_image(grey, geometry) * 255).astype(np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    cover = np.clip(6.5 - np.hypot(y, x), 0, 1)
    image = background * (1 - cover) + 255 * (NODULE_HU - LOW) / (HIGH - LOW) * cover
    image = np.clip(image + lift, 0, 255)
    mask = np.rint(255 * cover).astype(np.uint8)
    return hu, paste(hu, row, np.rint(image).astype(np.uint8), mask, background, seam_mm=seam_mm)


def test_away_from_the_nodule_the_slice_is_untouched() -> None:
    hu, pasted = scene(seam_mm=1.5)
    far = pasted.share == 0
    assert 0.5 < far.mean() < 1
    np.testing.assert_array_equal(pasted.hu[far], hu[far])


def test_the_nodule_has_its_density_and_size_and_the_grain_of_the_slice() -> None:
    hu, pasted = scene(seam_mm=1.5)
    assert pasted.share[pasted.mask].min() > 0.999
    assert pasted.mask.sum() == pytest.approx(np.pi * (6.0 * STEP) ** 2, rel=0.08)
    y, x = np.mgrid[: SLICE[0], : SLICE[1]]
    core = np.hypot(y - 40, x - 45) < 5 * STEP
    assert pasted.hu[core].mean() == pytest.approx(NODULE_HU, abs=10)
    assert pasted.hu[core].std() > 0.4 * hu[core].std()


def test_a_change_of_the_whole_patch_leaves_no_step() -> None:
    """A generator that lifts its whole patch by 59 HU must not leave the edge of anything in the slice."""
    lift_hu = 10 / 255 * (HIGH - LOW)

    def steepest(seam_mm: float) -> float:
        hu, pasted = scene(seam_mm=seam_mm, lift=10)
        y, x = np.mgrid[: SLICE[0], : SLICE[1]]
        around = np.hypot(y - 40, x - 45) > 8 * STEP  # beyond the nodule's own edge
        change = np.where(around, pasted.hu - hu, 0)
        return float(np.abs(np.diff(change, axis=0))[around[1:] & around[:-1]].max())

    assert 0 < steepest(1.5) < 0.5 * lift_hu


def test_at_the_border_of_a_patch_the_change_has_faded() -> None:
    _, pasted = scene(seam_mm=1.5, centre=(10.0, 12.0))
    assert pasted.share[0].max() < 0.05
    assert pasted.share.max() > 0.99


def test_a_slice_of_another_size_is_refused() -> None:
    geometry = Geometry(*(fit_axis(SIDE, SLICE[axis], STEP, 40.0) for axis in (0, 1)))
    row = geometry.columns() | {"image_id": "b0", "window_low": [LOW], "window_high": [HIGH], "spacing_row_mm": 1.0}
    grey = np.zeros((SIDE, SIDE), dtype=np.uint8)
    with pytest.raises(InputError, match="b0 was cut from slices of 90 x 80, but the series has slices of 64 x 64"):
        paste(np.zeros((64, 64)), row, grey, grey, grey, seam_mm=1.0)
