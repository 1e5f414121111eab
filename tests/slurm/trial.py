"""The whole tiny study through Slurm to its report, then by hand on this machine, and whether the bytes are the same.

    python -m tests.slurm.trial FOLDER

Prints a line to each job, as Slurm remembers it, and writes the same to FOLDER/trial.log. Generator and encoder ask for
a GPU, which here is an empty file: what is tried is the request, not the GPU.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.slurm.onenode import OneNode, running
from tests.slurm.profile import Study
from tests.workflow.runs import BIN, TINY
from tests.workflow.test_end_to_end import digests

WITH_A_GPU = ("encoder_train:gpu=1", "gan_train:gpu=1")
PATIENCE_SECONDS = 3600.0


def main() -> int:
    """Run both; 0 where they end well in the same bytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)  # noqa: T201

    start = time.monotonic()
    with running(folder / "slurm") as node:
        version, load = node("sinfo", "--version").strip(), os.getloadavg()[0]
        say(f"{datetime.now(tz=UTC):%Y-%m-%d}, {version}, one node, load {load:.1f}")
        study = Study(node, folder / "by-slurm")
        code, said = study.start("all", "--set-resources", *WITH_A_GPU).end(PATIENCE_SECONDS)
        say(f"snakemake --profile slurm all: code {code} after {time.monotonic() - start:.0f} s")
        for line in jobs_of(node):
            say(line)
    if code:
        print(said)  # noqa: T201
        return 1
    start = time.monotonic()
    by_hand(folder / "by-hand")
    say(f"snakemake --cores 2 all: {time.monotonic() - start:.0f} s")
    found, expected = (digests(folder / name / "results" / "tiny") for name in ("by-slurm", "by-hand"))
    # The page tells when each result was made, and on which machine.
    differ = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    say(f"{len(found)} results, {len(differ)} of them of other bytes than by hand: {', '.join(differ) or 'none'}")
    text = "\n".join(lines) + "\n"
    (folder / "trial.log").write_text(text)
    print(f"sha256 of trial.log {hashlib.sha256(text.encode()).hexdigest()[:16]}")  # noqa: T201
    return 0


def jobs_of(node: OneNode) -> list[str]:
    """Return a line to each job: number, rule, partition, state, seconds."""
    jobs = [node.facts(number) for number in node.jobs("all")]
    return [
        f"{job['JobId']:>4} {job['Comment'].removeprefix('rule_'):<60} {job['Partition']:<4} {job['JobState']:<10}"
        f" {job['RunTime']} {'gpu' if 'gpu' in job.get('TresPerJob', '') else ''}".rstrip()
        for job in sorted(jobs, key=lambda job: int(job["JobId"]))
    ]


def by_hand(folder: Path) -> None:
    """Run the same study on this machine without Slurm."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["--snakefile", REPOSITORY / "workflow" / "Snakefile", "--directory", folder, "--configfile", TINY]
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [str(word) for word in (BIN / "snakemake", *words, "--cores", "2", "all")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
