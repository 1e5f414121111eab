"""Progress of a long job: a bar on a terminal, plain lines with rate and time left elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self


class Progress:
    """Tell how far a job counted in images has come.

    Parameters
    ----------
    label
        Begins every line.
    total_images
        Where the job ends.
    start_images
        Where this process begins; rate and time left count from here.
    """

    def __init__(self, label: str, *, total_images: int, start_images: int = 0) -> None:
        self._label = label
        self._total = total_images
        self._start = start_images
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            try:
                from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
                from rich.progress import Progress as Bar
            except ImportError:  # a bare training machine: plain lines do
                return self
            self._bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._task = self._bar.add_task(self._label, total=self._total, completed=self._start)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, seen_images: int) -> None:
        """Move the bar; without a terminal nothing is printed."""
        if self._bar is not None:
            self._bar.update(self._task, completed=seen_images)

    def rate(self, seen_images: int) -> float:
        """Return the images per second of this process so far."""
        return (seen_images - self._start) / max(time.monotonic() - self._began, 1e-9)

    def line(self, seen_images: int, text: str) -> None:
        """Print one line: how far, how fast, how long still, and the text."""
        rate = self.rate(seen_images)
        left = clock((self._total - seen_images) / rate) if rate > 0 else "unknown"
        message = f"{self._label}  {seen_images:,}/{self._total:,} images  {rate:.0f}/s  {left} left  {text}"
        if self._bar is None:
            print(message, flush=True)  # noqa: T201 - progress goes to the job's log
        else:
            self._bar.console.print(message)


def clock(seconds: float) -> str:
    """Return a duration as h:mm:ss or m:ss.

    >>> clock(3725)
    '1:02:05'
    >>> clock(-1)
    '0:00'
    """
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
