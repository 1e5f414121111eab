"""Kill the whole workflow at random moments, job by job, until it is done, and compare every result's bytes.

    python -m tests.kills_all [--kills 200] [--seed 1] [--target all] [--folder FOLDER]

The tiny study is run once undisturbed. Then it is run again, and jobs are ended by SIGKILL at random moments: nearly
every attempt of a `radgen` stage once it has used a random time of a processor, whereupon Snakemake starts it again;
now and then Snakemake itself, which is then called again as a user would. When it finishes before all kills are spent,
it is begun anew in another folder. Every output, and the compared part of every manifest, must equal the undisturbed
run's bytes; the report's page alone may differ, which tells when each result was made. Each kill is told: stage, and
seconds of a processor that the attempt had used.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.workflow.runs import BIN, TINY, Folder
from tests.workflow.test_end_to_end import but_the_page, digests

# An attempt is let be with this chance, so that stages longer than the mean also come to their end.
LET_BE = 0.1
MEAN_SECONDS = 2.5  # of a processor, of which start-up takes one to two
SHARE_OF_SNAKEMAKE = 0.05
POLL_SECONDS = 0.05
SNAKEMAKE = "snakemake"


def stages_below(parent: int) -> dict[int, str]:
    """Return the running `radgen` stages among a process's descendants: number and stage."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                before, _, after = (place / "stat").read_text().rpartition(")")
            except OSError:
                continue  # it has just ended
            if before:
                children.setdefault(int(after.split()[1]), []).append(int(place.name))
    found, waiting = {}, [parent]
    while waiting:
        number = waiting.pop()
        waiting += children.get(number, [])
        try:
            words = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        programs = [place for place, word in enumerate(words[:3]) if word.endswith("/radgen")]
        if programs and len(words) > programs[0] + 1:
            found[number] = words[programs[0] + 1]
    return found


def processor_seconds(number: int) -> float:
    """Return the processor time a process has used; 0 where it has just ended."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Torment:
    """The kills spent so far, and the draws that decide on the next."""

    def __init__(self, kills: int, seed: int) -> None:
        self.kills, self.spent, self.seen = kills, Counter[str](), set[str]()
        self.draw = random.Random(seed)  # noqa: S311 - moments, no secrets
        self._ends_at: dict[int, float] = {}  # of each process: processor seconds

    @property
    def done(self) -> bool:
        """Whether all kills are spent."""
        return self.spent.total() >= self.kills

    def run(self, folder: Path, target: str) -> None:
        """Run the workflow in a folder to its end, killing it until the kills are spent.

        Snakemake is called again when it was killed itself, and when a rule's own retries were used up by kills.
        """
        while True:
            before = self.spent.total()
            with (folder / "said.log").open("ab") as log:
                process = start(folder, target, log.fileno())
                while not self.done and process.poll() is None:
                    self._disturb(process)
                    time.sleep(POLL_SECONDS)
                code = process.wait()
            if code == 0:
                return
            assert self.spent.total() > before, (folder / "said.log").read_text()[-4000:]

    def _disturb(self, process: subprocess.Popen[bytes]) -> None:
        """Look once at all running stages, and kill those whose moment has come."""
        for number, stage in stages_below(process.pid).items():
            self.seen.add(stage)
            used = processor_seconds(number)
            if used < self._ends_at.setdefault(number, self._moment()) or self.done:
                continue
            victim, name = (process.pid, SNAKEMAKE) if self.draw.random() < SHARE_OF_SNAKEMAKE else (number, stage)
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it was quicker
            self.spent[name] += 1
            del self._ends_at[number]
            say(f"{self.spent.total()} {name} {used:.2f} s")
            if name == SNAKEMAKE:
                return

    def _moment(self) -> float:
        return math.inf if self.draw.random() < LET_BE else self.draw.expovariate(1 / MEAN_SECONDS)


def start(folder: Path, target: str, log: int) -> subprocess.Popen[bytes]:
    """Start the workflow as `make demo` does; a killed job is started again."""
    words = ["--snakefile", str(REPOSITORY / "workflow" / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    words += ["--configfile", str(TINY), "--rerun-incomplete", "--retries", "1000", target]
    own = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [str(BIN / "radgen"), "workflow", *words]
    return subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT)


def differences(folder: Path, expected: dict[str, str]) -> list[str]:
    """Name the results of a run whose bytes are not the expected ones, and those that are missing or too many."""
    found = but_the_page(digests(folder / "results" / "tiny"))
    return sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))


def main() -> int:
    """Spend the kills and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", default="all")
    parser.add_argument("--folder", type=Path, help="where to work, kept at the end")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        place = options.folder or Path(name)
        straight = place / "straight"
        if not (straight / "results").is_dir():
            done = Folder(straight).snakemake(options.target)
            assert done.returncode == 0, done.stdout + done.stderr
        expected = but_the_page(digests(straight / "results" / "tiny"))
        torment, runs = Torment(options.kills, options.seed), 0
        while not torment.done:
            folder = place / f"run-{runs}"
            folder.mkdir(parents=True, exist_ok=True)  # one that was left goes on
            torment.run(folder, options.target)
            differ = differences(folder, expected)
            assert not differ, f"run {runs} after {torment.spent.total()} kills: {', '.join(differ)} differ"
            runs += 1
            say(f"run {runs}: {len(expected)} results, the same bytes; kills so far: {dict(torment.spent)}")
    say(f"never hit: {', '.join(sorted(torment.seen - torment.spent.keys())) or 'no stage'}")
    say(f"{torment.spent.total()} kills in {time.monotonic() - begun:.0f} s over {runs} runs, the same bytes")
    return 0


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
