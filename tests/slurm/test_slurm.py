"""The workflow on a real Slurm of one node: the profile as it is shipped, and jobs that an earlier run left behind."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.slurm.onenode import CannotStart, OneNode, running
from tests.slurm.profile import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    try:
        with running(tmp_path_factory.mktemp("slurm")) as node:
            yield node
    except CannotStart as reason:
        pytest.skip(f"no Slurm here: {reason}")


def submitted(node: OneNode) -> dict[str, dict[str, str]]:
    """Return what Slurm knows of each job, by rule."""
    facts = [node.facts(number) for number in node.jobs("all")]
    return {re.sub("^rule_|_wildcards_.*", "", job.get("Comment", "")): job for job in facts}


def test_the_first_rules_go_through_sbatch(node: OneNode, tmp_path: Path) -> None:
    study = Study(node, tmp_path)
    # A job with a GPU beside one without: the profile's partitions are chosen by what a job asks for.
    code, said = study.run("inventory", "--set-resources", "inventory:gpu=1")
    assert code == 0, said
    assert study.result("inventory/index.parquet").is_file()
    jobs = submitted(node)
    assert set(jobs) == {"phantom", "inventory"}
    assert {job["JobState"] for job in jobs.values()} == {"COMPLETED"}
    assert [jobs[rule]["Partition"] for rule in ("phantom", "inventory")] == ["cpu", "gpu"]
    assert "gpu:1" in node("scontrol", "show", "job", jobs["inventory"]["JobId"])
    assert jobs["inventory"]["TimeLimit"] == "04:00:00"
    assert jobs["inventory"]["Requeue"] == "1"
    assert all(job["JobName"].startswith("radgen_") for job in jobs.values())


def test_jobs_of_an_earlier_run_are_named_and_nothing_is_submitted_twice(node: OneNode, tmp_path: Path) -> None:
    left = node(
        *("sbatch", "--parsable", "--chdir", str(tmp_path), "--output", str(tmp_path / "left.log")),
        *("--comment", "rule_gan_train_wildcards_main", "--wrap", "sleep 600"),
    ).strip()
    before = set(node.jobs())
    for command in (("snakemake",), ("radgen", "workflow")):
        code, said = Study(node, tmp_path).run("cohort", command=command)
        assert code != 0
        assert f"1 job of an earlier run of this folder still on the cluster: {left} (gan_train main," in said
        assert f"scancel {left}" in said
    assert set(node.jobs()) == before
    assert not (tmp_path / "results").exists()
    node("scancel", left)


def test_each_line_of_the_profile_says_why() -> None:
    for name in ("config.yaml", "partitions.yaml"):
        lines = (REPOSITORY / "slurm" / name).read_text().splitlines()
        for before, line in itertools.pairwise(lines):
            if re.match(r"[a-z_-]+: *\S", line):
                assert before.startswith("#"), f"{name}: {line}"


def test_the_profile_asks_for_no_arrays_and_no_accounting() -> None:
    profile = yaml.safe_load((REPOSITORY / "slurm" / "config.yaml").read_text())
    assert profile["slurm-status-command"] == "squeue"
    assert "slurm-array-jobs" not in profile


def test_a_rule_is_not_started_again_inside_its_job() -> None:
    # `retries: 3` would hold inside a job too, against the `--retries 0` it is called with: sixteen starts, not four.
    for path in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        assert set(re.findall(r"retries: *(.+)", path.read_text())) <= {"RETRIES"}, path.name
    snakefile = (REPOSITORY / "workflow" / "Snakefile").read_text()
    assert "RETRIES = 3 if workflow.is_main_process else 0" in snakefile
