"""MRNet in miniature: three planes an exam, three tables without a header, one class of three labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.errors import InputError
from tests.cohort.layout_study import LayoutStudy, texture

# Exam to part and labels abnormal, acl, meniscus.
EXAMS = {
    "0000": ("train", (0, 0, 0), "normal"),
    "0001": ("train", (1, 0, 0), "abnormal"),
    "0002": ("train", (1, 1, 0), "acl"),
    "0003": ("train", (1, 0, 1), "meniscus"),
    "1130": ("valid", (1, 1, 1), "acl-meniscus"),
}
PLANES = ("axial", "coronal", "sagittal")
CLASSES = tuple(f"MR/knee/{name}" for _, _, name in EXAMS.values())


@pytest.fixture
def study(tmp_path: Path) -> LayoutStudy:
    made = LayoutStudy(tmp_path, "mrnet", CLASSES)
    for exam, (part, labels, _) in EXAMS.items():
        for number, plane in enumerate(PLANES):
            path = made.archive / part / plane / f"{exam}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, texture(3 * int(exam) + number, (2 + number, 24, 24)))
        for value, name in zip(labels, ("abnormal", "acl", "meniscus"), strict=True):
            with (made.archive / f"{part}-{name}.csv").open("a") as table:
                table.write(f"{exam},{value}\n")
    return made


def test_three_planes_are_three_series_of_one_patient(study: LayoutStudy) -> None:
    images = study.slice()
    assert sorted(study.patients().values(), key=sorted) == [{exam} for exam in EXAMS]
    assert {path: (row["class_name"], row["given_split"]) for path, row in study.series().items()} == {
        f"{part}/{plane}/{exam}.npy": (f"MR/knee/{name}", "val" if part == "valid" else "train")
        for exam, (part, _, name) in EXAMS.items()
        for plane in PLANES
    }
    assert {(row["modality"], row["anatomy"]) for row in study.series().values()} == {("MR", "knee")}
    assert len(images) == len(EXAMS) * (2 + 3 + 4)
    assert {path for path, (reason, _) in study.rejects().items() if reason == "side-file"} == {
        f"{part}-{name}.csv" for part in ("train", "valid") for name in ("abnormal", "acl", "meniscus")
    }


def test_an_exam_with_labels_that_cannot_be_or_are_missing_has_no_class(study: LayoutStudy) -> None:
    rows = (study.archive / "train-abnormal.csv").read_text()
    (study.archive / "train-abnormal.csv").write_text(rows.replace("0002,1", "0002,0").replace("0003,1\n", ""))
    study.classes = (CLASSES[0], CLASSES[1], CLASSES[4])
    study.assemble()
    aside = {path for path, (reason, _) in study.rejects().items() if reason == "no-class"}
    assert aside == {f"train/{plane}/{exam}.npy" for plane in PLANES for exam in ("0002", "0003")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exam,label\n0000,1\n", r"train-acl\.csv: row 1 is not exam,0 or exam,1"),
        ("0000,1\n0000,0\n", r"train-acl\.csv: an exam has two rows"),
        ("0000,1\n0001\n", r"train-acl\.csv: row 2 is not"),
    ],
)
def test_a_table_of_another_form_stops_the_inventory(study: LayoutStudy, text: str, message: str) -> None:
    (study.archive / "train-acl.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        study.take()
