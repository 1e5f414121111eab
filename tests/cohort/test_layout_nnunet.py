"""MSD and nnU-Net raw data in miniature: channels, endings, lists of files, splits; and the real hippocampus set."""

from __future__ import annotations

import json
from pathlib import Path

import nrrd
import numpy as np
import pytest

from radgen.cohort.settings import StructureSettings
from radgen.errors import CohortError, InputError
from tests.cohort.layouts_toys import Taken, take
from tests.cohort.toys import picture, stored_volume, write_nifti, write_picture

PARTS = StructureSettings(names=("anterior", "posterior"))


def labels(number: int = 1) -> np.ndarray:
    made = np.zeros((4, 6, 5), dtype=np.uint8)
    made[0, 1:4, 2], made[3, 5, :number] = 1, 2
    return made


def taken(folder: Path, **own: object) -> Taken:
    return take(folder, "nnunet", patient_from="regex", patient_regex=r"(case_?\d+|\w+_\d{3})", **own)


def write_cases(folder: Path, channels: int) -> None:
    for case in (1, 2):
        for channel in range(channels):
            write_nifti(folder / "imagesTr" / f"case_{case}_{channel:04d}.nii.gz", stored_volume())
        write_nifti(folder / "labelsTr" / f"case_{case}.nii.gz", labels(case))
    write_nifti(folder / "imagesTs" / "case_3_0000.nii.gz", stored_volume())


def test_channels_of_a_case_share_its_labels_and_have_modalities_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset042_Lesions"
    write_cases(folder, channels=2)
    about = {"channel_names": {"0": "CT", "1": "PET"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(about))
    (folder / "splits_final.json").write_text(json.dumps([{"train": ["case_1"], "val": ["case_2"]}, {"train": []}]))
    found = taken(tmp_path, channel=None)
    by_name = {path.rpartition("/")[2]: row for path, row in found.series.items()}
    assert {name: (row["modality"], row["given_split"]) for name, row in by_name.items()} == {
        "case_1_0000.nii.gz": ("CT", "train"),
        "case_1_0001.nii.gz": ("PT", "train"),
        "case_2_0000.nii.gz": ("CT", "val"),
        "case_2_0001.nii.gz": ("PT", "val"),
        "case_3_0000.nii.gz": ("CT", "test"),
    }
    assert by_name["case_1_0001.nii.gz"]["class_value"] == "PT/dataset042_lesions"
    for channel in (0, 1):
        path = f"Dataset042_Lesions/imagesTr/case_2_000{channel}.nii.gz"
        np.testing.assert_array_equal(found.mask(path, PARTS), labels(2))
    first = taken(tmp_path)
    assert {path[-12:] for path in first.series} == {"_0000.nii.gz"}
    assert [path for path in first.rejects if "0001" in path] == [
        f"Dataset042_Lesions/imagesTr/case_{case}_0001.nii.gz" for case in (1, 2)
    ]


def test_msd_numbers_are_no_channels(tmp_path: Path) -> None:
    for case in ("prostate_0001", "prostate_0002"):
        write_nifti(tmp_path / "imagesTr" / f"{case}.nii.gz", stored_volume())
        write_nifti(tmp_path / "labelsTr" / f"{case}.nii.gz", labels())
    about = {"name": "PROSTATE", "modality": {"0": "T2", "1": "ADC"}, "labels": {"0": "background", "1": "PZ"}}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    found = taken(tmp_path)
    assert {row["class_value"] for row in found.series.values()} == {"MR/prostate"}
    for path in found.series:
        np.testing.assert_array_equal(found.mask(path, PARTS), labels())
    assert found.rejects == {"dataset.json": "side-file"}


def test_nrrd_is_an_ending(tmp_path: Path) -> None:
    for part, name, array in (("imagesTr", "case_1_0000", stored_volume()), ("labelsTr", "case_1", labels())):
        (tmp_path / part).mkdir()
        header = {"space": "left-posterior-superior", "space directions": np.eye(3), "space origin": [0, 0, 0]}
        nrrd.write(str(tmp_path / part / f"{name}.nrrd"), array, header)
    found = taken(tmp_path)
    np.testing.assert_array_equal(found.mask("imagesTr/case_1_0000.nrrd", PARTS), labels())


def test_pictures_have_pictures_of_labels(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"channel_names": {"0": "R", "1": "G", "2": "B"}}))
    shown = np.zeros((20, 20), dtype=np.uint8)
    shown[3, 5:9] = 2
    write_picture(tmp_path / "imagesTr" / "case_1_0000.png", picture(1))
    write_picture(tmp_path / "labelsTr" / "case_1.png", shown)
    found = taken(tmp_path)
    mask = found.mask("imagesTr/case_1_0000.png", PARTS)
    assert mask is not None
    image = found.image("imagesTr/case_1_0000.png")
    assert mask.shape == image.shape[:3]
    # Wherever the label is, the image has the pixels of that place.
    np.testing.assert_array_equal(image.squeeze()[mask.squeeze() == 2], picture(1)[3, 5:9])


def test_files_listed_one_by_one_are_found_where_they_lie(tmp_path: Path) -> None:
    write_nifti(tmp_path / "raw" / "case7" / "ct.nii.gz", stored_volume())
    write_nifti(tmp_path / "raw" / "case7" / "liver.nii.gz", labels())
    listed = {"case7": {"images": ["../raw/case7/ct.nii.gz"], "label": "../raw/case7/liver.nii.gz"}}
    (tmp_path / "Dataset001_X").mkdir()
    (tmp_path / "Dataset001_X" / "dataset.json").write_text(
        json.dumps({"channel_names": {"0": "CT"}, "dataset": listed | {"gone": {"images": ["../../etc/passwd"]}}})
    )
    found = taken(tmp_path)
    np.testing.assert_array_equal(found.mask("raw/case7/ct.nii.gz", PARTS), labels())


def test_nobody_is_named(tmp_path: Path) -> None:
    write_cases(tmp_path, channels=1)
    with pytest.raises(CohortError, match="patient_from: layout finds no patient for any of 3 series"):
        take(tmp_path, "nnunet")


@pytest.mark.parametrize("text", ["{", '{"modality": 3, "dataset": [], "name": null}', "[]"])
def test_a_damaged_description_says_so_or_does_no_harm(tmp_path: Path, text: str) -> None:
    write_cases(tmp_path, channels=1)
    (tmp_path / "dataset.json").write_text(text)
    if text == "{":
        with pytest.raises(InputError, match="a json file is none"):
            taken(tmp_path)
    else:
        assert len(taken(tmp_path).series) == 3


@pytest.mark.realdata
def test_the_real_hippocampus_is_as_without_a_layout(data_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hippocampus"
    folder.symlink_to(data_root / "hippocampus_msd")
    found, plain = (
        take(folder, layout, patient_from="regex", patient_regex=r"_(\d+)", modality="MR")
        for layout in ("nnunet", "auto")
    )
    assert len(found.series) == 195
    told = {"class_value", "given_split"}
    assert [{key: row[key] for key in row.keys() - told} for row in found.inventory.index] == [
        {key: row[key] for key in row.keys() - told} for row in plain.inventory.index
    ]
