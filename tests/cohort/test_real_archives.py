"""Real archives against references made by other tools: voxel for voxel, or refused with a reason."""

from __future__ import annotations

import shutil
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from radgen.cohort import nifti
from radgen.cohort.archives import Roots
from radgen.cohort.dicom_frames import planes_of
from radgen.cohort.dicom_pixels import open_pixels
from radgen.cohort.dicom_volumes import PLANE_TAGS
from radgen.cohort.grids import on_grid
from radgen.cohort.inventory import Inventory
from radgen.cohort.modality import Modality
from radgen.cohort.readers import file_paths, read_mask, read_series
from radgen.cohort.settings import CohortSettings, StructureSettings
from radgen.cohort.splits import coin_split
from radgen.cohort.tables import FILES_SCHEMA, write_rows
from tests.cohort.dicom_references import REFERENCES, files_in, match, outcome
from tests.cohort.toys import inventory_of, reasons_by_path

pytestmark = pytest.mark.realdata


def paths_of(found: Inventory, archive: Path, tmp_path: Path) -> dict[str, Path]:
    write_rows(tmp_path / "files.parquet", found.files, FILES_SCHEMA)
    return file_paths(tmp_path / "files.parquet", Roots({"": archive}))


def test_an_abdominal_ct_with_its_organ_labels(data_root: Path, tmp_path: Path) -> None:
    root = data_root / "totalsegmentator_ref"
    source = root / "tests" / "reference_files"
    archive = tmp_path / "archive" / "patient-1"
    archive.mkdir(parents=True)
    shutil.copytree(source / "example_ct_dicom", archive / "ct")
    shutil.copy(source / "example_seg_dicom.nii.gz", archive / "labels.nii.gz")
    found = inventory_of(archive.parent, patient_from="regex", patient_regex="^(patient-[0-9]+)")
    row = found.index[0]
    assert (len(found.index), row["n_slices"], row["rows"], row["cols"]) == (1, 20, 512, 512)
    paths = paths_of(found, archive.parent, tmp_path)
    image = read_series(row, paths)
    target = nifti.read_volume(root / "Ref_dcm2niix" / "example_ct_dicom.nii.gz")
    np.testing.assert_array_equal(on_grid(target, (20, 512, 512), image.affine), image.array)
    structures = StructureSettings(names=("liver", "spleen"), map={"liver": (5,), "spleen": (1,)}, others="background")
    mask = read_mask(row, paths, structures, image)
    assert mask is not None
    labels = np.asarray(nifti.read_volume(source / "example_seg_dicom.nii.gz").array)
    assert [int((mask.array == value).sum()) for value in (1, 2)] == [int((labels == value).sum()) for value in (5, 1)]
    # Liver and spleen lie where their Hounsfield units say so.
    assert all(20 < np.median(image.array[mask.array == value]) < 200 for value in (1, 2))


def test_the_liver_segmentation_has_all_its_voxels(data_root: Path, tmp_path: Path) -> None:
    root = data_root / "dcmqi_seg" / "data" / "segmentations"
    shutil.copytree(root / "ct-3slice", tmp_path / "archive" / "ct-3slice")
    shutil.copy(root / "liver.dcm", tmp_path / "archive")
    found = inventory_of(tmp_path / "archive")
    paths = paths_of(found, tmp_path / "archive", tmp_path)
    image = read_series(found.index[0], paths)
    mask = read_mask(found.index[0], paths, StructureSettings(names=("liver",)), image)
    assert mask is not None
    assert mask.array.sum() == 107_098
    assert image.array.min() == -3024
    other = SimpleITK.ReadImage(str(root / "liver_seg.nrrd"))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(other.GetDirection(), (3, 3)) * other.GetSpacing()
    affine[:3, 3] = other.GetOrigin()
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine[:, [2, 1, 0, 3]]
    drawn = nifti.Volume(SimpleITK.GetArrayFromImage(other), affine)
    np.testing.assert_array_equal(on_grid(drawn, (3, 512, 512), image.affine), mask.array)


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: case[0])
def test_dicom_series_match_their_references(data_root: Path, case: tuple[str, ...]) -> None:
    found = match(data_root, case[0], case[1:])
    assert found.equal == found.voxels
    assert found.affine_mm < 1e-4


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: case[0])
def test_the_elements_read_for_a_slice_are_all_that_matter(data_root: Path, case: tuple[str, ...]) -> None:
    for path in files_in(data_root / case[0])[:3]:
        (whole, pixels), (part, same) = open_pixels(path), open_pixels(path, PLANE_TAGS)
        assert len(part) < len(whole)
        assert (pixels, planes_of(whole, 0)) == (same, planes_of(part, 0))
        assert Modality.of(whole).__dict__ == Modality.of(part).__dict__


