"""Running the workflow in tests: in a folder of its own, with the package that is under test."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import REPOSITORY

TINY = REPOSITORY / "tests" / "workflow" / "tiny.yaml"
BIN = Path(sys.executable).parent
# Snakemake's words when it has nothing to do.
NOTHING = "Nothing to be done"


@dataclass(frozen=True)
class Folder:
    """A working folder of Snakemake, a configuration, and the copy of radgen that it uses."""

    path: Path
    configuration: Path = TINY
    package: Path | None = None
    config: tuple[str, ...] = field(default=())
    programs: Path | None = None  # a folder of commands that take the place of installed ones

    def snakemake(self, *words: str, config: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Call Snakemake here and return what it said."""
        snakefile = (self.package or REPOSITORY) / "workflow" / "Snakefile"
        command = [BIN / "snakemake", "--snakefile", snakefile, "--directory", self.path]
        command += ["--configfile", self.configuration, "--cores", "2", *words]
        settings = (*self.config, *config)
        if settings:
            command += ["--config", *settings]
        places = [*([] if self.programs is None else [self.programs]), BIN, os.environ["PATH"]]
        environment = os.environ | {"PATH": os.pathsep.join(map(str, places)), "OMP_NUM_THREADS": "1"}
        if self.package is not None:
            environment["PYTHONPATH"] = str(self.package)
        return subprocess.run(
            [str(word) for word in command], env=environment, capture_output=True, text=True, check=False
        )

    def listed(self, *words: str, config: tuple[str, ...] = ()) -> set[str]:
        """Return the rules that a dry run lists."""
        done = self.snakemake("-n", *(words or ("all",)), config=config)
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        return rules_in(text)


def rules_in(text: str) -> set[str]:
    """Read the rules out of Snakemake's table of jobs."""
    if NOTHING in text and "Job stats:" not in text:
        return set()
    rows = text.split("Job stats:", 1)[1].split("total", 1)[0].splitlines()
    return {row.split()[0] for row in rows if len(row.split()) == 2 and row.split()[1].isdigit()}
