"""The test set stays sealed until it is opened for a configuration, and every opening is logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from radgen.benchmark.seal import Opening, open_test, read_openings, seal_in_words
from radgen.cli import main as radgen
from radgen.config import load_config
from radgen.errors import ConfigError
from radgen.study import Study

CONFIG: dict[str, Any] = {
    "study": "toy",
    "patient_key": {"public": "radgen toy"},
    "structures": {"names": ["disc"]},
    "classes": {"by": "folder", "names": ["a", "b"]},
    "sources": {"main": {}},
    "arms": {"plus": {"synthetic": "main"}},
    "benchmark": {"primary": "plus"},
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(CONFIG | changes))
    return path


def study(path: Path) -> Study:
    return Study.of(load_config(yaml.safe_load(path.read_text())))


def unseal(path: Path) -> int:
    return radgen(["unseal", str(path), "--reason", "the settings are final"])


def test_opening_is_for_one_configuration_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path)
    assert study(path).sealed
    assert study(path).settings("benchmark", task="segmentation", arm="real_low")["benchmark"]["sealed"]
    assert "the test set is sealed" in study(path).settings("report")["facts"]["test_set"]
    assert unseal(path) == 0
    assert "opened 1 time(s)" in capsys.readouterr().out
    assert not study(path).sealed
    assert not study(path).settings("benchmark", task="segmentation", arm="real_low")["benchmark"]["sealed"]
    assert unseal(path) == 0  # again for the same configuration: not counted twice
    assert "open for this configuration already" in capsys.readouterr().out

    changed = write(tmp_path, low={"fraction": 0.2})
    assert study(changed).sealed
    told = study(changed).settings("report")["facts"]["test_set"]
    assert "opened 1 time for other configurations" in told
    assert unseal(changed) == 0
    log = json.loads((tmp_path / "results/toy/benchmark/openings.json").read_text())
    assert [row["reason"] for row in log] == ["the settings are final"] * 2
    assert "The test set was opened 2 times: " in study(changed).settings("report")["facts"]["test_set"]


def test_what_changes_no_result_breaks_no_seal(tmp_path: Path) -> None:
    before = study(write(tmp_path)).config_digest
    elsewhere = {"results": "other", "work": "other", "device": "cuda", "report": {"gallery_rows": 2}, "archive": "x"}
    assert study(write(tmp_path, **elsewhere)).config_digest == before
    assert study(write(tmp_path, gan={"images": 10})).config_digest != before


def test_no_endpoint_no_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: E501  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert unseal(write(tmp_path, benchmark={})) == 2
    assert "benchmark.primary names no arm; name the primary endpoint before" in capsys.readouterr().err
    assert unseal(write(tmp_path, benchmark={"sealed": False})) == 2
    assert "there is no seal" in capsys.readouterr().err
    with pytest.raises(
        ConfigError, match=r"benchmark.primary is 'magic'; it must be one of the study's own arms: plus"
    ):
        load_config(CONFIG | {"benchmark": {"primary": "magic"}})


def test_a_study_that_never_sealed_its_test_says_so() -> None:
    assert "never sealed" in seal_in_words((), "abc", sealed=False)


def test_a_damaged_log_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "openings.json"
    assert open_test(log, Opening("2026-11-28", "abc", "x")) == read_openings(log)
    log.write_text("[{}]")
    with pytest.raises(ConfigError, match="not a log of openings"):
        read_openings(log)
