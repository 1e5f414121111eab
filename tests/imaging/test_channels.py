"""Channels of the stored images: windows of CT, colours, and what repeats itself; each undone by its index row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from radgen.cohort.archives import ArchiveSettings
from radgen.imaging.settings import SlicesSettings, WindowSettings
from radgen.imaging.slices import SeriesFacts, StoredSlices, slice_series
from radgen.imaging.volume import Volume
from tests.imaging.test_slices import FACTS, MASKED, PLAIN, labels
from tests.imaging.toys import SIDE, SLICES, canonical_volume, scene

THREE = SlicesSettings(size_px=SIDE, channels="windows")
PICTURE = replace(FACTS, modality="", is_picture=True)


def of_picture(array: np.ndarray, settings: SlicesSettings, facts: SeriesFacts = PICTURE) -> StoredSlices:
    return slice_series(Volume(array, canonical_volume(array).affine), None, facts, replace(PLAIN, slices=settings))


def colours() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, 50, 50, 3), dtype=np.uint8)


def test_each_window_of_ct_is_a_channel_that_its_row_undoes() -> None:
    stored = slice_series(canonical_volume(scene().hu), None, FACTS, replace(PLAIN, slices=THREE))
    assert THREE.channel_count == 3
    row, image = stored.rows[1], stored.images[1].astype(float)
    assert image.shape == (3, SIDE, SIDE)
    assert row["window_low"] == [-1350.0, -160.0, -500.0]
    assert row["window_high"] == [150.0, 240.0, 1300.0]
    hu, inside = scene().hu[1], scene().trunk[1]
    for grey, low, high in zip(image, row["window_low"], row["window_high"], strict=True):
        shown = inside & (hu >= low) & (hu <= high)
        assert np.abs(low + grey * (high - low) / 255 - hu)[shown].max() <= (high - low) / 510 + 1e-3
    alone = slice_series(
        canonical_volume(scene().hu), None, FACTS, replace(PLAIN, slices=replace(THREE, channels="grey"))
    )
    assert np.array_equal(stored.images[1][1], alone.images[1][0])
    assert row["clipped_fraction"] < 0.001 < alone.rows[1]["clipped_fraction"]  # the lung window shows what soft clips


def test_colour_stays_colour_or_becomes_luminance() -> None:
    rgb = of_picture(colours(), SlicesSettings(size_px=50, channels="rgb"))
    assert np.array_equal(rgb.images[0], colours()[0].transpose(2, 0, 1))
    grey = of_picture(colours(), SlicesSettings(size_px=50))
    weights = np.array([0.299, 0.587, 0.114])
    assert np.abs(grey.images[0][0] - colours()[0] @ weights).max() <= 0.51
    assert (rgb.rows[0]["window_low"], rgb.rows[0]["window_high"]) == ([0.0], [255.0])


def test_grey_in_a_study_of_colours_is_one_channel_for_all() -> None:
    stored = of_picture(colours()[..., 0], SlicesSettings(size_px=50, channels="rgb"))
    assert np.array_equal(stored.images[0], colours()[..., 0])


def test_an_archive_fills_the_channels_in_its_own_way() -> None:
    archives = {"b": ArchiveSettings(path="b", channels="grey", window=WindowSettings(ct_center_hu=0.0))}
    study = replace(PLAIN, slices=THREE, archives=archives)
    stored = slice_series(canonical_volume(scene().hu), None, FACTS, study.for_archive("b"))
    assert stored.images[0].shape == (1, SIDE, SIDE)  # held by all three channels when it is written
    assert stored.rows[0]["window_low"] == [-200.0]
    assert study.for_archive("a").slices is THREE


def test_what_is_made_black_is_on_record() -> None:
    plain = SlicesSettings(size_px=SIDE)
    drawn = scene()
    kept = drawn.trunk | drawn.arm
    for row in slice_series(canonical_volume(drawn.hu), None, FACTS, replace(PLAIN, slices=plain)).rows:
        assert row["removed_fraction"] == pytest.approx(1 - kept.mean(), abs=0.01)
        tissue = drawn.hu > -400
        assert row["removed_tissue_fraction"] == pytest.approx((tissue & ~kept).sum() / tissue.sum(), abs=0.01)
    boxes = of_picture(colours(), SlicesSettings(size_px=50, channels="rgb", overlay_boxes=((0.0, 0.0, 0.1, 0.5),)))
    assert not boxes.images[0][:, :5, :25].any()
    assert np.array_equal(boxes.images[0][:, 5:], colours()[0].transpose(2, 0, 1)[:, 5:])
    assert (boxes.rows[0]["removed_fraction"], boxes.rows[0]["removed_tissue_fraction"]) == (pytest.approx(0.05), None)
    whole = slice_series(
        canonical_volume(drawn.hu), None, FACTS, replace(PLAIN, slices=replace(plain, background="none"))
    )
    assert (whole.rows[0]["removed_fraction"], whole.rows[0]["removed_tissue_fraction"]) == (0.0, None)


def test_ultrasound_of_eight_bits_is_shown_as_it_is_and_its_air_is_nobodys() -> None:
    clip = np.random.default_rng(0).integers(0, 200, (2, 50, 50), dtype=np.uint8)
    clip[:, :20] = 0
    stored = of_picture(clip, SlicesSettings(size_px=50), replace(FACTS, modality="US"))
    assert np.array_equal(np.stack(stored.images)[:, 0], clip)
    assert stored.rows[0]["removed_fraction"] == 0


def test_resampled_series_say_where_their_slices_lie() -> None:
    fine = replace(MASKED, slices=SlicesSettings(size_px=80, slice_spacing_mm=2.5))
    image, mask = canonical_volume(scene().hu), canonical_volume(labels())
    stored = slice_series(image, mask, FACTS, fine)
    assert [row["slice_index"] for row in stored.rows] == list(range(2 * SLICES - 1))
    assert {(row["offset_slice"], row["step_slice"]) for row in stored.rows} == {(0.0, 0.5)}
    assert np.array_equal(stored.masks[2], slice_series(image, mask, FACTS, MASKED).masks[1])
    judged = slice_series(image, mask, replace(FACTS, split="test"), fine)
    assert [(row["slice_index"], row["step_slice"]) for row in judged.rows] == [(index, 1.0) for index in range(SLICES)]


@pytest.mark.parametrize("pairs", [(), ((40.0, 0.0),)])
def test_impossible_channels_are_refused(pairs: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="must be pairs of a centre and a width above 0"):
        WindowSettings(ct_channels=pairs)
    with pytest.raises(ValueError, match="channels: 'red' is not one of grey, rgb, windows"):
        SlicesSettings(channels="red")
