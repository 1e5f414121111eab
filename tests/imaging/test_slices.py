from dataclasses import replace

import numpy as np
import pytest

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imageset.core import COLUMNS
from radgen.imaging.resize import Geometry, to_source
from radgen.imaging.settings import QualitySettings, SlicesSettings
from radgen.imaging.slices import Recipe, SeriesFacts, StoredSlices, slice_series
from radgen.imaging.volume import Turn, Volume
from tests.imaging.toys import SIDE, SLICES, SPACING_MM, canonical_volume, scene

FACTS = SeriesFacts("s1", "p1", "train", "CT", "abdomen", "ill")
CLASSES = ClassSettings(by="folder", names=("well", "ill"))
STRUCTURES = StructureSettings(names=("trunk", "lung"))
PLAIN = Recipe(SlicesSettings(size_px=80), CLASSES, StructureSettings())
MASKED = Recipe(SlicesSettings(size_px=80), CLASSES, STRUCTURES)


def labels() -> np.ndarray:
    drawn = scene()
    return (drawn.trunk.astype(np.uint8) + drawn.lung).astype(np.uint8)


def of_scene(recipe: Recipe = PLAIN, facts: SeriesFacts = FACTS) -> StoredSlices:
    mask = canonical_volume(labels()) if recipe.structures.names else None
    return slice_series(canonical_volume(scene().hu), mask, facts, recipe)


def test_rows_fill_the_index_and_number_the_source_slices() -> None:
    stored = of_scene()
    assert [row["image_id"] for row in stored.rows] == [f"s1-{index:04d}" for index in range(SLICES)]
    assert all(set(row) <= set(COLUMNS) for row in stored.rows)
    row = stored.rows[2]
    wanted = {"slice_index": 2, "patient": "p1", "series": "s1", "class_name": "ill", "class_id": 1, "source": "real"}
    assert wanted.items() <= row.items()
    assert (row["window_low"], row["window_high"]) == ([-160.0], [240.0])
    assert row["spacing_row_mm"] == row["spacing_col_mm"] == SIDE * SPACING_MM[1] / 80
    assert 0.05 < row["clipped_fraction"] < 0.2  # the lung
    assert stored.images[0].shape == (1, 80, 80)
    assert stored.images[0].dtype == np.uint8
    assert stored.masks == []
    assert stored.source_mask is None


def test_background_is_black_and_none_is_a_method() -> None:
    outside = ~(scene().trunk | scene().arm)[:, ::2, ::2]
    outside &= ~(scene().trunk | scene().arm)[:, 1::2, 1::2]
    removed, kept = of_scene(), of_scene(replace(PLAIN, slices=SlicesSettings(size_px=80, background="none")))
    shell = scene().couch[:, ::2, ::2]
    assert np.stack(removed.images)[:, 0][shell].max() == 0
    assert np.stack(kept.images)[:, 0][shell].max() > 50
    assert np.median(np.stack(removed.images)[:, 0][outside]) == 0


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_stored_slices_do_not_depend_on_the_axes_of_the_file(axes: tuple[int, int, int]) -> None:
    turn = Turn(axes, (True, False, True))
    image, mask = (turn.apply(canonical_volume(array)) for array in (scene().hu, labels()))
    turned, straight = slice_series(image, mask, FACTS, MASKED), of_scene(MASKED)
    assert np.array_equal(np.stack(turned.images), np.stack(straight.images))
    assert np.array_equal(np.stack(turned.masks), np.stack(straight.masks))
    assert turned.rows == straight.rows


def test_stored_masks_come_back_to_the_source_grid() -> None:
    stored = of_scene(replace(MASKED, slices=SlicesSettings(size_px=SIDE)))
    for row, mask in zip(stored.rows, stored.masks, strict=True):
        assert np.array_equal(to_source(mask, Geometry.of_row(row, mask.shape)), labels()[row["slice_index"]])


def test_grey_goes_back_to_the_source_intensity_within_the_window() -> None:
    stored = of_scene(replace(PLAIN, slices=SlicesSettings(size_px=SIDE)))
    drawn = scene()
    row, grey = stored.rows[1], stored.images[1][0].astype(float)
    (low,), (high,) = row["window_low"], row["window_high"]
    back = low + grey * (high - low) / 255
    soft = drawn.trunk[1] & ~drawn.lung[1]
    assert np.abs(back - drawn.hu[1])[soft].max() <= 400 / 510 + 1e-4


