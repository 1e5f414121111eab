"""Rules, command lines and settings name the same things as each stage's `run`."""

from __future__ import annotations

import importlib
import inspect
import re
import typing

import pytest

from radgen.cli import STAGES, _is_section_table
from radgen.settings import is_section
from radgen.study import STAGE_SECTIONS
from tests.conftest import REPOSITORY

RULES = "\n".join(path.read_text() for path in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")))
# Every `shell:` string of the rules, joined, by the stage it calls.
CALLS: dict[str, list[str]] = {}
for block in re.findall(r'shell:\n((?:\s+".*"\n)+)', RULES):
    text = "".join(re.findall(r'"(.*)"', block))
    CALLS.setdefault(re.match(r"exec radgen ([a-z-]+)", text)[1].replace("-", "_"), []).append(text)  # type: ignore[index]

BY_HAND = {
    "regenerate",
    "import_checkpoint",
    "import_images",
    "import_maps",
    "semantic_maps",
}
IN_THE_DAG = [stage for stage in STAGES if stage not in BY_HAND]


def parameters(stage: str) -> tuple[dict[str, typing.Any], dict[str, typing.Any]]:
    run = importlib.import_module(f"radgen.stages.{stage}").run
    hints = typing.get_type_hints(run)
    hints.pop("return", None)
    sections = {name: hint for name, hint in hints.items() if is_section(hint) or _is_section_table(hint)}
    return sections, dict(inspect.signature(run).parameters.items())


@pytest.mark.parametrize("stage", IN_THE_DAG)
def test_a_stage_is_given_the_sections_its_run_names(stage: str) -> None:
    sections, _ = parameters(stage)
    assert set(STAGE_SECTIONS[stage]) == set(sections)


@pytest.mark.parametrize("stage", IN_THE_DAG)
def test_a_rule_passes_the_options_its_stage_takes(stage: str) -> None:
    sections, named = parameters(stage)
    options = {name.replace("_", "-") for name in named if name not in sections} | ({"settings"} if sections else set())
    required = {
        name.replace("_", "-")
        for name, parameter in named.items()
        if parameter.default is inspect.Parameter.empty and name not in sections
    }
    for call in CALLS[stage]:
        given = set(re.findall(r"--([a-z-]+)", call))
        given |= {"masks", "volumes"} if "{params.masks}" in call else set()
        assert given <= options, f"{stage}: {given - options} unknown"
        optional_lists = {"parts", "part-manifests"}
        assert required - given - optional_lists == set(), f"{stage}: {required - given} missing"
        assert ("settings" in given) == bool(sections)


@pytest.mark.parametrize("stage", IN_THE_DAG)
def test_parameters_are_keywords_and_typed(stage: str) -> None:
    _, named = parameters(stage)
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in named.values())
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in named.values())


def test_every_rule_has_a_log_a_benchmark_a_code_digest_and_a_command() -> None:
    for rule in re.findall(r"^\s*rule (\w+):\n((?:(?!^\s*rule |^if |^else|^use ).*\n)+)", RULES, re.MULTILINE):
        name, body = rule
        if "shell:" in body:
            for word in ("output:", "log:", "benchmark:", "conda:", "resources:", "code=PLAN.code("):
                assert word in body, f"{name} lacks {word}"
        else:
            assert "output:" not in body
    assert "script:" not in RULES
    assert "run:" not in RULES.replace("--dry-run:", "")


def test_a_stage_that_chooses_a_device_fixes_its_threads() -> None:
    texts = {path.name: path.read_text() for path in (REPOSITORY / "radgen" / "stages").rglob("*.py")}
    openers = {name for name, text in texts.items() if "use_device(" in text or "choose_device(" in text}
    assert len(openers) > 20
    assert {name for name in openers if not re.search(r"use_device\(|set_threads\(", texts[name])} == set()
