"""`radgen check` runs the real inventory and cohort, counts slices, and fails with a sentence and code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from radgen.cli import main as radgen
from tests.cohort.toys import picture, write_picture

CONFIG = """
study: toy
archive: {archive}
results: {folder}/results
work: {folder}/work
patient_key: {{public: radgen toy}}
inventory: {{patient_from: regex, patient_regex: '(p\\d+)', modality: CT}}
cohort: {{min_patients: 1, min_images: 1, annotator: 0}}
classes: {{by: folder, names: [benign, malignant]}}
benchmark: {{tasks: [classification]}}
"""


def _config(folder: Path) -> Path:
    archive = folder / "archive"
    for number in range(60):
        name = ("benign", "malignant")[number % 2]
        write_picture(archive / name / f"p{number:02d}.png", picture(number))
    config = folder / "toy.yaml"
    config.write_text(CONFIG.format(archive=archive, folder=folder))
    return config


def test_a_good_study_passes_every_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert radgen(["check", str(_config(tmp_path))]) == 0
    said = capsys.readouterr().out
    assert "FAIL" not in said
    assert "ok    cohort     train benign:" in said
    assert "needed for 60 slices" in said
    assert not (tmp_path / "results").exists()


def test_a_class_without_images_fails_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _config(tmp_path)
    config.write_text(config.read_text().replace("malignant]", "malignant, unclear]"))
    assert radgen(["check", str(config)]) == 2
    said = capsys.readouterr()
    assert "FAIL  cohort     the archive does not make a cohort; the line above says why" in said.out
    assert "class 'unclear' has 0 patients" in said.err
    assert "ok    disk       not estimated" in said.out


def test_a_missing_archive_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _config(tmp_path)
    (tmp_path / "archive").rename(tmp_path / "moved")
    assert radgen(["check", str(config)]) == 2
    assert f"{tmp_path}/archive" in capsys.readouterr().out
