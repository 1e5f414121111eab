"""Read untrusted files in child processes, so that a crash, a hang or a memory bomb costs one task and never the run.

The decoders behind DICOM and pictures are C libraries, and bytes made to break them exist. This isolates accidents; it
is no sandbox against an attacker who takes the child over.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from radgen.errors import RadgenError

Task = TypeVar("Task")
Result = TypeVar("Result")

# Processor time is what is limited, because a busy machine or a slow disk must not decide what is refused. A child that
# does nothing at all is given up after so many times that limit by the clock, and the time to start.
CLOCK_PER_PROCESSOR_TIME = 10
START_SECONDS = 120.0


@dataclass(frozen=True)
class Guard:
    """What one task may take.

    Parameters
    ----------
    seconds
        Of processor time.
    memory_bytes
        Of address space beyond what the process starts with.
    """

    seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Lost:
    """What comes back instead of a result when the process of a task ended; `sentence` says why."""

    sentence: str


class GuardedPool(Generic[Task, Result]):
    """Child processes that call one function on one task after the other; use it as a context.

    Parameters
    ----------
    function
        Importable by name; what it raises is raised by `map`.
    workers
        Children; results do not depend on it.
    guard
        Limits of each task.
    """

    def __init__(self, function: Callable[[Task], Result], workers: int, guard: Guard) -> None:
        self._function = function
        self._guard = guard
        self._children: list[_Child | None] = [None] * max(1, workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            if child is not None:
                child.end()

    def map(self, tasks: Iterable[Task]) -> Iterator[Result | Lost]:
        """Yield the results in order, working ahead by one task per child. Arrays in results are read-only."""
        asked: deque[int] = deque()
        for number, task in enumerate(tasks):
            place = number % len(self._children)
            if len(asked) == len(self._children):
                yield self._answer(asked.popleft())
            self._ask(place, task)
            asked.append(place)
        while asked:
            yield self._answer(asked.popleft())

    def _ask(self, place: int, task: Task) -> None:
        child = self._children[place]
        if child is not None:
            try:
                child.connection.send(task)
            except OSError:  # somebody ended it while it had nothing to do
                child.end()
            else:
                return
        self._children[place] = child = _Child(self._function, self._guard)
        child.connection.send(task)

    def _answer(self, place: int) -> Result | Lost:
        child = self._children[place]
        if child is None:
            raise TypeError
        try:
            patience = START_SECONDS + self._guard.seconds * CLOCK_PER_PROCESSOR_TIME
            if child.connection.poll(patience):
                outcome, value = _receive(child.connection)
                if outcome == "raised":
                    raise value
                result: Result | Lost = Lost(_out_of_memory(self._guard)) if outcome == "memory" else value
                return result
            sentence = f"the reader gave no answer for {patience:g} s"
        except (EOFError, ConnectionError):
            child.process.join()
            sentence = _why(child.process.exitcode or 0, self._guard)
        self._children[place] = None
        child.end()
        return Lost(sentence)


class _Child:
    def __init__(self, function: Callable[[Any], Any], guard: Guard) -> None:
        context = multiprocessing.get_context("forkserver")
        named = function.func if isinstance(function, partial) else function
        # Its imports are made once, in a process without threads that all children are copies of.
        context.set_forkserver_preload([named.__module__])
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function, guard), daemon=True)
        self.process.start()
        theirs.close()

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


def _serve(connection: Connection, function: Callable[[Any], Any], guard: Guard) -> None:
    """Answer tasks until the other end is closed."""
    # What decoders print may quote a file's name or values, and nothing of that may reach a log.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process also while it is inside a C library
    _limit_memory(guard.memory_bytes)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, guard.seconds)
        answer = _call(function, task)
        signal.setitimer(signal.ITIMER_PROF, 0)
        try:
            _send(connection, answer)
        except OSError:
            return


def _call(function: Callable[[Any], Any], task: Any) -> tuple[str, Any]:  # noqa: ANN401 - any task
    try:
        return "done", function(task)
    except MemoryError:
        return "memory", None
    except Exception as error:  # noqa: BLE001 - raised again by the parent
        if isinstance(error, RadgenError) and _travels(error):
            return "raised", error
        # The text of any other exception may quote a file; where it arose does not.
        place = "".join(traceback.format_tb(error.__traceback__))
        return "raised", RuntimeError(f"{type(error).__name__} in a reading process\n{place}")


def _travels(error: RadgenError) -> bool:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own object
    except Exception:  # noqa: BLE001 - whatever keeps it from travelling
        return False
    return True


def _limit_memory(more: int) -> None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            now = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # macOS, where the limit is not enforced anyway
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now + more
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _send(connection: Connection, answer: tuple[str, Any]) -> None:
    """Send arrays as they lie in memory, behind the object that holds them."""
    arrays: list[pickle.PickleBuffer] = []
    connection.send_bytes(pickle.dumps(answer, protocol=5, buffer_callback=arrays.append))
    connection.send(len(arrays))
    for array in arrays:
        connection.send_bytes(array.raw())


def _receive(connection: Connection) -> tuple[str, Any]:
    data = connection.recv_bytes()
    arrays = [connection.recv_bytes() for _ in range(connection.recv())]
    answer: tuple[str, Any] = pickle.loads(data, buffers=arrays)  # noqa: S301 - our own child's
    return answer


def _why(exit_code: int, guard: Guard) -> str:
    if exit_code == -signal.SIGPROF:
        return f"the reader took longer than {guard.seconds:g} s of processor time"
    if exit_code == -signal.SIGKILL:
        return "the reader was killed, as a system does for want of memory"
    how = f"signal {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
    return f"the decoder crashed ({how})"


def _out_of_memory(guard: Guard) -> str:
    return f"the reader asked for more than {guard.memory_bytes / 2**30:g} GiB of memory"
