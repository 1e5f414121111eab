"""Masks end on the voxels they were drawn on, under the study's ids, or the run hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radgen.cohort.dicom_volumes import read_volume
from radgen.cohort.grids import on_grid
from radgen.cohort.label_ids import map_numbers
from radgen.cohort.readers import read_mask, read_series
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.segmentations import read_segmentation
from radgen.cohort.settings import StructureSettings
from radgen.errors import InputError
from radgen.imaging.volume import Turn, Volume
from tests.cohort.toys import LABELMAP, save, segmentation, stored_volume, write_nifti, write_series

STRUCTURES = StructureSettings(names=("liver", "lesion"))


def row(images: list[str], masks: list[str], kind: str, image_format: str = "dicom") -> Mapping[str, Any]:
    about_masks = {"mask_ids": masks, "mask_kind": kind, "mask_labels": [""] * len(masks)}
    return {"format": image_format, "file_ids": images, "repeat": 0} | about_masks


@pytest.fixture
def image(tmp_path: Path) -> tuple[dict[str, Path], Volume]:
    paths = write_series(tmp_path / "ct", stored_volume())
    return {path.name: path for path in paths}, read_volume(paths)


def blob(*corner: int) -> NDArray[np.bool_]:
    mask = np.zeros((6, 5), dtype=bool)
    mask[corner[0] : corner[0] + 2, corner[1] : corner[1] + 3] = True
    return mask


def place(number: int) -> tuple[float, float, float]:
    return (-10.0, -20.0, 100.0 + 2.0 * number)


def test_segments_land_on_their_slices_by_position_alone(tmp_path: Path, image: tuple[dict[str, Path], Volume]) -> None:
    frames = [(1, place(3), blob(0, 0)), (2, place(1), blob(3, 2)), (1, place(1), blob(1, 1))]
    path = save(tmp_path / "seg", segmentation(frames, {1: "Liver", 2: "LESION"}))
    expected = np.zeros((4, 6, 5), dtype=np.uint8)
    expected[3][blob(0, 0)] = 1
    expected[1][blob(1, 1)] = 1
    expected[1][blob(3, 2)] = 2
    found = read_segmentation(path, (4, 6, 5), image[1].affine, STRUCTURES)
    np.testing.assert_array_equal(found, expected)


def test_where_segments_overlap_the_later_structure_wins(tmp_path: Path, image: tuple[dict[str, Path], Volume]) -> None:
    frames = [(2, place(1), blob(1, 1)), (1, place(1), np.ones((6, 5), dtype=bool))]
    path = save(tmp_path / "seg", segmentation(frames, {1: "liver", 2: "lesion"}))
    found = read_segmentation(path, (4, 6, 5), image[1].affine, STRUCTURES)
    assert set(np.unique(found[1][blob(1, 1)])) == {2}
    assert set(np.unique(found[1][~blob(1, 1)])) == {1}


def test_frames_stored_with_other_axes_land_on_the_same_voxels(
    tmp_path: Path, image: tuple[dict[str, Path], Volume]
) -> None:
    mask = blob(1, 2)
    # The same plane scanned column by column: rows and columns change places, so do directions and spacings.
    turned = segmentation([(1, place(2), mask.T)], {1: "liver"}, directions=(0, 1, 0, 1, 0, 0), spacing=(0.75, 0.5))
    found = read_segmentation(save(tmp_path / "seg", turned), (4, 6, 5), image[1].affine, STRUCTURES)
    np.testing.assert_array_equal(found[2] == 1, mask)


def test_a_cropped_frame_lands_at_its_offset(tmp_path: Path, image: tuple[dict[str, Path], Volume]) -> None:
    crop = np.ones((2, 2), dtype=bool)
    corner = (-10.0 + 3 * 0.75, -20.0 + 4 * 0.5, 100.0)
    path = save(tmp_path / "seg", segmentation([(1, corner, crop)], {1: "liver"}))
    found = read_segmentation(path, (4, 6, 5), image[1].affine, STRUCTURES)
    assert found.sum() == 4
    assert np.all(found[0, 4:6, 3:5] == 1)


def test_a_labelmap_segmentation_is_read(tmp_path: Path, image: tuple[dict[str, Path], Volume]) -> None:
    dataset = segmentation([(1, place(0), blob(0, 0))], {0: "Background", 1: "liver", 2: "lesion"})
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = LABELMAP
    dataset.SegmentationType = "LABELMAP"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = (blob(0, 0) * np.uint8(2)).tobytes()
    found = read_segmentation(save(tmp_path / "seg", dataset), (4, 6, 5), image[1].affine, STRUCTURES)
    np.testing.assert_array_equal(found[0], blob(0, 0) * np.uint8(2))


@pytest.mark.parametrize(
    ("corner", "words"),
    [((-10.3, -20.0, 100.0), "voxels off its image"), ((-10.0, -20.0, 98.0), "outside its image")],
)
def test_a_segmentation_of_another_grid_is_refused(
    tmp_path: Path, image: tuple[dict[str, Path], Volume], corner: tuple[float, float, float], words: str
) -> None:
    path = save(tmp_path / "seg", segmentation([(1, corner, blob(0, 0))], {1: "liver"}))
    with pytest.raises(RefusalError, match=words) as caught:
        read_segmentation(path, (4, 6, 5), image[1].affine, STRUCTURES)
    assert caught.value.reason == Reason.MASK_OTHER_GRID


def test_unknown_segments_are_named_or_become_background(tmp_path: Path, image: tuple[dict[str, Path], Volume]) -> None:
    paths, volume = image
    frames = [(1, place(0), blob(0, 0)), (2, place(0), blob(2, 1))]
    paths["seg"] = save(tmp_path / "seg", segmentation(frames, {1: "liver", 2: "Gallbladder"}))
    series = row(list(paths)[:4], ["seg"], "seg")
    with pytest.raises(InputError, match=r"mask seg: unknown labels Gallbladder .*structures\.map"):
        read_mask(series, paths, STRUCTURES, volume)
    lenient = StructureSettings(names=("liver", "lesion"), others="background")
    found = read_mask(series, paths, lenient, volume)
    assert found is not None
    assert found.array.sum() == 6


def test_a_mask_needs_no_image_in_memory(tmp_path: Path, image: tuple[dict[str, Path], Volume]) -> None:
    paths, volume = image
    paths["seg"] = save(tmp_path / "seg", segmentation([(1, place(2), blob(0, 0))], {1: "liver"}))
    series = row(list(paths)[:4], ["seg"], "seg")
    alone, beside = read_mask(series, paths, STRUCTURES), read_mask(series, paths, STRUCTURES, volume)
    assert alone is not None
    assert beside is not None
    np.testing.assert_array_equal(alone.array, beside.array)
    np.testing.assert_array_equal(alone.affine, beside.affine)


def test_a_series_without_a_mask_has_none(image: tuple[dict[str, Path], Volume]) -> None:
    assert read_mask(row(list(image[0]), [], ""), image[0], STRUCTURES) is None


def test_a_nifti_mask_of_a_dicom_series_is_turned_to_its_axes(
    tmp_path: Path, image: tuple[dict[str, Path], Volume]
) -> None:
    paths, volume = image
    labels = np.random.default_rng(0).integers(0, 3, (4, 6, 5)).astype(np.uint8)
    turned = Turn((2, 1, 0), (True, False, True)).apply(Volume(labels, volume.affine))
    paths["mask"] = write_nifti(tmp_path / "labels.nii.gz", np.ascontiguousarray(turned.array), turned.affine)
    found = read_mask(
        row(list(paths)[:4], ["mask"], "nifti"), paths, STRUCTURES, read_series(row(list(paths)[:4], [], ""), paths)
    )
    assert found is not None
    np.testing.assert_array_equal(found.array, labels)


@settings(max_examples=40, deadline=None)
@given(st.permutations([0, 1, 2]), st.tuples(st.booleans(), st.booleans(), st.booleans()), st.integers(0, 1000))
def test_every_axis_order_of_a_mask_is_brought_home(axes: list[int], flips: tuple[bool, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * (1.0, 2.0, 3.0)
    labels = rng.integers(0, 5, (2, 3, 4)).astype(np.uint8)
    turn = Turn((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
    np.testing.assert_array_equal(on_grid(turn.apply(Volume(labels, affine)), (2, 3, 4), affine), labels)


@pytest.mark.parametrize("shift", [0.01, 0.5])
def test_a_shifted_nifti_mask_is_refused_beyond_the_tolerance(shift: float) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    moved = affine.copy()
    moved[0, 3] = shift
    mask = Volume(np.zeros((3, 3, 3), np.uint8), moved)
    if shift < 0.05:
        on_grid(mask, (3, 3, 3), affine)
    else:
        with pytest.raises(RefusalError, match=r"up to 0\.500 mm apart \(0\.050 mm is tolerated\)"):
            on_grid(mask, (3, 3, 3), affine)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(RefusalError, match="3x3x4 voxels and its image 3x3x3"):
        on_grid(Volume(np.zeros((4, 3, 3), np.uint8), np.eye(4)), (3, 3, 3), np.eye(4))


def test_label_numbers_follow_the_map() -> None:
    chosen = StructureSettings(names=("liver", "kidneys"), map={"liver": (5,), "kidneys": (2, 3)}, others="background")
    labels = np.array([0, 2, 3, 5, 7], dtype=np.int16)
    np.testing.assert_array_equal(map_numbers(labels, chosen), [0, 2, 2, 1, 0])
    np.testing.assert_array_equal(map_numbers(labels.astype(np.float64), chosen), [0, 2, 2, 1, 0])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1, 7, 9], "unknown labels 7, 9 .structures: liver, lesion"),
        ([0.0, 0.5], "whole numbers"),
        ([-3, 1], "labels run from -3 to 1"),
        ([0, 70000], "is this an image"),
    ],
)
def test_labels_that_no_structure_names_are_an_error(labels: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        map_numbers(np.array(labels), STRUCTURES)
