"""Faults on a real Slurm, one after the other: what each did, and that generator training ends in the same bytes.

    python -m tests.slurm.faults FOLDER [--base STUDY] [NAME ...]

Each fault has a copy of the tiny study that is ready up to the encoder (made first, in FOLDER/base, or taken from
STUDY), and its generator is trained through Slurm while the fault happens. What went wrong, and how it ended, is a line
of a table, with the digest of the logs; the table is printed and written to FOLDER/faults.md, and the lines of the logs
that tell the fault to FOLDER/faults-log.md. An unexpected end stops the script.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.slurm.logs import digest_of_logs, shortened
from tests.slurm.onenode import OneNode, running
from tests.slurm.profile import Run, Study, until
from tests.workflow.runs import BIN, Folder

GAN = "gan={{images: {images}, save_every_images: 64, tick_images: 640}}"
RESUMED = "resumed from a saved state"
RESULTS = ("generator.safetensors", "last.safetensors", "history.parquet")
NOW = "StartTime=now"  # Slurm waits two minutes before it starts a requeued job


@dataclass(frozen=True)
class Case:
    """Where one fault is tried."""

    node: OneNode
    base: Path
    folder: Path
    images: int

    def study(self, *config: str, programs: Path | None = None) -> Study:
        """Return a copy of the prepared study."""
        shutil.copytree(self.base, self.folder)
        return Study(self.node, self.folder, (GAN.format(images=self.images), *config), programs)

    def training(self, study: Study, work: Path | None = None) -> tuple[Run, str]:
        """Start generator training; return the run and Slurm's number of the job once it has saved two states."""
        run = study.start("gan")
        place = study.folder / "work" if work is None else work
        until(lambda: len(states(place)) >= 2 or run.process.poll() is not None, "two states", 600)
        assert run.process.poll() is None, run.said
        (job,) = self.node.jobs("running")
        return run, job

    def same_bytes(self) -> None:
        """Compare the generator with that of an undisturbed run (AssertionError)."""
        straight = self.base.parent / f"straight-{self.images}"
        for name in RESULTS:
            one, two = (folder / "results/tiny/gan/main" / name for folder in (straight, self.folder))
            assert one.read_bytes() == two.read_bytes(), f"{name} differs from that of the undisturbed run"


def states(work: Path) -> list[Path]:
    """Return the saved states of generator training below a work folder, oldest first."""
    return sorted(work.glob("**/gan/*/state-*.pt"))


def ended_well(run: Run, study: Study) -> str:
    """Wait for a run; return the images its training went on from."""
    code, said = run.end()
    assert code == 0, said
    log = study.log("gan_train_main")
    assert RESUMED in log, log
    (line,) = [line for line in log.splitlines() if RESUMED in line]
    found = re.search(r"(\d[\d,]*) */", line) or re.search(r"(\d[\d,]+)", line)
    return found[1] if found else line


# ---------------------------------------------------------------- the faults; each returns what was seen


def fails_once(case: Case) -> str:
    """A job fails the first time."""
    programs = case.folder.with_name("programs")
    programs.mkdir(exist_ok=True)
    failed = programs / "failed"
    failed.unlink(missing_ok=True)
    program = programs / "radgen"
    program.write_text(f'#!/bin/sh\n[ -e {failed} ] || {{ touch {failed}; exit 1; }}\nexec {BIN}/radgen "$@"\n')
    program.chmod(0o755)
    study = case.study(programs=programs)
    code, said = study.run("gan")
    assert code == 0, said
    assert "SLURM status is: 'FAILED'" in said, said
    return "job FAILED, submitted again, COMPLETED; exit code 0"


def cancelled(case: Case) -> str:
    """`scancel` of the job."""
    study = case.study()
    run, job = case.training(study)
    case.node("scancel", job)
    images = ended_well(run, study)
    assert "'CANCELLED'" in run.said, run.said
    return f"state saved on SIGTERM, job CANCELLED, submitted again, went on from {images} images; exit code 0"