@pytest.mark.parametrize("split", ["val", "test"])
def test_series_to_be_judged_on_bring_their_source_mask_and_lose_no_slice(split: str) -> None:
    strict = SlicesSettings(size_px=80, slice_choice="every", quality=QualitySettings(min_body_fraction=0.9))
    stored = of_scene(replace(MASKED, slices=strict), replace(FACTS, split=split))
    assert len(stored.rows) == SLICES
    assert stored.source_mask is not None
    assert np.array_equal(stored.source_mask.labels, labels())
    assert stored.source_mask.spacing_mm == SPACING_MM
    assert of_scene(MASKED).source_mask is None


def test_refused_slices_are_rows_with_reason_and_figure() -> None:
    hu = scene().hu
    hu[1] = -1000
    hu[3] = hu[0]
    stored = slice_series(canonical_volume(hu), None, FACTS, PLAIN)
    assert [row["slice_index"] for row in stored.rows] == [0, 2]
    assert [(row["slice_index"], row["reason"], row["figure"]) for row in stored.rejects] == [
        (1, "almost-empty", 0.0),
        (3, "duplicate-slice", 0.0),
    ]


def test_a_series_that_cannot_be_used_is_one_row() -> None:
    hu = scene().hu.astype(np.float32)
    hu[0, 3, 5] = np.nan
    (row,) = slice_series(canonical_volume(hu), None, FACTS, PLAIN).rejects
    assert (row["reason"], row["slice_index"], row["figure"]) == ("not-finite", None, 1)
    assert row["sentence"] == f"1 of {hu.size} voxels are not finite numbers"
    (row,) = slice_series(canonical_volume(scene().hu), None, FACTS, MASKED).rejects
    assert (row["reason"], row["sentence"]) == ("no-mask", "the study has structures, but the series has no mask")


def test_a_body_beyond_the_field_of_view_is_never_cut() -> None:
    stored = of_scene(replace(PLAIN, slices=SlicesSettings(size_px=80, field_of_view_mm=300.0)))
    assert stored.rows == []
    assert {row["reason"] for row in stored.rejects} == {"beyond-field-of-view"}
    assert {row["limit"] for row in stored.rejects} == {300.0}


def test_pictures_keep_their_grey_and_have_no_millimetres() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 50, 50), dtype=np.uint8)
    facts = replace(FACTS, modality="CT", is_picture=True)
    recipe = replace(PLAIN, slices=SlicesSettings(size_px=50, field_of_view_mm=10.0))
    stored = slice_series(Volume(picture, canonical_volume(picture, (1.0, 1.0, 1.0)).affine), None, facts, recipe)
    assert np.array_equal(stored.images[0], picture)
    assert stored.rows[0]["spacing_row_mm"] is None
    assert (stored.rows[0]["window_low"], stored.rows[0]["window_high"]) == ([0], [255])


def test_a_structure_can_be_what_is_kept_and_nobody_drew() -> None:
    with_body = StructureSettings(names=("trunk", "lung", "body"), body="body")
    # Nothing but lungs is drawn: the rest of what background removal keeps becomes the body.
    drawn = np.where(labels() == 2, 2, 0).astype(np.uint8)
    recipe = replace(MASKED, structures=with_body, slices=SlicesSettings(size_px=SIDE))
    stored = slice_series(canonical_volume(scene().hu), canonical_volume(drawn), replace(FACTS, split="val"), recipe)
    assert stored.source_mask is not None
    for row, image, mask in zip(stored.rows, stored.images, stored.masks, strict=True):
        found = to_source(mask, Geometry.of_row(row, mask.shape))
        assert np.array_equal(found == 2, drawn[row["slice_index"]] == 2)
        assert image[0][mask == 0].max() == 0
        assert np.mean(image[0][mask == 3] > 0) > 0.95
        assert np.array_equal(found, stored.source_mask.labels[row["slice_index"]])
    assert np.array_equal(
        np.stack(stored.masks) == 2, np.stack(of_scene(replace(recipe, structures=STRUCTURES)).masks) == 2
    )
