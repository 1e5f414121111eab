"""Names that a shell would obey: in the configuration, in paths and in the archive. None of them is ever run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import yaml

from radgen.config import load_config
from radgen.errors import ConfigError
from radgen.study import Study
from radgen.workflow import Plan
from tests.cohort.toys import picture, write_picture
from tests.conftest import REPOSITORY
from tests.workflow.runs import Folder

# What each would do, were it read by a shell: run `touch`, end the word, be an option, or break a line.
HOSTILE = "a 'b' \"c\" $(touch pwned) `touch pwned`; touch pwned & |>pwned"
LEADING_DASH = "-rf"
NEWLINE = "two\nlines"

# Words that are quoted before a rule sees them, and those that can only hold letters, digits, lines and underscores.
# The edition of a report is an option that its rule writes itself.
QUOTED_BEFORE = {"params.edition", "resources.archive", "resources.key_file", "params.masks", "params.seeds"}
CONSTRAINED = {"threads", "resources.device", *(f"wildcards.{name}" for name in Plan.wildcards)}


def commands() -> list[tuple[str, str]]:
    """Return the shell commands of all rules, with the file each stands in."""
    found = []
    for path in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        for text in re.findall(r'^ +shell:\n((?: +".*\n)+)', path.read_text(), re.MULTILINE):
            found.append((path.name, text))
    return found


def test_every_word_of_a_command_is_quoted() -> None:
    assert len(commands()) > 20
    for name, text in commands():
        plain = {word for word in re.findall(r"\{([^{}]+)\}", text) if not word.endswith(":q")}
        assert plain <= QUOTED_BEFORE | CONSTRAINED, f"{name}: {plain - QUOTED_BEFORE - CONSTRAINED} without :q"


def test_what_is_quoted_before_is_one_word_each() -> None:
    config = {"study": "own", "archive": HOSTILE, "key_file": HOSTILE, "results": HOSTILE, "structures": {"names": ["a"]}}
    plan = Plan(Study.of(load_config(config)))
    assert shlex.split(plan.archive) == [HOSTILE]
    assert shlex.split(plan.key_file) == [HOSTILE]
    root = f"{HOSTILE}/own/slices/shard-000"
    output = SimpleNamespace(masks=f"{root}.masks.arrow", volumes=f"{root}.volumes.parquet")
    words = shlex.split(plan.mask_options(SimpleNamespace(shard="000"), output))
    assert words == ["--masks", f"{root}.masks.arrow", "--volumes", f"{root}.volumes.parquet"]


@pytest.mark.parametrize("name", [HOSTILE, LEADING_DASH, NEWLINE, "../../elsewhere", "a/b", "", "a" * 200])
@pytest.mark.parametrize("place", ["study", "sources", "arms", "device"])
def test_names_that_become_paths_or_words_are_plain(name: str, place: str) -> None:
    source = {"train_on": "train", "setting": "shared"}
    values = {"sources": {name: source}, "arms": {name: {"real_fraction": 1.0}}}
    with pytest.raises(ConfigError):
        load_config({"study": "own", "patient_key": {"public": "x"}, place: values.get(place, name)})


@pytest.mark.slow
def test_an_archive_of_hostile_names_is_read_and_nothing_is_run(tmp_path: Path) -> None:
    place = tmp_path / HOSTILE / NEWLINE
    archive = place / "archive" / LEADING_DASH
    names = [HOSTILE, NEWLINE, LEADING_DASH, "--settings", "*", "{wildcards.shard}", "%s", "<b>", "\N{SNOWMAN}"]
    for number, name in enumerate(names):
        write_picture(archive / f"p{number:02d}" / f"{name.replace('/', '|')}.png", picture(number))
    key = place / f"{HOSTILE.replace('/', '|')}.key"
    key.write_text("a private key of thirty-two letters or more")
    key.chmod(0o600)
    configuration = tmp_path / "own.yaml"
    settings = {
        "study": "own",
        "archive": str(archive),
        "key_file": str(key),
        "results": "re sults' $(touch pwned)",
        "inventory": {"patient_from": "regex", "patient_regex": "^(p[0-9]+)/", "modality": "CT", "shards": 1},
        "classes": {"by": "position", "names": ["low", "high"]},
    }
    configuration.write_text(yaml.safe_dump(settings))
    run = tmp_path / "run"
    done = Folder(run, configuration).snakemake("inventory")
    assert done.returncode == 0, done.stdout + done.stderr
    index = run / settings["results"] / "own" / "inventory" / "index.parquet"
    assert pq.read_table(index).num_rows == len(names)
    assert not list(tmp_path.rglob("pwned"))
