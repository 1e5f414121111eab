"""Kill a long job at random moments, run it again until it is done, and compare its outputs with an undisturbed run's.

    python -m tests.kills [--kills 50] [--seed 1]

runs it on the gan stage of a toy study. Processes are forked from this one, which has imported torch with one thread
and done nothing else: an attempt starts in a tenth of a second instead of three seconds. Each is a process of its own
all the same, and dies of the signal as any other. A kill counts only where it ended a process that had begun to train;
the job is begun anew in another folder when it finishes before all kills are spent.

Other long jobs use `Job` and `undisturbed` / `disturbed` with commands and outputs of their own.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.utils.tensorboard

import radgen.gan.run  # loaded once, before any process is forked
from radgen.cli import main as radgen
from tests.gan import toys

# Mostly the one that nothing can handle; the others are a scheduler's.
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)
STOPPED = 75  # exit code of a job that saved its state and can be run again
POLL_SECONDS = 0.002
LONGEST_SHARE = 0.25  # of the undisturbed run's time: the longest delay before a kill, so that attempts also get on
AT_SAVE_SECONDS = 0.03
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Job:
    """A command that goes on when it is called again.

    Attributes
    ----------
    words
        Of `radgen`.
    begun
        Text in its log once it is past start-up.
    states
        Pattern of the state files below `work`, whose coming is a moment to kill at.
    work
        Its work folder.
    outputs
        Files whose bytes are compared.
    manifest
        Its manifest, whose `what` part is compared.
    """

    words: list[str]
    begun: str
    states: str
    work: Path
    outputs: tuple[Path, ...]
    manifest: Path


class Process:
    """A forked process that runs a function, its output in a log file."""

    def __init__(self, call: Callable[[], int], log: Path) -> None:
        self._log = log
        self.status: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run_forked(call, log)

    def said(self) -> str:
        return self._log.read_text() if self._log.is_file() else ""

    def ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def wait_until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait for a condition; False where the process ended before or the time was up."""
        deadline = time.monotonic() + seconds
        while not self.ended() and time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def finish(self) -> int:
        """Wait for the end; return the exit code, or minus the signal it died of."""
        self.wait_until(lambda: False)
        assert self.status is not None, f"still running after {PATIENCE_SECONDS} s: {self.said()}"
        return os.waitstatus_to_exitcode(self.status)


def _run_forked(call: Callable[[], int], log: Path) -> None:
    code = 70
    try:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = call()
    finally:
        sys.stdout.flush()
        os._exit(code)  # nothing of the parent is undone here


def undisturbed(job: Job, log: Path) -> float:
    """Run a job to its end; return its seconds from the moment it had begun."""
    process = Process(lambda: radgen(job.words), log)
    process.wait_until(lambda: job.begun in process.said())
    start = time.monotonic()
    assert process.finish() == 0, process.said()
    return time.monotonic() - start


def disturbed(job: Job, log: Path, seconds: float, draw: random.Random) -> Iterator[signal.Signals]:
    """Run a job until it is done, killing it again and again; yield each signal that ended an attempt.

    Half of the kills come a random time after it has begun, half right after a state has appeared. Whoever takes no
    more signals lets the last attempt run to its end.
    """
    while True:
        process = Process(lambda: radgen(job.words), log)
        number = draw.choice(SIGNALS)
        if _at_a_moment(process, job, seconds, draw):
            os.kill(process.pid, number)
        code = process.finish()
        if code == 0:
            return
        assert code in {-number, STOPPED}, f"ended by {code}, not by {number.name}: {process.said()}"
        yield number


def _at_a_moment(process: Process, job: Job, seconds: float, draw: random.Random) -> bool:
    """Wait for a random moment of training; False where the process ended before it came."""

    def states() -> set[str]:
        return {path.name for path in job.work.rglob(job.states)}

    before = states()
    at_save, longest = draw.random() < 0.5, draw.uniform(0, LONGEST_SHARE * seconds)
    if not process.wait_until(lambda: job.begun in process.said()):
        return False
    if at_save:
        if not process.wait_until(lambda: not states() <= before):
            return False
        longest = draw.uniform(0, AT_SAVE_SECONDS)
    process.wait_until(lambda: False, longest)
    return not process.ended()


def differences(one: Job, two: Job) -> list[str]:
    """Name the outputs of two runs that differ in their bytes, and the manifest where its `what` part does."""
    found = [a.name for a, b in zip(one.outputs, two.outputs, strict=True) if a.read_bytes() != b.read_bytes()]
    return found + ([one.manifest.name] if _what(one.manifest) != _what(two.manifest) else [])


def _what(manifest: Path) -> Any:
    return json.loads(manifest.read_text())["what"]


def torment(make: Callable[[str], Job], folder: Path, kills: int, seed: int) -> Counter[str]:
    """Spend kills on a job; return how many of each signal. `make` gives the job that writes under a name.

    Raises
    ------
    AssertionError
        Outputs differ from those of the undisturbed run.
    """
    straight = make("straight")
    seconds = undisturbed(straight, folder / "straight.log")
    print(f"undisturbed: {seconds:.1f} s of training", flush=True)  # noqa: T201
    draw, spent, runs = random.Random(seed), Counter[str](), 0  # noqa: S311 - moments, no secrets
    while spent.total() < kills:
        job = make(f"run-{runs}")
        log = folder / f"run-{runs}.log"
        for number in disturbed(job, log, seconds, draw):
            spent[number.name] += 1
            if spent.total() == kills:
                undisturbed(job, log)
                break
        found = differences(straight, job)
        assert not found, f"after {spent.total()} kills, run {runs}: {', '.join(found)} differ"
        runs += 1
        print(f"run {runs} ended in the same bytes; kills so far: {dict(spent)}", flush=True)  # noqa: T201
    return spent


def gan_job(folder: Path, name: str) -> Job:
    """Return the toy study's gan stage, writing under a name."""
    out = folder / name
    outputs = tuple(
        out / file for file in ("generator.safetensors", "last.safetensors", "history.parquet", "samples.png")
    )
    return Job(
        words=toys.gan_command(folder, name, images=240, tick_images=120, save_every_images=24),
        begun="real images",
        states="state-*.pt",
        work=folder / f"work-{name}",
        outputs=outputs,
        manifest=out / "manifest.json",
    )


def main(study: Callable[[Path], object], job: Callable[[Path, str], Job]) -> int:
    """Kill the job of a toy study so many times; `study` writes it into a folder."""
    parser = argparse.ArgumentParser(description="Kill a long job at random moments.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own too: this one must stay without threads of Arrow or torch.
        made = Process(lambda: (study(folder), 0)[1], folder / "study.log")
        assert made.finish() == 0, made.said()
        spent = torment(lambda out: job(folder, out), folder, options.kills, options.seed)
    print(f"{spent.total()} kills in {time.monotonic() - start:.0f} s, the same bytes: {dict(spent)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(toys.study, gan_job))
