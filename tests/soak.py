"""Train, kill and resume for hours: memory, open files and disk must not grow beyond the kept states.

    python -m tests.soak [--minutes 120] [--seed 1] [--share 1.0] [--log soak.tsv]

The toy study's generator trains towards a budget that is never reached, and is ended again and again, by SIGKILL or
SIGTERM, after some seconds of training. Before each end its memory and open files are noted, and what its work folder
takes. From when all states are there that are kept, the last third of the notes must not exceed the first by more than
a tenth, in the median; nor may memory at a process's end exceed that at its first state.

Counted apart, for they grow by design, are the kept states, which hold the history of all ticks, TensorBoard's files, a
new one at each start, and the averages that may yet be published: one stays until a later one beats it, so they heap up
while training gets worse.

`--share 0.33` pauses after an end until a third of a processor was used, for machines that others use too.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch

from radgen.cli import main as radgen
from radgen.training.state import KEPT
from tests.gan import toys
from tests.kills import Process, gan_job

GROWTH = 1.1
LONGEST_SECONDS = 40.0
FEWEST = 6  # notes, of which two in each third


@dataclass(frozen=True)
class Note:
    """What was seen just before an end."""

    seconds: float
    begun_mib: float
    memory_mib: float
    open_files: int
    disk_mib: float
    tensorboard_mib: float
    states: int
    states_mib: float
    averages: int


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return round(kib / 1024, 1)


def note(pid: int, work: Path, seconds: float, begun_mib: float) -> Note:
    """Look at a process and its work folder; `begun_mib` was its memory at its first state."""
    files = [path for path in work.rglob("*") if path.is_file()]
    board = [path for path in files if "tensorboard" in path.parts]
    averages = [path for path in files if path.name.startswith("average-")]
    states = [path for path in files if path.name.startswith("state-")]
    size = {path: path.stat().st_size for path in files if path.exists()}
    return Note(
        seconds=round(seconds, 1),
        begun_mib=begun_mib,
        memory_mib=memory_mib(pid),
        open_files=len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - links that come and go
        disk_mib=round(sum(size[path] for path in size if path not in [*board, *averages, *states]) / 2**20, 4),
        tensorboard_mib=round(sum(size.get(path, 0) for path in board) / 2**20, 3),
        states=len(states),
        states_mib=round(sum(size.get(path, 0) for path in states) / 2**20, 3),
        averages=len(averages),
    )


def growth(notes: list[Note]) -> dict[str, float]:
    """Return how many times the median of the last third is that of the first, by what was noted.

    Counted from the first note that sees all kept states: until then the disk fills by design.

    Raises
    ------
    ValueError
        There are too few such notes to compare.
    """
    first = next((place for place, row in enumerate(notes) if row.states >= KEPT), len(notes))
    notes = notes[first:]
    if len(notes) < FEWEST:
        msg = f"{len(notes)} notes with {KEPT} kept states, and at least {FEWEST} are needed: soak longer (--minutes)"
        raise ValueError(msg)
    third = len(notes) // 3
    names = ("memory_mib", "open_files", "disk_mib", "states")
    medians = {
        name: [statistics.median(getattr(row, name) for row in part) for part in (notes[:third], notes[-third:])]
        for name in names
    }
    found = {name: last / first if first else 1.0 for name, (first, last) in medians.items()}
    return found | {"memory_within": statistics.median(row.memory_mib / row.begun_mib for row in notes)}


def main() -> int:
    """Soak; 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of one processor that may be used")
    parser.add_argument("--log", type=Path, default=Path("soak.tsv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    draw, begun, notes = random.Random(options.seed), time.monotonic(), []  # noqa: S311 - moments, no secrets
    with tempfile.TemporaryDirectory() as name, options.log.open("w") as log:
        folder = Path(name)
        made = Process(lambda: 0 if toys.study(folder) else 1, folder / "study.log")
        assert made.finish() == 0, made.said()
        job = gan_job(folder, "soak")
        words = toys.gan_command(folder, "soak", images=10**9, tick_images=400, save_every_images=80)
        print(*(field.name for field in fields(Note)), sep="\t", file=log, flush=True)
        while time.monotonic() - begun < 60 * options.minutes:
            process = Process(lambda: radgen(words), folder / "soak.log")
            assert process.wait_until(lambda process=process: job.begun in process.said()), process.said()  # type: ignore[misc]
            before = set(job.work.rglob(job.states))
            process.wait_until(lambda before=before: not set(job.work.rglob(job.states)) <= before)  # type: ignore[misc]
            begun_mib = memory_mib(process.pid)
            process.wait_until(lambda: False, draw.uniform(0, LONGEST_SECONDS))
            notes.append(note(process.pid, job.work, time.monotonic() - begun, begun_mib))
            print(*astuple(notes[-1]), sep="\t", file=log, flush=True)
            os.kill(process.pid, draw.choice((signal.SIGKILL, signal.SIGTERM)))
            process.finish()
            spent = sum(os.times()[:4])  # of this process and of all that it has awaited, user and system
            time.sleep(max(0.0, spent / options.share - (time.monotonic() - begun)))
    found = growth(notes)
    told = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    print(f"{len(notes)} starts in {options.minutes:g} minutes; last third to first: {told}")  # noqa: T201
    return 1 if any(value > GROWTH for value in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