def time_limit(case: Case) -> str:
    """The time limit comes during training."""
    study = case.study()
    run, job = case.training(study)
    # Cut to a minute once it trains: a limit given at the start would find a slow machine still starting.
    case.node("scontrol", "update", f"JobId={job}", "TimeLimit=1")
    images = ended_well(run, study)
    assert "'TIMEOUT'" in run.said, run.said
    return f"state saved on SIGTERM, job TIMEOUT, submitted again, went on from {images} images; exit code 0"


def requeued(case: Case) -> str:
    """`scontrol requeue` of the job."""
    study = case.study()
    run, job = case.training(study)
    case.node("scontrol", "requeue", job)
    started_again(case, job)
    images = ended_well(run, study)
    return f"same job number, Snakemake kept waiting, went on from {images} images; no retry was used"


def preempted(case: Case) -> str:
    """A partition of higher priority takes the node."""
    study = case.study()
    run, job = case.training(study)
    urgent = case.node("sbatch", "--parsable", "-p", "urgent", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 3")
    started_again(case, job)
    images = ended_well(run, study)
    assert case.node.facts(urgent.strip())["JobState"] == "COMPLETED"
    return f"the urgent job ran, the same job was queued again and went on from {images} images; no retry was used"


def started_again(case: Case, job: str) -> None:
    """Wait until a job is back in the queue, and let it start at once."""
    until(lambda: case.node.facts(job)["JobState"] == "PENDING", "the job to be queued again")
    case.node("scontrol", "update", f"JobId={job}", NOW)
    until(lambda: case.node.facts(job)["Restarts"] == "1", "the job to be started again")


def interrupted(case: Case) -> str:
    """SIGINT to Snakemake (Ctrl-C)."""
    study = case.study()
    run, _ = case.training(study)
    run.kill(signal.SIGINT)
    code, said = run.end()
    assert code != 0, said
    until(lambda: not case.node.jobs(), "jobs to be cancelled")
    images = ended_well(study.start("gan"), study)
    return f"its jobs were cancelled and saved their state; a plain second call went on from {images} images"


def terminated(case: Case) -> str:
    """SIGTERM to Snakemake."""
    study = case.study()
    run, job = case.training(study)
    run.kill(signal.SIGTERM)
    code_of_stop, said = run.end()
    assert code_of_stop != 0, said
    state = case.node.facts(job)["JobState"]
    code, said = study.run("gan")
    assert code == 0, said
    return (
        f"it waited for the running job ({state}) and submitted no other, exit code 1; a plain second call ended well"
    )


def killed(case: Case) -> str:
    """SIGKILL of Snakemake."""
    study = case.study()
    run, job = case.training(study)
    run.kill(signal.SIGKILL)
    run.process.wait()
    assert list(case.node.jobs()) == [job]
    # Held still, so that it is there however long three calls take here.
    case.node("scontrol", "suspend", job)
    for command, words in ((("radgen", "workflow"), ()), (("snakemake",), ("--unlock",)), (("snakemake",), ())):
        code, said = study.run("gan", *words, command=command)
        if words:
            assert code == 0, said
        else:
            assert code != 0, said
            assert f"1 job of an earlier run of this folder still on the cluster: {job} (gan_train " in said, said
    assert list(case.node.jobs()) == [job], "a second job was submitted"
    case.node("scontrol", "resume", job)
    case.node("scancel", job)
    until(lambda: not case.node.jobs(), "the orphan's end")
    images = ended_well(study.start("gan", command=("radgen", "workflow")), study)
    return (
        "the job ran on; `radgen workflow`, and `snakemake` after `--unlock`, named it and submitted nothing; "
        f"after `scancel` the third call went on from {images} images"
    )


def disk_full(case: Case) -> str:
    """The disk of the work folder is full."""
    place = case.folder.with_name("disk")
    with small_disk(place, 64) as filler:
        study = case.study(f"work={place}")
        run, _ = case.training(study, place)
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while file.write(bytes(2**16)):
                file.flush()
        # It would submit the job three times more, to fail in the same way.
        run.kill(signal.SIGTERM)
        code, said = run.end()
        assert code != 0, said
        (refusal,) = [line for line in study.log("gan_train_main").splitlines() if line.startswith("radgen gan: ")]
        filler.unlink()
        assert states(place), "no state is left"
        images = ended_well(study.start("gan"), study)
    reason = refusal.removeprefix("radgen gan: ").replace(str(place), "WORK")
    reason = re.sub(r"state-\S+", "state-...", reason)
    return f"the job ended with “{reason}”; with space again, the next call went on from {images} images"


@contextlib.contextmanager
def small_disk(place: Path, mib: int) -> Iterator[Path]:
    """Mount a file system of a few MiB, and name a file in it to fill it with."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "radgen-faults", str(place)], check=True)
    try:
        yield place / "filler"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def corrupt_checkpoint(case: Case) -> str:
    """The newest state is damaged while the job does not run."""
    study = case.study()
    run, _ = case.training(study)
    run.kill(signal.SIGINT)
    run.end()
    until(lambda: not case.node.jobs(), "jobs to be cancelled")
    *_, newest = states(study.folder / "work")
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    images = ended_well(study.start("gan"), study)
    (line,) = [line for line in study.log("gan_train_main").splitlines() if "passed over" in line]
    return f"“{re.sub('digest [0-9a-f]+, not [0-9a-f]+', 'digest ..., not ...', line)}”; went on from {images} images"


FAULTS: tuple[Callable[[Case], str], ...] = (
    *(fails_once, cancelled, time_limit, requeued, preempted, interrupted, terminated, killed, disk_full),
    corrupt_checkpoint,
)


# ---------------------------------------------------------------- the table


def prepare(folder: Path, base: Path | None, images: int) -> Path:
    """Return the study that is ready up to the encoder, made or copied, and train its generator undisturbed."""
    place = folder / "base"
    if not place.is_dir():
        if base is not None:
            shutil.copytree(base, place, ignore=shutil.ignore_patterns("said", "gan"))
        else:
            done = Folder(place).snakemake("encoder")
            assert done.returncode == 0, done.stdout + done.stderr
    straight = folder / f"straight-{images}"
    if not straight.is_dir():
        shutil.copytree(place, straight)
        done = Folder(straight, config=(GAN.format(images=images),)).snakemake("gan")
        assert done.returncode == 0, done.stdout + done.stderr
    return place


def main() -> int:
    """Try the faults and print the table."""
    names = {fault.__name__: fault for fault in FAULTS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", type=Path, help="a run of the tiny study to take slices and encoder from")
    parser.add_argument("--images", type=int, default=2560, help="budget of the generator that faults happen to")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all when none is named")
    options = parser.parse_intermixed_args()  # names may follow options
    folder = options.folder.resolve()
    wanted = [names[name] for name in options.names or names]
    base = prepare(folder, options.base, options.images)
    table = folder / "faults.md"
    for fault in wanted:
        name, start = fault.__name__, time.monotonic()
        shutil.rmtree(folder / name, ignore_errors=True)
        with running(folder / "slurm") as node:
            case = Case(node, base, folder / name, options.images)
            seen = fault(case)
            case.same_bytes()
        title = (fault.__doc__ or name).rstrip(".")
        when = f"{datetime.now(tz=UTC):%Y-%m-%d}, {time.monotonic() - start:.0f} s, load {os.getloadavg()[0]:.0f}"
        row = f"| {title} | {seen} | {when} | {digest_of_logs(folder / name)} |"
        print(row, flush=True)  # noqa: T201
        for path, text in ((table, row), (folder / "faults-log.md", shortened(title, folder / name))):
            with path.open("a") as file:
                file.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
