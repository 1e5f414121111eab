"""Temporary files of writers that were killed: told from those of living ones by a lock, and removed in time.

`radgen.provenance.atomic_path` names them `.<output>.<eight letters><suffix>`, beside the output.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
import tempfile
from pathlib import Path

_TEMPORARY = re.compile(r"\.(?P<output>.+)\.[a-z0-9_]{8}(?P<suffix>\.[^.]+)?")


def held_temporary(output: Path) -> tuple[int, Path]:
    """Make a temporary beside an output, locked for as long as its handle is open.

    Another process may look for left temporaries between the making and the lock, and take this one for left: then it
    is gone once the lock is had, and another is made. Where a file system has no locks, nothing is ever removed.

    Returns
    -------
    int, Path
        Handle, to be closed when the temporary has become the output, and path.
    """
    while True:
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.", suffix=output.suffix)
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)  # waits only for one who is just removing it
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)


def drop(output: Path) -> None:
    """Remove what killed writers of this output left beside it before this process first wrote there."""
    for temporary in _left(output.parent).get(output.name, ()):
        drop_unheld(temporary)


def drop_unheld(temporary: Path) -> None:
    """Remove a temporary that nobody writes."""
    with contextlib.suppress(OSError):  # gone already, held by a living writer, or on a file system without locks
        handle = os.open(temporary, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.unlink()
        finally:
            os.close(handle)


@functools.lru_cache(maxsize=256)
def _left(folder: Path) -> dict[str, list[Path]]:
    """List the temporaries of a folder by their output, once: a folder may hold ten thousand outputs."""
    found: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        match = _TEMPORARY.fullmatch(path.name)
        if match and Path(match["output"]).suffix == (match["suffix"] or ""):
            found.setdefault(match["output"], []).append(path)
    return found
