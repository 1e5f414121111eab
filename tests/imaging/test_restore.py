"""Laws of the way back: stored masks are the source's again, on its grid, axes and affine; images to half a grey."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.errors import InputError
from radgen.imaging.resize import Geometry, fit_axis, resize_image
from radgen.imaging.restore import intensities, restore, source_slices
from radgen.imaging.settings import SlicesSettings, WindowSettings
from radgen.imaging.slices import Recipe, SeriesFacts, StoredSlices, slice_series
from radgen.imaging.volume import Volume, canonical
from radgen.imaging.window import Window, round_grey

CLASSES = ClassSettings(by="position", names=("all",))
STRUCTURES = StructureSettings(names=("a", "b", "c"))
TURNS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


def oblique(order: tuple[int, ...], signs: tuple[int, ...], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """An affine whose axes run near the world's axes in the given order and directions, but along none of them."""
    near, _ = np.linalg.qr(np.eye(3) + np.random.default_rng(3).normal(size=(3, 3)) * 0.15)
    near *= np.sign(np.diag(near))
    affine = np.eye(4)
    affine[:3, :3] = near[:, list(order)] * signs * spacing
    affine[:3, 3] = (-31.5, 12.25, 77.0)
    return affine


def stored_of(volume: Volume, labels: NDArray[np.uint8], split: str = "test", **settings: Any) -> StoredSlices:
    recipe = Recipe(
        SlicesSettings(background="none", window=WindowSettings(ct_center_hu=0, ct_width_hu=500), **settings),
        CLASSES,
        STRUCTURES,
        {},
    )
    facts = SeriesFacts("s", "p", split, "CT", "", "all")
    stored = slice_series(volume, Volume(labels, volume.affine), facts, recipe)
    assert stored.rows, stored.rejects
    return stored


def made(shape: tuple[int, int, int], affine: NDArray[np.float64]) -> tuple[Volume, NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return (
        Volume(rng.integers(-400, 400, shape).astype(np.int16), affine),
        rng.integers(0, 4, shape).astype(np.uint8),
    )


@pytest.mark.parametrize(("order", "signs"), TURNS)
def test_a_mask_of_an_oblique_volume_comes_back_exactly(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    volume, labels = made((9, 14, 11), oblique(order, signs, (1.1, 0.8, 1.3)))
    stored = stored_of(volume, labels, size_px=40)
    back = restore(volume, stored.rows, stored.masks, 0)
    np.testing.assert_array_equal(back.array, labels)
    np.testing.assert_array_equal(back.affine, volume.affine)
    assert back.array.dtype == np.uint8


def test_an_image_comes_back_within_half_a_grey_where_it_was_stored_and_nan_elsewhere() -> None:
    volume, _ = made((3, 24, 20), np.linalg.inv(np.diag([1.0, -1.0, 1.0, 1.0])) @ np.eye(4)[[2, 1, 0, 3]])
    turned, _ = canonical(volume)
    window, geometry = Window(-250.0, 250.0), Geometry(fit_axis(16, 24, 1.0, 11.0), fit_axis(16, 20, 1.0, 9.0))
    place = {"offset_slice": 0.0, "step_slice": 1.0, "window_low": [-250.0], "window_high": [250.0]}
    rows = [{"image_id": f"s-{n}", "slice_index": n} | place | geometry.columns() for n in range(3)]
    images = [round_grey(resize_image(window.scale(plane), geometry).copy()) for plane in turned.array]
    planes = [intensities(row, image, 0) for row, image in zip(rows, images, strict=True)]
    back = restore(volume, rows, planes, np.nan)
    seen = np.isfinite(back.array)
    assert back.array.dtype == np.float32
    assert seen.sum() == 3 * 16 * 16
    assert np.abs(back.array - np.clip(volume.array, -250, 250))[seen].max() <= 500 / 510 + 1e-3


def test_slices_that_were_not_stored_hold_the_fill() -> None:
    volume, labels = made((6, 10, 10), oblique((2, 1, 0), (1, 1, 1), (2.0, 1.0, 1.0)))
    stored = stored_of(volume, labels, size_px=20)
    back = restore(volume, stored.rows[1:3], stored.masks[1:3], 255)
    assert [bool((plane == 255).all()) for plane in back.array] == [True, False, False, True, True, True]
    np.testing.assert_array_equal(back.array[1:3], labels[1:3])


@pytest.mark.parametrize("spacing_mm", [0.7, 1.5, 2.0])
def test_labels_of_resampled_slices_come_back_to_the_nearest_slice(spacing_mm: float) -> None:
    volume, labels = made((12, 10, 10), np.diag([1.0, 1.0, 2.0, 1.0]))
    volume, labels = Volume(volume.array.transpose(1, 2, 0), volume.affine), labels.transpose(1, 2, 0)
    stored = stored_of(volume, labels, split="train", size_px=20, slice_spacing_mm=spacing_mm)
    back = restore(volume, stored.rows, stored.masks, 0)
    np.testing.assert_array_equal(back.array, labels)  # closer slices than the file's lose none of them


def test_every_source_slice_has_one_nearest_stored_slice() -> None:
    for offset, step in ((0.0, 1.0), (0.0, 0.4), (0.3, 1.7), (0.5, 3.0)):
        last = int((19 - offset) // step)
        rows = [{"slice_index": place, "offset_slice": offset, "step_slice": step} for place in range(last + 1)]
        found = [place for row in rows for place in source_slices(row, 20)]
        assert len(found) == len(set(found))
        assert set(found) >= set(range(int(np.ceil(offset)), int(offset + last * step)))


# ---------------------------------------------------------------- refusals


def test_slices_of_another_series_are_refused_with_both_sizes() -> None:
    volume, labels = made((6, 10, 12), np.diag([1.0, 1.0, 1.0, 1.0]))
    stored = stored_of(volume, labels, size_px=20)
    smaller = Volume(volume.array[:, :8], volume.affine)
    with pytest.raises(InputError, match=r"image s-0000 was cut from slices of 10 x 6, but .* slices of 8 x 6"):
        restore(smaller, stored.rows, stored.masks, 0)
    shorter = Volume(volume.array[..., :3], volume.affine)
    with pytest.raises(InputError, match=r"image s-0003 is slice 3, but the series has 3 slices"):
        restore(shorter, stored.rows, stored.masks, 0)


def test_two_planes_for_one_slice_and_mixed_types_are_refused() -> None:
    volume, labels = made((6, 10, 12), np.eye(4))
    stored = stored_of(volume, labels, size_px=20)
    with pytest.raises(InputError, match="images s-0002 and s-0002 both claim slice 2"):
        restore(volume, [stored.rows[2]] * 2, [stored.masks[2]] * 2, 0)
    with pytest.raises(InputError, match="2 slices of 2 types"):
        restore(volume, stored.rows[:2], [stored.masks[0], stored.masks[1].astype(np.float32)], 0)
    with pytest.raises(InputError, match="image s-0000 has no channel 3; it has 1"):
        intensities(stored.rows[0], stored.images[0], 3)
