"""`radgen workflow` before Snakemake starts: what it refuses in one sentence, and that the rest is passed on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from radgen.cli import main
from tests.conftest import REPOSITORY

DEMO = str(REPOSITORY / "config" / "config.yaml")
HIPPOCAMPUS = str(REPOSITORY / "config" / "msd-hippocampus.yaml")


class Started(Exception):  # noqa: N818 - Snakemake would run now
    """Carries the words that Snakemake is given."""


@pytest.fixture(autouse=True)
def snakemake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop where Snakemake would take over, in a folder that is empty."""

    def started(_program: str, words: list[str], _environment: dict[str, str]) -> NoReturn:
        raise Started(words[3:])

    monkeypatch.setattr(os, "execve", started)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--configfile", HIPPOCAMPUS, "--config", "archive=nowhere"], "archive nowhere: no such folder; set"),
        (["--configfile", DEMO, "--config", "archive=/my/data"], "archive /my/data: study demo makes its own phantom"),
        (["--configfile", DEMO, "--config", "gan={imagse: 3}"], "unknown key gan.imagse; `radgen config` prints"),
        (["--configfile", DEMO, "--config", "limit={patients: few}"], "limit.patients is 'few'"),
        (["--configfile", DEMO, "--config", f"key_file={DEMO}"], "are both given; keep one of them"),
        (["--configfile", DEMO, "--config", "novalue"], "--config novalue: Invalid config definition"),
        (["--configfile", "none.yaml"], "none.yaml: no such configuration; `radgen init ARCHIVE`"),
        (["--cores", "1"], "config/config.yaml: no such configuration"),
    ],
)
def test_a_bad_configuration_is_one_sentence_and_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workflow", "--cores", "1", *words, "--rerun-incomplete", "all"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.startswith("radgen workflow: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--configfile", DEMO, "--cores", "1", "--rerun-incomplete", "all"],
        ["--configfile", DEMO, "--config", "limit={patients: 8}", "results=results/trial", "work=work/trial"],
        # Snakemake merges sections key by key: the file's own phantom stays where one of its keys is named.
        ["--configfile", DEMO, "--config", "phantom={patients: 40}"],
        ["--configfile", HIPPOCAMPUS, "--config", "archive=images", "-d", "elsewhere"],
    ],
    ids=["demo", "trial", "one key", "another folder"],
)
def test_a_good_configuration_goes_to_snakemake_as_it_was_given(words: list[str]) -> None:
    archive = Path("elsewhere") / "images"
    archive.mkdir(parents=True)
    (archive / "patients.csv").touch()
    with pytest.raises(Started) as caught:
        main(["workflow", *words])
    assert caught.value.args[0] == words
