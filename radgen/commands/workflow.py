"""Run the workflow: Snakemake with a stale lock removed first, all its arguments passed on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from radgen.lock import remove_stale_lock


def main(words: list[str]) -> int:
    """Become `snakemake` with the given arguments, once a lock that a killed run left is out of its way.

    Raises
    ------
    LeaseError
        A live run, or a run of another host, holds the lock, or nobody knows who does.
    """
    if words in (["-h"], ["--help"]):
        sys.stdout.write(f"radgen workflow [snakemake arguments]\n\n{__doc__}\n")
        return 0
    from snakemake.cli import parse_args

    _, options = parse_args(words)
    if not (options.dryrun or options.unlock or options.nolock):
        remove_stale_lock(options.directory or Path())
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    # One process from here on: who ends this command ends Snakemake, and the exit code is Snakemake's own.
    return os.execve(sys.executable, [sys.executable, "-m", "snakemake", *words], environment)  # noqa: S606
