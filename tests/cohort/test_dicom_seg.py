"""DICOM SEG beyond the plain case: fractions, frames without orientation, mended series, and highdicom's opinion."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radgen.cohort import nrrd
from radgen.cohort.dicom_volumes import read_volume
from radgen.cohort.grids import on_grid, on_lattice
from radgen.cohort.readers import read_mask, read_series
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.segmentations import FRACTION_THRESHOLD, POSITION_TOLERANCE_MM, read_segmentation
from radgen.cohort.settings import StructureSettings
from radgen.imaging.volume import Volume
from tests.cohort.toys import ct_slice, inventory_of, save, segmentation, stored_volume, uid, write_series

STRUCTURES = StructureSettings(names=("liver", "lesion"))


def blob(row: int, col: int) -> NDArray[np.bool_]:
    mask = np.zeros((6, 5), dtype=bool)
    mask[row : row + 2, col : col + 3] = True
    return mask


def place(number: float) -> tuple[float, float, float]:
    return (-10.0, -20.0, 100.0 + 2.0 * number)


@pytest.fixture
def image(tmp_path: Path) -> Volume:
    return read_volume(write_series(tmp_path / "ct", stored_volume()))


def read(tmp_path: Path, dataset: Dataset, image: Volume) -> NDArray[np.uint8]:
    return read_segmentation(save(tmp_path / "seg", dataset), (4, 6, 5), image.affine, STRUCTURES)


def fractional(fractions: NDArray[np.uint8], most: int | None) -> Dataset:
    dataset = segmentation([(1, place(2), blob(0, 0))], {1: "liver"})
    dataset.SegmentationType, dataset.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = fractions.tobytes()
    if most is not None:
        dataset.MaximumFractionalValue = most
    return dataset


@pytest.mark.parametrize("most", [255, 100, 7])
def test_a_fraction_of_half_is_seen_and_less_is_not(tmp_path: Path, image: Volume, most: int) -> None:
    fractions = np.arange(30, dtype=np.uint8).reshape(6, 5) * np.uint8(most // 30 or 1) % np.uint8(most)
    found = read(tmp_path, fractional(fractions, most), image)
    np.testing.assert_array_equal(found[2] == 1, fractions / most >= FRACTION_THRESHOLD)


def test_fractions_of_nothing_are_refused(tmp_path: Path, image: Volume) -> None:
    with pytest.raises(RefusalError, match="does not name its largest value"):
        read(tmp_path, fractional(np.zeros((6, 5), np.uint8), None), image)


def without_orientation(*frames: Any) -> Dataset:
    dataset = segmentation(list(frames), {1: "liver", 2: "lesion"})
    del dataset.SharedFunctionalGroupsSequence
    return dataset


@pytest.mark.parametrize("off_mm", [0.0, 0.9 * POSITION_TOLERANCE_MM, -0.9 * POSITION_TOLERANCE_MM])
def test_frames_without_an_orientation_lie_on_the_slice_that_begins_there(
    tmp_path: Path, image: Volume, off_mm: float
) -> None:
    x, y, z = place(3)
    found = read(tmp_path, without_orientation((2, (x, y, z + off_mm), blob(1, 2)), (1, place(0), blob(0, 0))), image)
    np.testing.assert_array_equal(found[3], blob(1, 2) * np.uint8(2))
    np.testing.assert_array_equal(found[0], blob(0, 0))
    assert not found[1:3].any()


def test_frames_without_an_orientation_beside_their_image_are_refused(tmp_path: Path, image: Volume) -> None:
    x, y, z = place(3)
    with pytest.raises(RefusalError, match=r"0\.200 mm beside the pixels") as caught:
        read(tmp_path, without_orientation((1, (x, y, z + 2 * POSITION_TOLERANCE_MM), blob(1, 2))), image)
    assert (caught.value.reason, caught.value.unit) == (Reason.MASK_OTHER_GRID, "mm")


@pytest.mark.parametrize("policy", ["nearest", "resample"])
def test_labels_follow_their_slices_to_the_regular_grid(tmp_path: Path, policy: str) -> None:
    degrees, numbers = 26.565, (0, 1, 3)  # a tilt of half a millimetre a millimetre; slice 2 is missing
    corners = [(-10.0, -20.0 + np.tan(np.radians(degrees)) * 2.0 * number, 100.0 + 2.0 * number) for number in numbers]
    shown = np.ones((6, 5), dtype=bool)
    shown[0, 0] = False
    pixels = shown * np.int16(100)
    for number, corner in enumerate(corners):
        save(tmp_path / f"{number}.dcm", ct_slice(pixels, corner, RescaleIntercept=0, InstanceNumber=number))
    frames = [(1, corner, shown) for corner in corners]
    dataset = segmentation(frames, {1: "liver"}, PatientID="SMITH-1", FrameOfReferenceUID=uid("frame", "series"))
    save(tmp_path / "seg.dcm", dataset)
    found = inventory_of(tmp_path, on_irregular=policy)
    paths = {row["file_id"]: tmp_path / row["path"] for row in found.files}
    row = found.index[0]
    volume = read_series(row, paths)
    mask = read_mask(row, paths, StructureSettings(names=("liver",)), volume)
    assert mask is not None
    assert mask.array.shape == volume.array.shape == (4, 12, 5)
    # The mask covers what each slice shows, so it must lie where the image has its one value, and on the slice between.
    assert all(layer.sum() == shown.sum() for layer in mask.array)
    for number in (0, 1, 3):
        np.testing.assert_array_equal(mask.array[number] == 1, volume.array[number] == 100)


# ---------------------------------------------------------------- real segmentations, against other readers

SEGMENTS = [
    ("ct-3slice", "liver.dcm", 107_098),
    ("ct-3slice", "partial_overlaps.dcm", 9_602 + 11_888 + 10_743 + 6_693 + 4_713),
    ("23x38x3/image", "23x38x3/seg/label.seg", 322),
    ("24x38x3/image", "24x38x3/seg/label.seg", 315),
    ("24x38x3/image", "sparse-labelmap-noppv.dcm", 630),
    ("24x38x3/image", "sparse-labelmap-ppv5.dcm", 630),
]


def lps_volume(array: NDArray[Any], affine: NDArray[np.float64]) -> Volume:
    return Volume(array, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


@pytest.mark.realdata
@pytest.mark.parametrize(("images", "name", "voxels"), SEGMENTS)
def test_each_segment_has_the_voxels_that_highdicom_finds(data_root: Path, images: str, name: str, voxels: int) -> None:
    root = data_root / "dcmqi_seg" / "data" / "segmentations"
    image = read_volume(sorted((root / images).iterdir()))
    shape = (image.array.shape[0], image.array.shape[1], image.array.shape[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = highdicom.seg.segread(root / name)
        total = 0
        for number in other.segment_numbers:
            if number == 0:
                continue
            label = other.get_segment_description(number).segment_label
            structures = StructureSettings(names=(label,), others="background")
            found = read_segmentation(root / name, shape, image.affine, structures)
            drawn = other.get_volume(segment_numbers=[number], combine_segments=True, relabel=True)
            expected = on_lattice(lps_volume(drawn.array.astype(np.uint8), drawn.affine), shape, image.affine)
            np.testing.assert_array_equal(found, expected)
            total += int(found.sum())
    assert total == voxels


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("images", "name", "drawn"),
    [
        ("ct-3slice", "liver.dcm", "liver_seg.nrrd"),
        ("23x38x3/image", "23x38x3/seg/label.seg", "23x38x3/nrrd/label.nrrd"),
        ("24x38x3/image", "24x38x3/seg/label.seg", "24x38x3/nrrd/label.nrrd"),
    ],
)
def test_segments_are_the_masks_they_were_made_from(data_root: Path, images: str, name: str, drawn: str) -> None:
    root = data_root / "dcmqi_seg" / "data" / "segmentations"
    image = read_volume(sorted((root / images).iterdir()))
    shape = (image.array.shape[0], image.array.shape[1], image.array.shape[2])
    found = read_segmentation(root / name, shape, image.affine, StructureSettings(names=("liver",)))
    expected = on_grid(nrrd.read_volume(root / drawn), shape, image.affine)
    np.testing.assert_array_equal(found != 0, expected != 0)
