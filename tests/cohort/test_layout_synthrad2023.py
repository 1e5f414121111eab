"""SynthRAD2023 in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radgen.cohort.settings import StructureSettings
from tests.cohort.layouts_toys import take
from tests.cohort.toys import stored_volume, write_nifti

BODY = StructureSettings(names=("body",))


def test_every_patient_has_two_images_and_one_outline(tmp_path: Path) -> None:
    outline = np.zeros((4, 6, 5), dtype=np.uint8)
    outline[1:, 2, :3] = 1
    places = {"Task1/brain/1BA001": "mr", "Task1/pelvis/1PA004": "mr", "Task2/brain/2BB010": "cbct"}
    for place, other in places.items():
        for name in (other, "ct"):
            write_nifti(tmp_path / place / f"{name}.nii.gz", stored_volume())
        write_nifti(tmp_path / place / "mask.nii.gz", outline)
    (tmp_path / "Task1" / "brain" / "overview").mkdir()
    (tmp_path / "Task1" / "brain" / "overview" / "1_brain_train.xlsx").write_bytes(b"PK")
    taken = take(tmp_path, "synthrad2023")
    assert taken.patients == {
        f"{place}/{name}.nii.gz": place[-6:] for place, other in places.items() for name in (other, "ct")
    }
    classes = {path: row["class_value"] for path, row in taken.series.items()}
    assert classes["Task1/pelvis/1PA004/mr.nii.gz"] == "MR/pelvis"
    assert classes["Task2/brain/2BB010/cbct.nii.gz"] == "CBCT/brain"
    for path in taken.series:
        np.testing.assert_array_equal(taken.mask(path, BODY), outline)
    assert taken.rejects == {"Task1/brain/overview/1_brain_train.xlsx": "side-file"}


def test_a_folder_of_one_anatomy_is_an_archive_too(tmp_path: Path) -> None:
    write_nifti(tmp_path / "Task1" / "pelvis" / "1PA004" / "ct.nii.gz", stored_volume())
    taken = take(tmp_path / "Task1" / "pelvis", "synthrad2023")
    assert taken.patients == {"1PA004/ct.nii.gz": "1PA004"}
    assert taken.series["1PA004/ct.nii.gz"]["class_value"] == "CT/pelvis"


def test_a_patient_whose_ct_is_withheld_is_still_a_patient(tmp_path: Path) -> None:
    write_nifti(tmp_path / "pelvis" / "1PC098" / "mr.nii.gz", stored_volume())
    taken = take(tmp_path, "synthrad2023", first={"modality": "MR"})
    assert taken.patients == {"pelvis/1PC098/mr.nii.gz": "1PC098"}
    assert taken.series["pelvis/1PC098/mr.nii.gz"]["anatomy"] == "PELVIS"
