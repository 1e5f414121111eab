"""Whether the process that left a note lives: its number may be another's by now, number and start together not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def start_of(pid: int) -> str:
    """Return when a process of this host started, in its system's own words.

    "ended" stands for a zombie, the empty text for a start that cannot be read.
    """
    try:
        # Ticks are counted from the boot, so they need its name; the process's own name stands in brackets before the
        # fields and may itself hold blanks and brackets. The start is field 22 of the whole line.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else f"{boot} {fields[19]}"
    except (OSError, IndexError):
        pass
    try:  # macOS has no /proc
        words = ["ps", "-o", "lstart=", "-p", str(pid)]
        environment = os.environ | {"LC_ALL": "C"}
        return subprocess.run(words, capture_output=True, text=True, check=False, env=environment).stdout.strip()  # noqa: S603
    except OSError:
        return ""


def lives(pid: int, started: str) -> bool | None:
    """Whether the process that had this number and start lives; None where a start is not known."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's
    now = start_of(pid)
    return started == now if started and now else None
