"""The judge sees blur, shifts and classes of toy bodies, and the checks say so or warn."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from radgen.cohort.settings import ClassSettings
from radgen.features.network import load_features
from radgen.imageset.core import ImageSet
from radgen.metrics.judge_checks import CHECKS_SCHEMA, check_judge, check_lines, shifted
from radgen.provenance import read_manifest, saw_patients_of
from tests.features.toys import JUDGE, JudgedStudy, run_judge


def test_everything_rises_on_held_out_patients(judged: JudgedStudy) -> None:
    table = pq.read_table(judged.checks)
    assert table.schema == CHECKS_SCHEMA
    rows = table.to_pylist()
    assert [row["check"] for row in rows] == ["class_accuracy", *["blur"] * 3, *["shift"] * 3, *["wrong_class"] * 3]
    assert all(row["rises"] for row in rows), rows
    assert rows[0]["value"] > 0.8
    for name in ("blur", "shift", "wrong_class"):
        values = [row["value"] for row in rows if row["check"] == name]
        assert values == sorted(values)
    assert not any("WARNING" in line for line in check_lines(table))


def test_a_republished_judge_keeps_the_device_it_was_trained_on(judged: JudgedStudy) -> None:
    run_judge(judged.root, judged.slices, device="auto")
    run = read_manifest(judged.manifest)["run"]
    assert (run["reused"], run["device"]) == (True, "cpu")


def test_the_judge_saw_half_of_the_training_patients(judged: JudgedStudy) -> None:
    saw = saw_patients_of(judged.manifest)
    assert set(saw.pixels) == {"train"}
    assert len(saw.patients("pixels")) == len(saw.patients("labels")) == 12


def test_a_value_that_falls_is_warned_about(judged: JudgedStudy) -> None:
    rows = pq.read_table(judged.checks).to_pylist()
    rows[2] |= {"value": 0.0, "rises": False}
    lines = check_lines(pq.read_table(judged.checks).from_pylist(rows, schema=CHECKS_SCHEMA))
    assert [("WARNING: 0 is not above" in line) for line in lines] == [False, True, False, False]


def test_one_class_has_no_class_checks_and_says_why(judged: JudgedStudy) -> None:
    spots = ClassSettings(by="folder", names=("spot",))
    table = check_judge(load_features(judged.weights), ImageSet(judged.slices), spots, JUDGE)
    reasons = {row["check"]: row["reason"] for row in table.to_pylist() if row["value"] is None}
    assert set(reasons) == {"wrong_class"}
    assert any("not measured, no two classes" in line for line in check_lines(table))


def test_shifts_go_four_ways_and_keep_the_grey_levels() -> None:
    image = np.zeros((4, 1, 9, 9), dtype=np.uint8)
    image[:, :, 4, 4] = 200
    found = shifted(image, 2)
    places = [tuple(int(axis) for axis in np.argwhere(picture[0])[0]) for picture in found]
    assert places == [(4, 6), (4, 2), (6, 4), (2, 4)]
    assert found.sum() == image.sum()
