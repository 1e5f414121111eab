"""The workflow killed at random moments ends in the same bytes: a few kills here, many by `python -m tests.kills_all`."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.kills_all import Aimed, differences, rules_of, stages_below
from tests.workflow.test_end_to_end import digests


@pytest.mark.slow
def test_a_workflow_killed_at_random_ends_in_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.kills_all", "--kills", "3", "--target", "cohort", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills in" in done.stdout


def test_a_result_of_other_bytes_or_none_is_named(tmp_path: Path) -> None:
    results = tmp_path / "results" / "tiny"
    results.mkdir(parents=True)
    for name in ("same", "other"):
        (results / name).write_text(name)
    expected = digests(results)
    (results / "other").write_text("changed")
    (results / "new").touch()
    assert differences(tmp_path, expected | {"gone": ""}) == ["gone", "new", "other"]


def test_only_stages_below_a_process_are_found() -> None:
    assert stages_below(1) is not None
    assert stages_below(2**22 - 1) == {}


def test_aimed_kills_spread_over_the_usual_time_and_end_with_their_number() -> None:
    choice, spent = Aimed({"report": 4.0}, each=5, draw=random.Random(1)), Counter[str]()
    assert choice.moment("gan", spent) == math.inf
    moments = []
    while not choice.done(spent):
        moments.append(choice.moment("report", spent))
        spent["report"] += 1
    assert [int(moment / 4.0 * 5) for moment in moments] == [0, 1, 2, 3, 4]
    assert choice.moment("report", spent) == math.inf


def test_a_stage_that_is_aimed_at_is_run_again_by_its_rules() -> None:
    assert rules_of(["pairs", "report"]) == ["pairs_source", "report"]
