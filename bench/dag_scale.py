"""A dry run of a study with 100,000 patients: seconds and memory of planning it, by number of shards.

    python bench/dag_scale.py [--patients 100000] [--shards 256] [--profile]

The archive is made: a folder to each patient, with no file in it. Jobs are shards, so a dry run must not look at
patients; the folders are there to show that it does not. Time is quoted as processor time and as wall time, memory as
the largest resident size of Snakemake. `--profile` prints where the time goes.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
REPEATS = 3
CONFIG = """
study: large
archive: archive
patient_key: {{public: bench}}
inventory: {{shards: {shards}, patient_from: regex, patient_regex: '^(p[0-9]+)/', modality: CT}}
classes: {{by: position, names: [lower, upper]}}
structures: {{names: [liver]}}
sources: {{main: {{train_on: train, setting: shared}}}}
annotation: {{source: folder}}
"""


def main() -> None:
    """Print one line to the dry run of so many shards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=256)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.patients):
            (folder / "archive" / f"p{number:06d}").mkdir(parents=True)
        (folder / "config.yaml").write_text(CONFIG.format(shards=options.shards))
        words = ["--snakefile", str(ROOT / "workflow" / "Snakefile"), "--directory", name, "-n", "--quiet", "all"]
        words += ["--configfile", str(folder / "config.yaml")]
        if options.profile:
            _profile(words)
        runs = sorted(_run(words) for _ in range(REPEATS))
        seconds, wall_s, peak_mib = runs[len(runs) // 2]
        what = f"dry run of {options.patients:,} patients in {options.shards} shards"
        print(f"{what}: {seconds:.2f} s of processor time, {wall_s:.2f} s, {peak_mib:.0f} MiB")


def _run(words: list[str]) -> tuple[float, float, float]:
    """Return processor time, wall time in seconds, and largest resident size in MiB, of one dry run."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    time_command = [shutil.which("env") or "env", str(BIN / "python"), "-c", MEASURED, str(BIN / "snakemake"), *words]
    done = subprocess.run(time_command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, time.perf_counter() - start, int(done.stdout.splitlines()[-1]) / 1024


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


# Snakemake in a process of its own, whose largest resident size is then known.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
sys.stdout.write(done.stdout + done.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def _profile(words: list[str]) -> None:
    command = [str(BIN / "python"), "-m", "cProfile", "-s", "tottime", str(BIN / "snakemake"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    lines = done.stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if "tottime" in line)
    print("\n".join(lines[first - 3 : first + 30]))


if __name__ == "__main__":
    main()
