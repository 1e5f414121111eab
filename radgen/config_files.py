"""Files generated from the typed configuration: the commented YAML of the demo and the JSON schema for editors."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from radgen.config import ADAPTER, StudyConfig
from radgen.demo import demo_config
from radgen.settings import as_plain, is_section

HEADER = """\
# yaml-language-server: $schema=../workflow/schemas/config.schema.json
# The embedded demo. Generated: after a change of settings run `radgen config --write`.
# Every key is shown with its default and its meaning; a study's own file names only what it changes.
"""
WIDTH = 120


def commented_yaml(config: StudyConfig, header: str = HEADER) -> str:
    """Return a configuration as YAML in which each key's meaning stands above it."""
    return header + "\n" + "\n".join(_section_lines(config, 0)) + "\n"


def _section_lines(value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - any section
    hints = typing.get_type_hints(type(value))
    pad = "  " * depth
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        yield from _comment(field.metadata.get("help", ""), pad)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            yield f"{pad}{field.name}:"
            yield from _section_lines(item, depth + 1)
        elif isinstance(item, dict) and item and is_section(_inner(hints[field.name])):
            yield f"{pad}{field.name}:"
            for key, entry in item.items():
                yield f"{pad}  {key}:"
                yield from (line for line in _section_lines(entry, depth + 2) if not line.lstrip().startswith("#"))
        else:
            yield f"{pad}{field.name}: {inline(item)}"
        if depth == 0:
            yield ""


def _inner(hint: Any) -> Any:  # noqa: ANN401 - any type
    inner = typing.get_args(hint)
    return inner[-1] if inner else None


def _comment(text: str, pad: str) -> Iterator[str]:
    words, line = text.split(), ""
    for word in words:
        if len(pad) + 2 + len(line) + 1 + len(word) > WIDTH:
            yield f"{pad}# {line}"
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield f"{pad}# {line}"


def inline(item: Any) -> str:  # noqa: ANN401 - any plain value
    """Return a value as YAML of one line, quoted where YAML would read something else."""
    return yaml.safe_dump(as_plain(item), default_flow_style=True, width=10_000).replace("\n...", "").strip()


def json_schema() -> str:
    """Return the JSON schema of a configuration, with each key's meaning."""
    schema = ADAPTER.json_schema()
    sections = {kind.__name__: kind for kind in _section_kinds(StudyConfig)}
    for name, definition in {**schema.get("$defs", {}), "StudyConfig": schema}.items():
        if name in sections:
            for field in dataclasses.fields(sections[name]):
                definition["properties"][field.name]["description"] = field.metadata.get("help", "")
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _section_kinds(kind: Any) -> Iterator[Any]:  # noqa: ANN401 - section classes
    yield kind
    for hint in typing.get_type_hints(kind).values():
        for part in (hint, *typing.get_args(hint)):
            if is_section(part):
                yield from _section_kinds(part)


def conda_environment(constraints: str) -> str:
    """Return the conda environment of the rules: exactly the pinned versions of constraints.txt."""
    pins = [line for line in constraints.splitlines() if line and not line.startswith("#")]
    head = "# Generated from constraints.txt by `radgen config --write`.\n# radgen itself: `pip install --no-deps .`\n"
    lines = ["channels:", "  - conda-forge", "dependencies:", "  - python =3.11", "  - pip", "  - pip:"]
    return head + "\n".join(lines + [f"      - {pin}" for pin in pins]) + "\n"


def generated_files(root: Path) -> dict[Path, str]:
    """Return every generated file of the repository with the text it must have."""
    return {
        root / "config" / "config.yaml": commented_yaml(demo_config()),
        root / "workflow" / "schemas" / "config.schema.json": json_schema(),
        root / "workflow" / "envs" / "radgen.yaml": conda_environment((root / "constraints.txt").read_text()),
    }
