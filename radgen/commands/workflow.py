"""Run the workflow: configuration checked, a stale lock removed, then Snakemake with all the arguments given."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from radgen.config import read_mapping
from radgen.errors import ConfigError
from radgen.lock import remove_stale_lock
from radgen.orphans import refuse_orphans
from radgen.workflow import Plan

# What the Snakefile reads when the command line names nothing else.
DEFAULT_CONFIG = Path("config") / "config.yaml"


def main(words: list[str]) -> int:
    """Become `snakemake` with the given arguments, once its configuration is good and no stale lock is in its way.

    Raises
    ------
    ConfigError
        The configuration is refused, or the archive or a named table does not exist.
    LeaseError
        A live run, or a run of another host, holds the lock, or nobody knows who does; or jobs of an earlier run are
        still on the cluster.
    """
    if words in (["-h"], ["--help"]):
        sys.stdout.write(f"radgen workflow [snakemake arguments]\n\n{__doc__}\n")
        return 0
    from snakemake.cli import parse_args

    _, options = parse_args(words)
    if options.snakefile is None:  # another Snakefile may keep radgen's configuration anywhere
        check_config(options)
    if not (options.dryrun or options.unlock or options.nolock):
        remove_stale_lock(options.directory or Path())
        refuse_orphans(options.directory or Path())
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    # One process from here on: who ends this command ends Snakemake, and the exit code is Snakemake's own.
    return os.execve(sys.executable, [sys.executable, "-m", "snakemake", *words], environment)  # noqa: S606


def check_config(options: argparse.Namespace) -> None:
    """Refuse here, in one sentence, what Snakemake would refuse with a traceback (ConfigError).

    Files and `--config` are merged by Snakemake's own functions, so that the same configuration is checked and run.
    """
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    try:
        overrides = parse_config(options.config)
    except ValueError as error:
        msg = f"--config {' '.join(options.config)}: {error}"
        raise ConfigError(msg) from error
    folder = options.directory or Path()
    default = [] if "study" in overrides else [folder / DEFAULT_CONFIG]
    config: dict[str, Any] = {}
    for path in options.configfile or default:
        update_config(config, read_mapping(Path(path)))
    update_config(config, overrides)
    # Archive and tables are looked for where Snakemake will run, which makes that folder too.
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        Plan.of(config)
