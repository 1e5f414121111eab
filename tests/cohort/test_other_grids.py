"""Labels on another grid: refused, or resampled nearest with a remark; never in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radgen.cohort.candidates import Remark
from radgen.cohort.grids import nearest
from radgen.cohort.readers import read_mask
from radgen.cohort.refusal import RefusalError
from radgen.cohort.settings import StructureSettings
from radgen.imaging.volume import Turn, Volume
from tests.cohort.test_masks import STRUCTURES, row
from tests.cohort.toys import save, segmentation, write_nifti


def grid(seed: int, spacing: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = rng.uniform(-40, 40, 3)
    return affine


@settings(max_examples=25, deadline=None)
@given(st.permutations([0, 1, 2]), st.tuples(st.booleans(), st.booleans(), st.booleans()), st.integers(0, 1000))
def test_nearest_labels_are_the_same_on_the_same_grid(axes: list[int], flips: tuple[bool, ...], seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 5, (4, 3, 5)).astype(np.uint16)
    turn = Turn((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
    found, (remark,) = nearest(turn.apply(Volume(labels, grid(seed))), (4, 3, 5), grid(seed))
    np.testing.assert_array_equal(found, labels)
    assert (remark.kind, remark.treatment, remark.unit) == ("mask-on-another-grid", "nearest", "mm")
    assert remark.figure == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_nearest_labels_are_those_of_simpleitk(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 5, (20, 18, 16)).astype(np.uint8)
    mask, shape = Volume(labels, grid(seed, (2.0, 2.1, 2.2))), (30, 20, 25)
    moved = mask.affine.copy()
    moved[:3, :3] = moved[:3, :3] @ np.diag([0.7, 1.1, 0.8]) @ np.linalg.qr(np.eye(3) + 0.1 * (seed + 1))[0]
    found, remarks = nearest(mask, shape, moved)

    def itk(array: NDArray[np.uint8], affine: NDArray[np.float64]) -> Any:
        image = SimpleITK.GetImageFromArray(array.T)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(affine[:3, 3].tolist())
        return image

    frame = itk(np.zeros(shape, np.uint8), moved)
    expected = SimpleITK.Resample(
        itk(labels, mask.affine), frame, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 0
    )
    np.testing.assert_array_equal(found, SimpleITK.GetArrayFromImage(expected).T)
    assert 0 < remarks[0].figure <= np.linalg.norm([2.0, 2.1, 2.2]) / 2
    assert {remark.treatment for remark in remarks} == {"nearest", "background", "cut"}


def test_a_mask_of_half_resolution_is_resampled_only_where_the_study_says_so(tmp_path: Path) -> None:
    image = write_nifti(tmp_path / "image.nii", np.zeros((8, 6, 4), np.int16), grid(5, (1.0, 1.0, 2.0)))
    coarse = grid(5, (1.0, 1.0, 2.0)) @ np.array([[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    labels = np.random.default_rng(6).integers(0, 3, (4, 3, 4)).astype(np.uint8)
    files = {"image": image, "mask": write_nifti(tmp_path / "mask.nii.gz", labels, coarse)}
    series = {**row(["image"], ["mask"], "nifti", "nifti")}
    with pytest.raises(RefusalError, match=r"the mask has .* voxels and its image"):
        read_mask(series, files, STRUCTURES)
    told: list[Remark] = []
    lenient = StructureSettings(names=("liver", "lesion"), other_grid="nearest")
    found = read_mask(series, files, lenient, remarks=told)
    assert found is not None
    np.testing.assert_array_equal(found.array, labels.repeat(2, axis=0).repeat(2, axis=1))
    (remark,) = told
    assert (remark.treatment, remark.unit) == ("nearest", "mm")
    assert remark.figure == pytest.approx(np.hypot(0.5, 0.5), abs=1e-4)


def test_a_mask_that_misses_its_image_is_refused_all_the_same() -> None:
    far = np.diag([1.0, 1.0, 1.0, 1.0])
    far[0, 3] = 100.0
    with pytest.raises(RefusalError, match="reaches no voxel of its image"):
        nearest(Volume(np.ones((3, 3, 3), np.uint8), far), (3, 3, 3), np.eye(4))


@pytest.fixture
def fine_image() -> Volume:
    """12 x 10 x 6 voxels of 0.375 x 0.25 x 1 mm, twice as fine in all directions as the frames of `coarse_seg`."""
    frame = np.eye(4)
    frame[:3, :3] = np.array([[0, 0, -0.375], [0, -0.25, 0], [1.0, 0, 0]])
    frame[:3, 3] = (10.0 + 0.375 / 2, 20.0 + 0.25 / 2, 100.0 - 0.5)
    return Volume(np.zeros((6, 12, 10), np.int16), frame)


def coarse_seg(path: Path, drawn: NDArray[np.bool_], first_mm: float = 100.0) -> Path:
    """A SEG of frames of 0.5 x 0.75 mm, 2 mm apart; frames in which nothing is drawn are left out, as is usual."""
    frames = [(1, (-10.0, -20.0, first_mm + 2.0 * k), plane) for k, plane in enumerate(drawn) if plane.any()]
    return save(path, segmentation(frames, {1: "liver"}))


def test_frames_of_half_resolution_are_resampled_only_where_the_study_says_so(
    tmp_path: Path, fine_image: Volume
) -> None:
    drawn = np.random.default_rng(8).random((3, 6, 5)) < 0.4
    drawn[1] = False
    files = {"mask": coarse_seg(tmp_path / "seg", drawn)}
    series = row([], ["mask"], "seg")
    with pytest.raises(RefusalError, match="voxels off its image"):
        read_mask(series, files, STRUCTURES, fine_image)
    told: list[Remark] = []
    lenient = StructureSettings(names=("liver", "lesion"), other_grid="nearest")
    found = read_mask(series, files, lenient, fine_image, told)
    assert found is not None
    expected = drawn.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(found.array, expected)
    (remark,) = told
    assert remark.figure == pytest.approx(np.sqrt(0.5**2 + 0.125**2 + 0.1875**2), abs=1e-4)


def test_frames_outside_the_image_are_counted_or_refused(tmp_path: Path, fine_image: Volume) -> None:
    drawn = np.ones((2, 6, 5), dtype=bool)
    lenient = StructureSettings(names=("liver", "lesion"), other_grid="nearest")
    told: list[Remark] = []
    files = {"mask": coarse_seg(tmp_path / "seg", drawn, 104.0)}
    read_mask(row([], ["mask"], "seg"), files, lenient, fine_image, told)
    assert [(one.treatment, one.figure) for one in told if one.unit != "mm"] == [("cut", 30.0)]
    files = {"mask": coarse_seg(tmp_path / "seg", drawn, 300.0)}
    with pytest.raises(RefusalError, match="the segmentation reaches no voxel"):
        read_mask(row([], ["mask"], "seg"), files, lenient, fine_image)
