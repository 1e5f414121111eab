"""AutoPET: both releases in miniature, alone and with organ labels from a second archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort.settings import StructureSettings
from radgen.errors import InputError
from tests.cohort.layouts_toys import take
from tests.cohort.toys import stored_volume, write_nifti

LESION = StructureSettings(names=("lesion",))
STUDIES = ("PETCT_01/05-02-2002 NA-PET-CT primaer mit KM-1", "PETCT_01/09-11-2003-NA-2", "PETCT_02/05-02-2002-NA-3")


def lesion(number: int) -> NDArray[np.uint8]:
    mask = np.zeros((4, 6, 5), dtype=np.uint8)
    mask[number, 1:3, 4] = 1
    return mask


def write_studies(folder: Path) -> None:
    for number, study in enumerate(STUDIES):
        for name in ("CTres", "SUV", "PET"):
            write_nifti(folder / study / f"{name}.nii.gz", stored_volume())
        write_nifti(folder / study / "CT.nii.gz", stored_volume(8, 12, 10))
        write_nifti(folder / study / "SEG.nii.gz", lesion(number))


def test_ct_and_suv_of_a_study_share_its_mask(tmp_path: Path) -> None:
    write_studies(tmp_path / "FDG-PET-CT-Lesions")
    taken = take(tmp_path, "autopet")
    ct = [f"FDG-PET-CT-Lesions/{study}/CTres.nii.gz" for study in STUDIES]
    suv = [path.replace("CTres", "SUV") for path in ct]
    assert set(taken.series) == {*ct, *suv}
    assert [taken.patients[path] for path in ct] == ["PETCT_01", "PETCT_01", "PETCT_02"]
    assert {taken.series[path]["modality"] for path in ct} == {"CT"}
    assert {(taken.series[path]["modality"], taken.series[path]["class_value"]) for path in suv} == {
        ("PT", "PT/wholebody")
    }
    for number in range(3):
        for path in (ct[number], suv[number]):
            np.testing.assert_array_equal(taken.mask(path, LESION), lesion(number))
    assert set(taken.rejects.values()) == {"side-file"}
    assert {path.rpartition("/")[2] for path in taken.rejects} == {"CT.nii.gz", "PET.nii.gz"}


def test_a_modality_chooses_among_those_of_the_layout(tmp_path: Path) -> None:
    write_studies(tmp_path)
    taken = take(tmp_path, "autopet", first={"modality": "CT"})
    assert {path.rpartition("/")[2] for path in taken.series} == {"CTres.nii.gz"}
    suv = [path for path in taken.rejects if path.endswith("SUV.nii.gz")]
    assert [taken.rejects[path] for path in suv] == ["side-file"] * 3


def test_a_lesion_is_not_the_first_organ(tmp_path: Path) -> None:
    write_studies(tmp_path)
    taken = take(tmp_path, "autopet")
    with pytest.raises(InputError, match="unknown labels lesion"):
        taken.mask(f"{STUDIES[0]}/SUV.nii.gz", StructureSettings(names=("spleen",)))


@pytest.mark.parametrize(("channel", "modality"), [(0, "CT"), (1, "PT")])
def test_the_flat_release_names_tracer_patient_and_study(tmp_path: Path, channel: int, modality: str) -> None:
    cases = ("fdg_0b57b2_05-02-2002-NA-PET-CT Ganzkoerper  primaer mit KM-42966", "psma_95b833_2018-04-16")
    for number, case in enumerate(cases):
        for other in range(2):
            write_nifti(tmp_path / "imagesTr" / f"{case}_000{other}.nii.gz", stored_volume())
        write_nifti(tmp_path / "labelsTr" / f"{case}.nii.gz", lesion(number))
    (tmp_path / "splits_final.json").write_text("[]")
    taken = take(tmp_path, "autopet", channel=channel)
    paths = [f"imagesTr/{case}_000{channel}.nii.gz" for case in cases]
    assert taken.patients == dict(zip(paths, ["fdg_0b57b2", "psma_95b833"], strict=True))
    assert {row["modality"] for row in taken.series.values()} == {modality}
    for number, path in enumerate(paths):
        np.testing.assert_array_equal(taken.mask(path, LESION), lesion(number))
    others = [f"imagesTr/{case}_000{1 - channel}.nii.gz" for case in cases]
    assert {path: taken.rejects[path] for path in others} == dict.fromkeys(others, "side-file")
