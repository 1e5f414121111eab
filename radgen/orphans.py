"""Jobs on a Slurm cluster that an earlier run left behind, found and named before anything is submitted twice.

Snakemake that is killed outright leaves its jobs running, and a new run does not know them: it would submit each of
them again, and two jobs would write the same files. They are known by Snakemake's own comment and working folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from radgen.errors import LeaseError
from radgen.lock import live_notes

# Number, state, time used, working folder, when it was submitted, Snakemake's comment (rule and wildcards).
FIELDS = ("%i", "%T", "%M", "%Z", "%V", "%k")
SEPARATOR = "\t"
COMMENT = "rule_"
SHOWN = 10
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Orphan:
    """A job of an earlier run that is waiting or running.

    Attributes
    ----------
    number
        Slurm's.
    state
        Such as RUNNING.
    used
        Time since it began, as Slurm writes it.
    what
        Rule and wildcards.
    """

    number: str
    state: str
    used: str
    what: str

    def __str__(self) -> str:
        """Return it as part of a sentence."""
        return f"{self.number} ({self.what}, {self.state.lower()} {self.used})"


def find_orphans(folder: Path = Path()) -> list[Orphan]:
    """List this user's waiting and running jobs of this folder that belong to no live run of the workflow.

    A job that was submitted after a live run began here is taken for that run's, this very process's included.
    Where there is no squeue there are none; where it fails, that is said and none are known.
    """
    if shutil.which("squeue") is None:
        return []
    words = ["squeue", "--me", "--noheader", "--states", "PENDING,RUNNING,SUSPENDED,CONFIGURING,COMPLETING"]
    try:
        done = subprocess.run(  # noqa: S603
            [*words, "--format", SEPARATOR.join(FIELDS)],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"radgen: squeue does not answer ({error}): jobs of an earlier run would not be seen\n")
        return []
    return orphans_in(done.stdout, folder.resolve(), live_since=min(live_notes(folder), default=None))


def orphans_in(listed: str, folder: Path, live_since: float | None) -> list[Orphan]:
    r"""Read the jobs of a folder out of squeue's words.

    Parameters
    ----------
    listed
        One job to a line, its `FIELDS` with tabs between.
    folder
        Absolute working folder of the workflow.
    live_since
        Seconds since the epoch when the oldest run that is still alive here began, or None.

    >>> line = "7\tRUNNING\t1:02\t/study\t2026-11-28T10:00:00\trule_gan_train_wildcards_main"
    >>> print(*orphans_in(line, Path("/study"), None))
    7 (gan_train main, running 1:02)
    """
    found = []
    for line in listed.splitlines():
        number, state, used, place, submitted, comment = [*line.split(SEPARATOR, len(FIELDS) - 1), *[""] * 6][:6]
        if not comment.startswith(COMMENT) or Path(place).resolve() != folder:
            continue
        # Slurm counts whole seconds of local time.
        if live_since is not None and datetime.fromisoformat(submitted).timestamp() >= int(live_since):
            continue
        what = comment.removeprefix(COMMENT).replace("_wildcards_", " ")
        found.append(Orphan(number, state, used, what))
    return found


def refuse_orphans(folder: Path = Path()) -> None:
    """Stop before anything is submitted while jobs of an earlier run wait or run.

    Raises
    ------
    LeaseError
        There are some; the message names them and how to end them.
    """
    orphans = find_orphans(folder)
    if not orphans:
        return
    shown = ", ".join(map(str, orphans[:SHOWN])) + (f" and {len(orphans) - SHOWN} more" if len(orphans) > SHOWN else "")
    msg = (
        f"{len(orphans)} job{'s' if len(orphans) > 1 else ''} of an earlier run of this folder still on the cluster: "
        f"{shown}; a new run would submit them a second time: wait for them, or end them with "
        f"`scancel {' '.join(orphan.number for orphan in orphans)}` (training saves its state), then run again"
    )
    raise LeaseError(msg)
