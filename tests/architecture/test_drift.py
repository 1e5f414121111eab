"""Generated files equal what the typed settings say; every setting explains itself."""

from __future__ import annotations

import dataclasses
import json

import yaml

from radgen.config import StudyConfig, load_config
from radgen.config_files import _section_kinds, generated_files
from radgen.demo import demo_config
from radgen.settings import as_plain, build
from tests.conftest import REPOSITORY


def test_generated_files_are_up_to_date() -> None:
    for path, text in generated_files(REPOSITORY).items():
        assert path.read_text() == text, f"{path.name} is out of date: run `radgen config --write`"


def test_the_commented_yaml_reads_back_as_the_demo() -> None:
    assert load_config(yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())) == demo_config()


def test_sections_survive_the_way_to_a_stage() -> None:
    config = demo_config()
    assert build(StudyConfig, json.loads(json.dumps(as_plain(config)))) == config


def test_every_setting_explains_itself() -> None:
    for kind in _section_kinds(StudyConfig):
        for field in dataclasses.fields(kind):
            assert len(field.metadata.get("help", "")) > 5, f"{kind.__name__}.{field.name}"


def test_constraints_are_plain_pins() -> None:
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        assert name, line
        assert version, line
        assert not set(version) & set(" ;@+,"), line
