"""Kill the whole workflow at random moments, job by job, until it is done, and compare every result's bytes.

    python -m tests.kills_all [--kills 200] [--seed 1] [--target all] [--folder FOLDER]
    python -m tests.kills_all --aim sample pairs metrics gallery report [--each 5]

The tiny study is run once undisturbed. Then it is run again, and jobs are ended by SIGKILL at random moments: nearly
every attempt of a `radgen` stage once it has used a random time of a processor, whereupon Snakemake starts it again;
now and then Snakemake itself, which is then called again as a user would. When it finishes before all kills are spent,
it is begun anew in another folder. Every output, and the compared part of every manifest, must equal the undisturbed
run's bytes; the report's page alone may differ, which tells when each result was made. Each kill is told: stage, and
seconds of a processor that the attempt had used.

Short stages are seldom hit so. `--aim` kills the stages it names and no others, each so often, at random moments spread
evenly over the processor time that its shortest job took undisturbed. It works in a copy of the undisturbed folder, in
which the rules of those stages are run again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.conftest import REPOSITORY
from tests.workflow.runs import BIN, TINY
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


class Choice(Protocol):
    """Who is killed, and when."""

    share_of_snakemake: float

    def done(self, spent: Counter[str]) -> bool:
        """Whether these kills are enough."""

    def moment(self, stage: str, spent: Counter[str]) -> float:
        """Return the processor seconds after which an attempt of a stage is killed; infinity to let it be."""


class Anyone:
    """Nearly every attempt of every stage after a random time, and now and then Snakemake."""

    share_of_snakemake = SHARE_OF_SNAKEMAKE

    def __init__(self, kills: int, draw: random.Random) -> None:
        self.kills, self.draw = kills, draw

    def done(self, spent: Counter[str]) -> bool:
        """Whether all kills are spent."""
        return spent.total() >= self.kills

    def moment(self, stage: str, spent: Counter[str]) -> float:
        """Draw from an exponential distribution: any moment is as good as another."""
        del stage, spent
        return math.inf if self.draw.random() < LET_BE else self.draw.expovariate(1 / MEAN_SECONDS)


class Aimed:
    """Some stages alone, each so often, spread over the processor seconds that it usually takes."""

    share_of_snakemake = 0.0

    def __init__(self, usual: Mapping[str, float], each: int, draw: random.Random) -> None:
        self.usual, self.each, self.draw = usual, each, draw

    def done(self, spent: Counter[str]) -> bool:
        """Whether every stage was hit often enough."""
        return all(spent[stage] >= self.each for stage in self.usual)

    def moment(self, stage: str, spent: Counter[str]) -> float:
        """Draw from the part of the usual time that no kill has fallen into yet."""
        if spent[stage] >= self.each or stage not in self.usual:
            return math.inf
        return self.usual[stage] * (spent[stage] + self.draw.random()) / self.each


class Torment:
    """The kills spent so far."""

    def __init__(self, choice: Choice, draw: random.Random) -> None:
        self.choice, self.draw, self.spent, self.seen = choice, draw, Counter[str](), set[str]()
        self._ends_at: dict[int, float] = {}  # of each process: processor seconds

    @property
    def done(self) -> bool:
        """Whether enough were killed."""
        return self.choice.done(self.spent)

    def run(self, folder: Path, target: str, again: Sequence[str] = ()) -> None:
        """Run the workflow in a folder to its end, killing it until the kills are spent.

        Snakemake is called again when it was killed itself, and when a rule's own retries were used up by kills. The
        rules `again` are run although their results are there.
        """
        while True:
            before = self.spent.total()
            with (folder / "said.log").open("ab") as log:
                process = start(folder, target, log.fileno(), again)
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
            if number not in self._ends_at:
                self._ends_at[number] = self.choice.moment(stage, self.spent)
            if used < self._ends_at[number] or self.done:
                continue
            of_all = self.draw.random() < self.choice.share_of_snakemake
            victim, name = (process.pid, SNAKEMAKE) if of_all else (number, stage)
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it was quicker
            self.spent[name] += 1
            del self._ends_at[number]
            say(f"{self.spent.total()} {name} {used:.2f} s")
            if name == SNAKEMAKE:
                return


def start(folder: Path, target: str, log: int, again: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start the workflow as `make demo` does; a killed job is started again."""
    words = ["--snakefile", str(REPOSITORY / "workflow" / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    words += ["--configfile", str(TINY), "--rerun-incomplete", "--retries", "1000", target]
    words += ["--forcerun", *again] if again else []
    own = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [str(BIN / "radgen"), "workflow", *words]
    return subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT)


def undisturbed(folder: Path, target: str) -> dict[str, float]:
    """Run the workflow, and return the processor seconds of each stage's shortest job; a finished run is read."""
    table = folder / "seconds.json"
    if not table.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        used: dict[tuple[str, int], float] = {}
        with (folder / "said.log").open("ab") as log:
            process = start(folder, target, log.fileno())
            while process.poll() is None:
                for number, stage in stages_below(process.pid).items():
                    used[stage, number] = max(processor_seconds(number), used.get((stage, number), 0.0))
                time.sleep(POLL_SECONDS)
        assert process.returncode == 0, (folder / "said.log").read_text()[-4000:]
        table.write_text(json.dumps(sorted([stage, seconds] for (stage, _), seconds in used.items())))
    shortest: dict[str, float] = {}
    for stage, seconds in json.loads(table.read_text()):
        shortest[stage] = min(seconds, shortest.get(stage, math.inf))
    return shortest


def rules_of(stages: Sequence[str]) -> list[str]:
    """List the rules of the tiny study that call a stage."""
    found = []
    for file in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        for rule in re.split(r"^ *(?:rule|checkpoint) ", file.read_text(), flags=re.MULTILINE)[1:]:
            called = re.search(r"exec radgen ([a-z-]+) ", rule)
            if called and called[1] in stages:
                found.append(rule.partition(":")[0])
    return found


def differences(folder: Path, expected: dict[str, str]) -> list[str]:
    """Name the results of a run whose bytes are not the expected ones, and those that are missing or too many."""
    found = but_the_page(digests(folder / "results" / "tiny"))
    return sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))


def main() -> int:
    """Spend the kills and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--aim", nargs="+", default=[], metavar="STAGE", help="kill these stages alone")
    parser.add_argument("--each", type=int, default=5, help="kills of each stage aimed at")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", default="all")
    parser.add_argument("--folder", type=Path, help="where to work, kept at the end")
    options = parser.parse_args()
    begun, draw = time.monotonic(), random.Random(options.seed)  # noqa: S311 - moments, no secrets
    with tempfile.TemporaryDirectory() as name:
        place = options.folder or Path(name)
        usual = undisturbed(place / "straight", options.target)
        expected = but_the_page(digests(place / "straight" / "results" / "tiny"))
        if unknown := set(options.aim) - usual.keys():
            parser.error(f"--aim {' '.join(sorted(unknown))}: ran nowhere; stages are {', '.join(sorted(usual))}")
        aimed = Aimed({stage: usual[stage] for stage in options.aim}, options.each, draw)
        torment, runs = Torment(aimed if options.aim else Anyone(options.kills, draw), draw), 0
        while not torment.done:
            folder = place / f"{'aimed' if options.aim else 'run'}-{runs}"
            if options.aim and not folder.exists():
                shutil.copytree(place / "straight", folder, symlinks=True)
            folder.mkdir(parents=True, exist_ok=True)  # one that was left goes on
            torment.run(folder, options.target, again=rules_of(options.aim))
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
