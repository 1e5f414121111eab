"""`radgen init` writes a configuration that is read back as what the archive holds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radgen.commands import init
from radgen.config import StudyConfig, read_config
from tests.cohort.test_nrrd import write_nrrd
from tests.cohort.toys import picture, stored_volume, write_nifti, write_picture

# Words that YAML reads as truth, nothing, numbers, dates or structure when they are not quoted.
AWKWARD = ("no", "yes", "null", "0", "007", "1e3", "2024-01-01", "a: b", "c #d", "[e", "f, g", "'h'", "ü")
FOUND = init.Found(
    files=3,
    refused=0,
    series=3,
    formats=Counter({"nifti": 3}),
    modalities=Counter({"MR": 3}),
    folders=Counter(),
    structures={},
    tables=(),
)


def read_back(folder: Path, archive: Path, found: init.Found, study: str = "study") -> StudyConfig:
    path = folder / "study.yaml"
    path.write_text(init.configuration(study, archive, folder / "study.key", found), encoding="utf-8")
    return read_config(path)


def test_a_picture_archive_of_awkward_names_gives_a_configuration_that_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, out = tmp_path / "2024", tmp_path / "study.yaml"
    for number, name in enumerate(AWKWARD):
        write_picture(archive / name / "a.png", picture(number))
    assert init.main([str(archive), "--out", str(out), "--workers", "1"]) == 0
    config = read_config(out)
    assert (config.study, config.archive) == ("2024", str(archive))
    assert config.classes.names == tuple(sorted(AWKWARD))
    assert f"0 of {len(AWKWARD)} files refused" in capsys.readouterr().out


def test_files_set_aside_do_not_count_as_refused(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "SOURCE.txt").write_text("where the pictures come from")
    assert init.look_through(tmp_path, workers=1).refused == 0
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert init.look_through(tmp_path, workers=1).refused == 1


@pytest.mark.parametrize("name", AWKWARD)
def test_paths_and_tables_keep_their_names(tmp_path: Path, name: str) -> None:
    config = read_back(tmp_path, Path(name), replace(FOUND, tables=(name,)), study="007")
    assert (config.study, config.archive, config.patient_table) == ("007", name, name)


@pytest.mark.parametrize("label", ["no", "0", '"Liver" \\ left', "Leber: rechts"])
def test_structures_keep_their_labels(tmp_path: Path, label: str) -> None:
    name = init._word(label)
    config = read_back(tmp_path, tmp_path, replace(FOUND, structures={"on": "on", name: label}))
    assert config.structures.names == ("on", name)
    assert config.structures.map == {"on": (1, "on"), name: (2, label)}
    assert config.classes.structure == name


@pytest.mark.parametrize(("format_", "name"), [("nifti", "a_0001.nii.gz"), ("nrrd", "a.nrrd"), ("npy", "a.npy")])
def test_a_file_of_one_volume_names_its_patient(tmp_path: Path, format_: str, name: str) -> None:
    config = read_back(tmp_path, tmp_path, replace(FOUND, formats=Counter({format_: 3})))
    match = re.search(config.inventory.patient_regex, f"folder/{name}")
    assert match is not None
    assert match[1] == "a"
    assert config.slices.background == ("none" if format_ == "npy" else "body")


def test_a_folder_names_its_patient_where_files_are_called_the_same(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for patient in ("p1", "p2"):
        write_nifti(archive / patient / "ct.nii.gz", stored_volume(4, 6, 5), np.eye(4))
    config = read_back(tmp_path, archive, init.look_through(archive, workers=1))
    match = re.search(config.inventory.patient_regex, "p1/ct.nii.gz")
    assert match is not None
    assert match[1] == "p1"


def test_structures_are_named_by_the_segments_of_nrrd_files(tmp_path: Path) -> None:
    ones = np.ones((5, 6, 7), np.uint8)
    for case in ("a", "b"):
        write_nrrd(tmp_path / case / "ct.nrrd", ones)
        segments = {"Segment0_Name": "Left kidney", "Segment0_LabelValue": "1", "Segment0_Layer": "0"}
        write_nrrd(tmp_path / case / "mask.seg.nrrd", ones, **segments)
    assert init.look_through(tmp_path, workers=1).structures == {"left_kidney": "Left kidney"}


@pytest.mark.parametrize(("layout", "expected"), [("radimagenet", "none"), ("tdid", "layout")])
def test_a_layout_that_names_nobody_makes_no_claim_by_patient(tmp_path: Path, layout: str, expected: str) -> None:
    write_picture(tmp_path / "set" / "US" / "thyroid" / "7_1.jpg", picture(1))
    (tmp_path / "set" / "RadiologyAI_train.csv").write_text("filename,label\nradiology_ai/US/thyroid/7_1.jpg,thyroid\n")
    found = init.look_through(tmp_path / "set", 1, layout)
    assert read_back(tmp_path, tmp_path / "set", found).inventory.patient_from == expected
