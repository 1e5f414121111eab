"""NIfTI, nnU-Net and DICOM, opened by nibabel, SimpleITK, pydicom and highdicom."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name

from radgen.errors import InputError
from radgen.export.examples import ExportSet
from radgen.export.nnunet_check import check_dataset
from radgen.export.placed import Options
from radgen.export.run import export
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from tests.export.toys import HEIGHT, STRUCTURES, WIDTH, painted, picture, write_pairs, write_slices

NAMES = [f"main_image_{number:06d}" for number in range(20)]


def test_nifti_is_one_slice_of_the_same_header(tmp_path: Path) -> None:
    export(ExportSet(write_pairs(tmp_path / "set")), "nifti", tmp_path / "out", Options("toy"))
    for number, name in enumerate(NAMES):
        image = nibabel.load(tmp_path / "out" / "images" / f"{name}.nii.gz")
        mask = nibabel.load(tmp_path / "out" / "masks" / f"{name}.nii.gz")
        assert np.array_equal(np.asarray(image.dataobj)[:, :, 0].T, picture(number)[0])
        assert np.array_equal(np.asarray(mask.dataobj)[:, :, 0].T, painted(number))
        assert np.array_equal(image.affine, mask.affine)
        assert image.header["qform_code"] == image.header["sform_code"] == 1
        assert np.array_equal(image.get_qform(), image.get_sform())
        assert image.header.get_zooms() == (0.75, 1.5, 1.0)
        assert bytes(image.header["descrip"]).startswith(b"SYNTHETIC")
        said = json.loads(image.header.extensions[0].get_content())
        assert said["truncation"] == "0.7"
    seen = sitk.ReadImage(str(tmp_path / "out" / "images" / f"{NAMES[3]}.nii.gz"))
    assert seen.GetSpacing() == (0.75, 1.5, 1.0)
    assert seen.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert np.array_equal(sitk.GetArrayFromImage(seen)[0], picture(3)[0])


@pytest.fixture(scope="module")
def nnunet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nnunet")
    index = write_slices(folder / "set", 16)
    export(ExportSet(index), "nnunet", folder / "out", Options("liver-slices", 7), real=True)
    return folder / "out" / "Dataset007_liver_slices"


def test_nnunet_has_every_case_on_the_grid_of_its_mask(nnunet: Path) -> None:
    facts = json.loads((nnunet / "dataset.json").read_text())
    assert facts["labels"] == {"background": 0} | {name: place for place, name in enumerate(STRUCTURES, start=1)}
    assert facts["channel_names"] == {"0": "grey"}
    assert facts["description"].startswith("Real image")
    assert facts["numTraining"] == len(list((nnunet / "imagesTr").iterdir())) == 42
    assert len(list((nnunet / "imagesTs").iterdir())) == len(list((nnunet / "labelsTs").iterdir())) == 6
    for patient in range(16):
        for number in range(3):
            part = "Ts" if patient % 8 == 7 else "Tr"
            name = f"series{patient}-{number:04d}"
            image = sitk.ReadImage(str(nnunet / f"images{part}" / f"{name}_0000.nii.gz"))
            mask = sitk.ReadImage(str(nnunet / f"labels{part}" / f"{name}.nii.gz"))
            assert image.GetDimension() == 2  # which nnU-Net's reader takes as a slice
            assert image.GetSpacing() == mask.GetSpacing() == (2.0, 2.0)
            assert image.GetOrigin() == mask.GetOrigin()
            assert image.GetDirection() == mask.GetDirection() == (1, 0, 0, 1)
            assert np.array_equal(sitk.GetArrayFromImage(image), picture(3 * patient + number)[0])
            assert np.array_equal(sitk.GetArrayFromImage(mask), painted(3 * patient + number))


def test_nnunet_folds_keep_patients_whole_and_validate_every_case_once(nnunet: Path) -> None:
    folds = json.loads((nnunet / "splits_final.json").read_text())
    cases = {path.name.removesuffix(".nii.gz") for path in (nnunet / "labelsTr").iterdir()}
    assert len(folds) == 5
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(cases)
    for fold in folds:
        assert set(fold["train"]) | set(fold["val"]) == cases
        assert not {case.split("-")[0] for case in fold["train"]} & {case.split("-")[0] for case in fold["val"]}
    assert {case.split("-")[0] for case in folds[0]["val"]} == {"series6", "series14"}  # the set's own split


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def _repaint(path: Path, change: Callable[[Any], Any]) -> None:
    sitk.WriteImage(change(sitk.ReadImage(str(path))), str(path))


def _spaced(image: Any) -> Any:
    image.SetSpacing((2.0, 2.5))
    return image


MASK = "labelsTr/series0-0000.nii.gz"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no mask": (lambda d: (d / MASK).unlink(), "case series0-0000 has no mask"),
    "no image": (lambda d: (d / "imagesTr/series0-0000_0000.nii.gz").unlink(), "41 cases, but .* numTraining 42"),
    "no channel": (
        lambda d: (d / "imagesTr/series0-0000_0000.nii.gz").rename(d / "imagesTr/series0-0000_0001.nii.gz"),
        r"case series0-0000 has channels \['0001'\], but \['0000'\]",
    ),
    "label 255": (lambda d: _repaint(d / MASK, lambda m: m * 255), r"holds label 254|holds label 255"),
    "size": (lambda d: _repaint(d / MASK, lambda m: m[:-1, :]), r"size is \(17, 12\), but its mask has \(16, 12\)"),
    "spacing": (lambda d: _repaint(d / MASK, _spaced), r"spacing is \(2.0, 2.0\), but its mask has \(2.0, 2.5\)"),
    "gap": (
        lambda d: _rewrite(d / "dataset.json", lambda f: f | {"labels": {"background": 0, "liver": 2}}),
        r"label ids are \[0, 2\], but must be consecutive",
    ),
    "background": (
        lambda d: _rewrite(d / "dataset.json", lambda f: f | {"labels": {"liver": 0}}),
        "background is label None",
    ),
    "key": (
        lambda d: _rewrite(d / "dataset.json", lambda f: {k: v for k, v in f.items() if k != "file_ending"}),
        "key 'file_ending' is missing",
    ),
    "torn": (
        lambda d: _rewrite(d / "splits_final.json", lambda f: [{"train": ["series0-0000"], "val": ["series0-0001"]}]),
        "fold 0 has images of 1 patients in train and in val",
    ),
    "both": (
        lambda d: _rewrite(d / "splits_final.json", lambda f: [{"train": ["series0-0000"], "val": ["series0-0000"]}]),
        "fold 0 has case series0-0000 in train and in val",
    ),
    "unknown": (
        lambda d: _rewrite(d / "splits_final.json", lambda f: [{"train": ["other"], "val": []}]),
        "fold 0 names case other, which imagesTr lacks",
    ),
    "damaged": (lambda d: (d / MASK).write_bytes(b"no"), "SimpleITK cannot read it"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_checker_names_what_nnunet_would_refuse(tmp_path: Path, nnunet: Path, name: str) -> None:
    import shutil

    copy = tmp_path / "Dataset007_liver_slices"
    shutil.copytree(nnunet, copy)
    groups = {p.name.removesuffix(".nii.gz"): p.name.split("-")[0] for p in (copy / "labelsTr").iterdir()}
    check_dataset(copy, groups)
    change, says = BROKEN[name]
    change(copy)
    with pytest.raises(InputError, match=says):
        check_dataset(copy, groups)


def test_nnunet_takes_several_channels(tmp_path: Path) -> None:
    export(ExportSet(write_pairs(tmp_path / "set", channels=2)), "nnunet", tmp_path / "out", Options("toy"))
    folder = tmp_path / "out" / "Dataset900_toy"
    assert json.loads((folder / "dataset.json").read_text())["channel_names"] == {"0": "channel_0", "1": "channel_1"}
    for path in (folder / "imagesTr").glob("*_0001.nii.gz"):
        number = NAMES.index(path.name.removesuffix("_0001.nii.gz"))
        assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), picture(number, 2)[1])


def test_nnunet_wants_masks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no masks, but nnU-Net learns masks; .*pairs"):
        export(ExportSet(write_pairs(tmp_path / "set", masks=False)), "nnunet", tmp_path / "out", Options("toy"))


def test_dicom_opens_says_that_it_is_synthetic_and_aligns(tmp_path: Path) -> None:
    export(ExportSet(write_pairs(tmp_path / "set")), "dicom", tmp_path / "out", Options("toy"))
    uids = set()
    for number, name in enumerate(NAMES):
        image = pydicom.dcmread(tmp_path / "out" / "images" / f"{name}.dcm")
        assert np.array_equal(image.pixel_array, picture(number)[0])
        assert list(image.ImageType) == ["DERIVED", "SECONDARY", "SYNTHETIC"]
        assert (image.ConversionType, image.SyntheticData) == ("SYN", "YES")
        assert image.SeriesDescription.startswith("SYNTHETIC")
        assert "shows no patient" in image.ContributingEquipmentSequence[0].ContributionDescription
        assert image.PatientName.family_name == "SYNTHETIC"
        assert "truncation 0.7" in image.DerivationDescription
        uids |= {image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID, image.FrameOfReferenceUID}
        path = tmp_path / "out" / "segmentations" / f"{name}.dcm"
        if not painted(number).any():
            assert not path.exists()
            continue
        found = highdicom.seg.segread(path)
        uids.add(found.SOPInstanceUID)
        assert found.SyntheticData == "YES"
        clock = {str(e.value) for e in found.iterall() if e.VR in {"DA", "TM", "DT"} and e.value}
        assert clock == {"20000101", "000000"}  # no date of writing
        assert found.FrameOfReferenceUID == image.FrameOfReferenceUID
        labels = [found.get_segment_description(k).segment_label for k in found.segment_numbers]
        assert labels == list(STRUCTURES)
        pixels = found.get_pixels_by_source_instance([image.SOPInstanceUID], combine_segments=True)[0]
        assert np.array_equal(pixels, painted(number))
    assert len(uids) == 4 * 20 + 16


def test_simpleitk_sees_image_and_segmentation_in_one_place(tmp_path: Path) -> None:
    export(ExportSet(write_pairs(tmp_path / "set")), "dicom", tmp_path / "out", Options("toy"))
    image = sitk.ReadImage(str(tmp_path / "out" / "images" / f"{NAMES[2]}.dcm"))
    assert image.GetSize() == (WIDTH, HEIGHT, 1)
    assert image.GetSpacing()[:2] == (0.75, 1.5)
    assert np.array_equal(sitk.GetArrayFromImage(image)[0], picture(2)[0])
    volume = highdicom.seg.segread(tmp_path / "out" / "segmentations" / f"{NAMES[2]}.dcm").get_volume(
        combine_segments=True
    )
    assert np.array_equal(volume.array[0], painted(2))
    # highdicom's axes are slice, row, column in LPS, SimpleITK's the other way about; one slice has no order.
    assert np.allclose(volume.spacing[::-1], image.GetSpacing())
    assert np.allclose(volume.position, image.GetOrigin())
    in_plane = np.asarray(image.GetDirection()).reshape(3, 3)[:, :2]
    assert np.allclose(volume.direction[:, :0:-1], in_plane)


def test_known_structures_get_the_code_of_the_dictionary(tmp_path: Path) -> None:
    export(ExportSet(write_pairs(tmp_path / "set", 1)), "dicom", tmp_path / "out", Options("toy"))
    found = highdicom.seg.segread(tmp_path / "out" / "segmentations" / f"{NAMES[0]}.dcm")
    liver, other = (found.get_segment_description(k).segmented_property_type for k in (1, 2))
    assert (liver.value, liver.scheme_designator) == ("10200004", "SCT")
    assert (other.value, other.scheme_designator, other.meaning) == ("L2", "99RADGEN", "odd thing")


def test_real_dicom_holds_pseudonyms_and_says_real(tmp_path: Path) -> None:
    export(ExportSet(write_slices(tmp_path / "set", 2)), "dicom", tmp_path / "out", Options("toy"), real=True)
    one, two = (pydicom.dcmread(tmp_path / "out" / "images" / f"series1-{k:04d}.dcm") for k in (0, 1))
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.SeriesInstanceUID != two.SeriesInstanceUID
    assert (one.PatientID, one.PatientIdentityRemoved, one.SyntheticData) == (f"{1:016x}", "YES", "NO")
    assert list(one.ImageType) == ["DERIVED", "SECONDARY", "REAL"]


def test_colour_dicom(tmp_path: Path) -> None:
    export(ExportSet(write_pairs(tmp_path / "set", 1, channels=3)), "dicom", tmp_path / "out", Options("toy"))
    image = pydicom.dcmread(tmp_path / "out" / "images" / f"{NAMES[0]}.dcm")
    assert image.PhotometricInterpretation == "RGB"
    assert np.array_equal(image.pixel_array, picture(0, 3).transpose(1, 2, 0))


def test_letters_that_part_values_in_dicom_do_not_enter(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    row = {"image_id": "a^b=c\\d", "source": "main", "class_name": "one\\two\nthree"}
    with ShardWriter(folder, "shard-000", (1, HEIGHT, WIDTH), with_masks=False) as writer:
        writer.append(row, picture(0))
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    export(ExportSet(folder / "index.parquet"), "dicom", tmp_path / "out", Options("toy"))
    image = pydicom.dcmread(tmp_path / "out" / "images" / "a-b-c-d.dcm")
    assert image.PatientID == "a b c d"
    assert image.SeriesDescription == "SYNTHETIC one two three"
    assert image.PatientName.given_name == "a b c d"
