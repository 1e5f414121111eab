"""Calling `snakemake --profile slurm` in tests: from the repository's root, with results in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.slurm.onenode import OneNode
from tests.workflow.runs import BIN, TINY

# Other words for the profile where a test cannot wait as long as a person can.
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")
PATIENCE_SECONDS = 1200.0


@dataclass(frozen=True)
class Study:
    """The tiny study on a cluster.

    Attributes
    ----------
    node
        The cluster.
    folder
        Snakemake's working folder: results and work lie here.
    config
        Changes of the configuration, as `--config` takes them.
    programs
        A folder of commands that take the place of installed ones.
    """

    node: OneNode
    folder: Path
    config: tuple[str, ...] = ()
    programs: Path | None = None
    runs: list[Run] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        """That of the cluster, with the package and its commands in it."""
        programs = [] if self.programs is None else [self.programs]
        places = [*programs, self.node.folder / "bin", BIN, self.node.environment["PATH"]]
        own = {"PATH": os.pathsep.join(map(str, places)), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        return dict(self.node.environment) | own

    def start(self, *words: str, command: tuple[str, ...] = ("snakemake",)) -> Run:
        """Start the workflow with the profile; `command` may be ("radgen", "workflow")."""
        said = self.folder / "said" / f"{len(self.runs):02d}.log"
        said.parent.mkdir(parents=True, exist_ok=True)
        line = [str(BIN / command[0]), *command[1:], "--profile", "slurm", *QUICK]
        line += ["--directory", str(self.folder), "--configfile", str(TINY)]
        line += ["--slurm-logdir", str(self.folder / "logs" / "slurm")]
        line += ["--slurm-partition-config", str(REPOSITORY / "slurm" / "partitions.yaml")]
        # Targets first: --config takes every word behind it.
        line += [*words, *(["--config", *self.config] if self.config else [])]
        with said.open("wb") as file:
            # In a session of its own, and minding SIGINT, which a shell lets its background jobs ignore.
            process = subprocess.Popen(
                line,
                cwd=REPOSITORY,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
            )
        self.runs.append(Run(process, said))
        return self.runs[-1]

    def run(self, *words: str, command: tuple[str, ...] = ("snakemake",)) -> tuple[int, str]:
        """Run the workflow to its end; return its exit code and what it said."""
        return self.start(*words, command=command).end()

    def result(self, name: str) -> Path:
        """Return a result of the study."""
        return self.folder / "results" / "tiny" / name

    def log(self, name: str) -> str:
        """Return the log of a job."""
        path = self.result("logs") / f"{name}.log"
        return path.read_text() if path.is_file() else ""


@dataclass(frozen=True)
class Run:
    """A started workflow; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")

    def end(self, seconds: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it said."""
        return self.process.wait(seconds), self.said

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to Snakemake alone."""
        os.kill(self.process.pid, number)


def until(condition: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Wait until something is so.

    Raises
    ------
    AssertionError
        It did not come in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)
