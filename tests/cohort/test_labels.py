"""Where a class comes from: folder, tag or table, with both sides of a table accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from radgen.cohort.labels import label_series
from radgen.cohort.settings import ClassSettings
from radgen.errors import CohortError


def one(path: str, **row: Any) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    told = row.pop("class_value", "")
    values = {"series_key": "sk", "study_key": "tk", "patient_key": "pk", "file_ids": ["f"]} | row
    return [values], {"f": {"path": path, "patient": "P1", "study": "T1", "series": "S1", "class_value": told}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nodule/a.png", "nodule"),
        ("set/CT/benign/deep/a.dcm", "other"),
        ("nodule/benign/a.png", "other"),  # the nearer folder says it
        ("benign/nodule/a.png", "nodule"),
        ("set/abd/normal/a.png", "abdomen"),
        ("set/lung/normal/a.png", None),
        ("elsewhere/nodule.png", None),
    ],
)
def test_the_nearest_class_folder_decides(path: str, expected: str | None) -> None:
    classes = ClassSettings(
        by="folder", names=("nodule", "other", "abdomen"), values={"other": ("benign",), "abdomen": ("abd/normal",)}
    )
    rows, files = one(path)
    names, problems, _ = label_series(rows, files, classes, None)
    assert names == [expected]
    assert (problems[0] is None) == (expected is not None)


@pytest.mark.parametrize(("value", "expected"), [("IV", "contrast"), ("NONE", "plain"), ("ORAL", None), ("", None)])
def test_a_tag_decides(value: str, expected: str | None) -> None:
    classes = ClassSettings(by="tag", names=("contrast", "plain"), values={"contrast": ("IV",), "plain": ("NONE",)})
    names, _, _ = label_series(*one("a.dcm", class_value=value), classes, None)
    assert names == [expected]


@pytest.mark.parametrize("by", ["mask", "position"])
def test_classes_by_slice_are_left_open(by: str) -> None:
    names, problems, _ = label_series(*one("a.nii"), ClassSettings(by=by), None)
    assert (names, problems) == ([None], [None])


@pytest.mark.parametrize(
    ("key", "name"),
    [("patient", "P1"), ("patient", "pk"), ("study", "T1"), ("series", "S1"), ("file", "b.nii"), ("file", "a/b.nii")],
)
def test_a_table_is_matched_by_any_key_and_counts_both_sides(tmp_path: Path, key: str, name: str) -> None:
    (tmp_path / "labels.csv").write_text(f"{key},label\n{name},sick\nnobody,well\n")
    classes = ClassSettings(by="table", key=key, names=("well", "sick"))
    rows, files = one("a/b.nii")
    more = {**rows[0], "file_ids": ["g"], "patient_key": "p2", "study_key": "t2", "series_key": "s2"}
    files["g"] = {"path": "a/c.nii", "patient": "P2", "study": "T2", "series": "S2"}
    names, problems, notes = label_series([*rows, more], files, classes, tmp_path / "labels.csv")
    assert names == ["sick", None]
    assert problems[1] == "table: says nothing of the class"
    assert notes["labels_table"] == {"rows": 2, "rows_without_series": 1, "series_without_row": 1}


def test_files_of_one_series_with_two_labels_have_none(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label\na.dcm,sick\nb.dcm,well\n")
    rows, files = one("a.dcm", file_ids=["f", "g"])
    files["g"] = {"path": "b.dcm"}
    classes = ClassSettings(by="table", key="file", names=("well", "sick"))
    names, problems, _ = label_series(rows, files, classes, tmp_path / "labels.csv")
    assert names == [None]
    assert problems == ["table: says 2 classes at once (sick, well)"]


def test_a_missing_table_is_asked_for() -> None:
    with pytest.raises(CohortError, match="name a CSV with columns study,label"):
        label_series(*one("a.dcm"), ClassSettings(by="table", key="study"), None)