@pytest.mark.parametrize(
    ("folder", "policy", "words"),
    [
        ("gantrytilting/001", "refuse", "refused, tilted: 14 degrees"),
        ("gantrytilting/001", "nearest", "read as 4 x 521 x 512 (tilted, nearest: 14 degrees)"),
        ("slicecount/001", "refuse", "read as 2 x 256 x 256 (exactly)"),
        ("sliceincrement/001", "refuse", "refused, missing-slices: 1 positions"),
        ("sliceincrement/001", "resample", "read as 5 x 512 x 512 (missing-slices, resample: 1 positions)"),
        ("sliceincrement/002", "refuse", "refused, missing-slices: 1 positions"),
        (
            "sliceincrement/002",
            "resample",
            "read as 5 x 514 x 512 (missing-slices, resample: 1 positions; tilted, resample: 15.5 degrees)",
        ),
        ("sliceorientation/001", "refuse", "refused, mixed-orientation: 97.5 degrees"),
        ("sliceorientation/001", "nearest", "read as 2 x 288 x 288 (mixed-orientation, split: 97.5 degrees)"),
    ],
)
def test_series_with_faults_end_as_documented(data_root: Path, folder: str, policy: str, words: str) -> None:
    assert outcome(data_root, folder, policy) == words


def test_ten_volumes_in_one_folder_and_mosaics_beside_them(data_root: Path, tmp_path: Path) -> None:
    root = data_root / "dcm_qa_nih"
    found = inventory_of(root, repeats="all")
    volumes = [row for row in found.index if row["format"] == "dicom"]
    assert Counter(row["n_slices"] for row in volumes) == {15: 10, 5: 8}
    assert {"side-file"} == set(reasons_by_path(found).values()) - {"no-patient"}
    paths = paths_of(found, root, tmp_path)
    assert all(read_series(row, paths).array.shape[0] == row["n_slices"] for row in volumes)


def test_hippocampi_are_grouped_into_persons(data_root: Path) -> None:
    root = data_root / "hippocampus_msd"
    found = inventory_of(root, patient_from="table", patient_table=root / "patients.csv", modality="MR")
    assert len(found.index) == 195
    assert len({row["patient_key"] for row in found.index}) == 121
    assert all(len(row["mask_ids"]) == 1 and row["mask_kind"] == "nifti" for row in found.index)
    assert found.notes["patient_table"] == {"rows": 195, "rows_without_series": 0, "series_without_row": 0}
    assert {row["reason"] for row in found.rejects} == {"side-file"}


def test_hippocampus_masks_fit_their_images(data_root: Path, tmp_path: Path) -> None:
    root = data_root / "hippocampus_msd"
    found = inventory_of(root, patient_from="regex", patient_regex="hippocampus_([0-9]+)")
    paths = paths_of(found, root, tmp_path)
    structures = StructureSettings(names=("anterior", "posterior"))
    for row in islice(found.index, 20):
        image = read_series(row, paths)
        mask = read_mask(row, paths, structures, image)
        assert mask is not None
        assert mask.array.shape == image.array.shape
        assert set(np.unique(mask.array)) == {0, 1, 2}


def test_lung_patches_are_row_numbered_pictures(data_root: Path) -> None:
    found = inventory_of(data_root / "lidc_nodule_patches", patient_from="rows", rows_per_patient=620)
    assert len(found.index) == 6492
    assert all(row["row_number"] is not None for row in found.index)
    sizes = [(row["rows"], row["cols"]) for row in found.index]
    assert sizes.count((50, 50)) == 6491
    assert len({coin_split(row["patient_key"], CohortSettings()) for row in found.index}) == 3


def test_single_ct_slices_of_two_vendors(data_root: Path) -> None:
    root = data_root / "tcga_luad_ct_dicom"
    found = inventory_of(root)
    assert len(found.index) == len({row["patient_key"] for row in found.index}) == 15
    assert {(row["n_slices"], row["modality"]) for row in found.index} == {(1, "CT")}
