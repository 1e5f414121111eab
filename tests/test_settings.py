"""Sections of settings, and the command lines made from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from radgen.cli import main, parse_options
from radgen.errors import ConfigError
from radgen.settings import as_plain, build, section, setting


@section
class Inner:
    """Inner."""

    width: float = setting(1.0, "a width")


@section
class Toy:
    """A toy section."""

    count: int = setting(3, "a count")
    names: tuple[str, ...] = setting((), "names")
    inner: Inner = setting(Inner(), "inner")
    table: dict[str, int] | None = setting(None, "a table")

    def __post_init__(self) -> None:
        if self.count < 0:
            msg = f"count must be 0 or more, not {self.count}"
            raise ValueError(msg)


def run(*, index: Path, extra: Path | None = None, parts: tuple[Path, ...] = (), toy: Toy, workers: int = 1) -> None:
    """A toy stage."""


HINTS = {"index": Path, "extra": Path | None, "parts": tuple[Path, ...], "toy": Toy, "workers": int}


def test_build_inverts_as_plain() -> None:
    toy = Toy(count=2, names=("a", "b"), inner=Inner(width=2), table={"x": 1})
    assert build(Toy, json.loads(json.dumps(as_plain(toy)))) == toy


def test_unknown_keys_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"settings\.inner: unknown key 'wide'; known keys are width"):
        build(Toy, {"inner": {"wide": 1}})


def test_impossible_values_are_refused_in_the_sections_own_words() -> None:
    with pytest.raises(ConfigError, match="count must be 0 or more, not -1"):
        build(Toy, {"count": -1})


def test_a_stage_command_line_is_its_run_signature() -> None:
    words = ["--index", "i", "--extra", "--parts", "a", "b", "--settings", '{"toy": {"count": 5}}', "--workers", "2"]
    options = parse_options("toy", run, HINTS, "A toy.", words)
    assert options == {
        "index": Path("i"),
        "extra": None,
        "parts": (Path("a"), Path("b")),
        "toy": Toy(count=5),
        "workers": 2,
    }


def test_unknown_sections_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown section 'tyo'; this stage takes toy"):
        parse_options("toy", run, HINTS, "", ["--index", "i", "--settings", '{"tyo": {}}'])


def test_unknown_commands_exit_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slcies"]) == 2
    assert "no command 'slcies'" in capsys.readouterr().err


def test_errors_end_in_one_sentence_and_code_two(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["failed-logs", str(tmp_path / "none")]) == 0
    assert main(["phantom", "--archive", "x", "--manifest", "y", "--settings", "[1]"]) == 2
    assert "radgen phantom: --settings: list given, an object of sections expected" in capsys.readouterr().err
