"""Run the workflow: Snakemake with a stale lock removed first, all its arguments passed on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from radgen.errors import LeaseError
from radgen.provenance import write_json

RUNNER = Path(".snakemake") / "radgen-runner.json"
LOCKS = Path(".snakemake") / "locks"


def main(words: list[str]) -> int:
    """Run `snakemake` with the given arguments in the current folder.

    Snakemake's lock carries no process. So each run notes its own, and a lock is removed only when the process that
    noted itself here, on this host, is gone.

    Raises
    ------
    LeaseError
        A live run, or a run of another host, holds the lock.
    """
    if words in (["-h"], ["--help"]):
        sys.stdout.write(f"radgen workflow [snakemake arguments]\n\n{__doc__}\n")
        return 0
    snakemake = [sys.executable, "-m", "snakemake"]
    if LOCKS.is_dir() and any(LOCKS.iterdir()):
        refuse_live_runner()
        subprocess.run([*snakemake, *_config_words(words), "--unlock"], check=False, stdout=subprocess.DEVNULL)  # noqa: S603
    write_json(RUNNER, {"host": socket.gethostname(), "pid": os.getpid()})
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run([*snakemake, *words], check=False, env=environment).returncode  # noqa: S603


def _config_words(words: list[str]) -> list[str]:
    """Keep the arguments that name the configuration: unlocking parses the workflow too."""
    kept: list[str] = []
    keeping = False
    for word in words:
        if word.startswith("-"):
            keeping = word in {"--configfile", "--config", "--snakefile", "-s", "--directory", "-d"}
        if keeping:
            kept.append(word)
    return kept


def refuse_live_runner() -> None:
    """Stop if the run that holds the lock lives, or may live on another host."""
    try:
        runner = json.loads(RUNNER.read_text())
        host, pid = str(runner["host"]), int(runner["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        msg = (
            f"{LOCKS}: this folder is locked by a Snakemake that was not started with `radgen workflow`; "
            "if none runs any more, call `snakemake --unlock`, then run again"
        )
        raise LeaseError(msg) from None
    if host != socket.gethostname():
        msg = (
            f"{LOCKS}: locked by process {pid} on {host}, this is {socket.gethostname()}; end it there, then run again"
        )
        raise LeaseError(msg)
    if Path("/proc").is_dir() and not Path(f"/proc/{pid}").exists():
        return
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass
    msg = f"{LOCKS}: process {pid} on {host} is running this workflow; wait for it or end it, then run again"
    raise LeaseError(msg)
