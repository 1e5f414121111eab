"""NSCLC-Radiogenomics in miniature: a TCIA tree with CT, PET and segmentation, and the clinical table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.cohort.settings import StructureSettings
from tests.cohort.layouts_toys import take
from tests.cohort.toys import item, save, segmentation, stored_volume, uid, write_series

TUMOUR = StructureSettings(names=("tumour",), map={"tumour": ("Neoplasm, Primary",)})
CLASSIC = "NSCLC Radiogenomics/R01-00{n}/09-06-1990-NA-CT CHEST ABD PELVIS-98785/{series}"
BY_UID = "manifest-1/NSCLC Radiogenomics/R01-00{n}/1.3.6.1.4.1.{n}/{series}"


def write_patient(folder: Path, pattern: str, number: int, *, pet: bool) -> None:
    """CT of a patient whose tag says another name, its SEG without a frame of reference, and maybe a PET."""
    for name, modality in (("3.000000-THORAX 1.0 B45f-95741", "CT"), ("6.000000-PET AC-12345", "PT"))[: 1 + pet]:
        series = f"{modality}-{number}"
        place = folder / pattern.format(n=number, series=name)
        for path in write_series(place, stored_volume(), series=series, Modality=modality, PatientID=f"x-{number}"):
            path.rename(path.with_name(f"1-{path.stem}.dcm"))
    seen = np.zeros((6, 5), dtype=bool)
    seen[number, 4] = True
    made = segmentation([(1, (-10.0, -20.0, 104.0), seen)], {1: "Neoplasm, Primary"}, FrameOfReferenceUID=None)
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = uid("seg", number)
    made.SeriesInstanceUID = uid("seg series", number)
    made.ReferencedSeriesSequence = [item(SeriesInstanceUID=uid(f"CT-{number}"))]
    save(folder / pattern.format(n=number, series="1000.000000-3D Slicer segmentation result-67652") / "1-1.dcm", made)


@pytest.mark.parametrize("pattern", [CLASSIC, BY_UID])
def test_ct_pet_and_segmentation_are_told_apart(tmp_path: Path, pattern: str) -> None:
    archive = tmp_path / "tcia"
    for number in (1, 2):
        write_patient(archive, pattern, number, pet=number == 2)
    (archive / "metadata.csv").write_text("Series UID,Collection\n1.2,NSCLC\n")
    (archive / "NSCLCR01Radiogenomic_DATA_LABELS.csv").write_text(
        "Case ID,Gender,Histology ,Other\nR01-001,Male,Adenocarcinoma,x\nR01-002,Male,Not Collected,x\n"
    )
    found = take(archive, "nsclc_radiogenomics")
    rows = {(found.patients[path], row["modality"]): (path, row) for path, row in found.series.items()}
    assert set(rows) == {("R01-001", "CT"), ("R01-002", "CT"), ("R01-002", "PT")}
    assert rows["R01-001", "CT"][1]["class_value"] == "CT/lung/adenocarcinoma"
    assert rows["R01-002", "CT"][1]["class_value"] == ""
    for number in (1, 2):
        mask = found.mask(rows[f"R01-00{number}", "CT"][0], TUMOUR)
        assert mask is not None
        assert np.argwhere(mask).tolist() == [[2, number, 4]]
    assert not rows["R01-002", "PT"][1]["mask_ids"]
    assert set(found.rejects) == {"metadata.csv", "NSCLCR01Radiogenomic_DATA_LABELS.csv"}


def test_an_archive_may_be_read_for_ct_alone(tmp_path: Path) -> None:
    write_patient(tmp_path / "tcia", CLASSIC, 2, pet=True)
    found = take(tmp_path / "tcia", "nsclc_radiogenomics", first={"modality": "CT"})
    assert [row["modality"] for row in found.series.values()] == ["CT"]
    assert set(found.rejects.values()) == {"side-file"}
    assert len(found.rejects) == len(stored_volume())
