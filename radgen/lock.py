"""Who holds Snakemake's lock on a working folder, so that a lock left by a killed run can be told from a live one.

Snakemake's lock names no process. So every run of this workflow, however it was started, puts a note beside the lock
once it owns it. Snakemake removes the whole folder of locks at the end of a run, the note with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

from radgen.errors import LeaseError
from radgen.processes import lives, start_of
from radgen.provenance import write_json

LOCKS = Path(".snakemake") / "locks"
NOTE = "radgen-{host}-{pid}.json"


def note_owner(folder: Path = Path()) -> None:
    """Note this process as the owner of the lock that it has just been given."""
    host, pid = socket.gethostname(), os.getpid()
    note = {"host": host, "pid": pid, "started": start_of(pid)}
    write_json(folder / LOCKS / NOTE.format(host=host, pid=pid), note)


def remove_stale_lock(folder: Path = Path()) -> None:
    """Remove the lock if every run that noted itself as its owner was of this host and is gone.

    Raises
    ------
    LeaseError
        An owner lives, or may live on another host, or a lock has no owner's note.
    """
    place = folder / LOCKS
    locks = sorted(place.glob("*.lock"))
    notes = sorted(place.glob(NOTE.format(host="*", pid="*")))
    if not locks:
        return
    try:
        for note in notes:
            _refuse_live(place, note)
        # A lock younger than every note belongs to a run that has noted nothing, or not yet.
        noted = bool(notes) and _newest(locks) <= _newest(notes)
        if noted:
            # The notes go first: of two runs that come this far at once, only one can remove them.
            for path in (*notes, *locks):
                path.unlink()
    except (OSError, ValueError, KeyError, TypeError):
        noted = False
    if not noted:
        msg = (
            f"{place}: this folder is locked and no live or ended run of radgen is noted as the owner; "
            "if no Snakemake runs here any more, call `radgen workflow --unlock`, then run again"
        )
        raise LeaseError(msg)


def live_notes(folder: Path = Path()) -> list[float]:
    """Return when each run that is noted here and may be alive began, in seconds since the epoch."""
    found = []
    for note in (folder / LOCKS).glob(NOTE.format(host="*", pid="*")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            owner = json.loads(note.read_text())
            elsewhere = str(owner["host"]) != socket.gethostname()
            if elsewhere or is_alive(int(owner["pid"]), str(owner["started"])):
                found.append(note.stat().st_mtime)
    return found


def _newest(paths: list[Path]) -> int:
    return max(path.stat().st_mtime_ns for path in paths)


def _refuse_live(place: Path, note: Path) -> None:
    owner = json.loads(note.read_text())
    host, pid, started = str(owner["host"]), int(owner["pid"]), str(owner["started"])
    here = socket.gethostname()
    if host != here:
        msg = f"{place}: locked by process {pid} on {host}, this is {here}; end it there, then run again"
        raise LeaseError(msg)
    if is_alive(pid, started):
        msg = f"{place}: process {pid} on {host} is running this workflow; wait for it or end it, then run again"
        raise LeaseError(msg)


def is_alive(pid: int, started: str) -> bool:
    """Whether the process that had this number and start lives; where no start can be read, the number decides."""
    return lives(pid, started) is not False
