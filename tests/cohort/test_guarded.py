"""A task that crashes, hangs, bombs memory or raises costs itself, and the others come back in order."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort import scan
from radgen.cohort.guarded import Guard, GuardedPool, Lost
from radgen.cohort.refusal import Reason, RefusalError, distrusting, time_limit
from radgen.cohort.scan import ScannedFile
from radgen.cohort.walk import Entry
from radgen.errors import InputError

GUARD = Guard(seconds=1.0, memory_bytes=1 << 30)


def act(factor: int, task: object) -> object:
    match task:
        case "crash":
            ctypes.string_at(0)
        case "spin":
            while True:
                pass
        case "spin in C":
            return sum(range(10**12))
        case "exit":
            os._exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "bomb":
            return bytearray(1 << 40)
        case "say":
            os.write(1, b"SECRET")
            os.write(2, b"SECRET")
            return "said"
        case "refuse":
            msg = "a mistake of the configuration"
            raise InputError(msg)
        case "refuse oddly":
            raise KeyError(str(factor) + "SECRET")
        case int():
            return task * factor
        case _:
            raise AssertionError
    return None


@pytest.mark.parametrize("workers", [1, 3])
def test_each_task_costs_at_most_itself(workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    tasks = [1, "crash", 2, "spin", "spin in C", 3, "exit", "bomb", 4, "killed", "say", 5]
    with GuardedPool(partial(act, 10), workers, GUARD) as pool:
        results = list(pool.map(tasks))
    took_long = Lost("the reader took longer than 1 s of processor time")
    assert results == [
        10,
        Lost("the decoder crashed (signal SIGSEGV)"),
        20,
        took_long,
        took_long,
        30,
        Lost("the decoder crashed (exit code 3)"),
        Lost("the reader asked for more than 1 GiB of memory"),
        40,
        Lost("the reader was killed, as a system does for want of memory"),
        "said",
        50,
    ]
    assert "SECRET" not in "".join(capfd.readouterr())


def test_errors_travel_and_those_that_cannot_say_where_they_arose() -> None:
    with GuardedPool(partial(act, 1), 1, GUARD) as pool:
        with pytest.raises(InputError, match="a mistake of the configuration"):
            list(pool.map(["refuse"]))
        with pytest.raises(RuntimeError, match=r"KeyError in a reading process(?s:.)*test_guarded") as caught:
            list(pool.map(["refuse oddly"]))
        assert "1SECRET" not in str(caught.value)
        assert list(pool.map([7])) == [7]


def volumes(number: int) -> list[NDArray[np.int16]]:
    return [np.full((3, 500, 700), number, np.int16), np.arange(number, dtype=np.int16)[::2]]


def test_arrays_arrive_whole() -> None:
    with GuardedPool(volumes, 2, GUARD) as pool:
        for number, result in enumerate(pool.map(range(5))):
            assert not isinstance(result, Lost)
            for one, two in zip(result, volumes(number), strict=True):
                np.testing.assert_array_equal(one, two)


def test_a_child_ended_between_tasks_is_replaced() -> None:
    with GuardedPool(partial(act, 1), 1, GUARD) as pool:
        assert list(pool.map([1])) == [1]
        child = pool._children[0]
        assert child is not None
        child.process.kill()
        child.process.join()
        assert list(pool.map([2, 3])) == [2, 3]


def want(memory: OSError) -> None:
    try:
        raise memory
    except OSError as error:
        raise RefusalError(Reason.TRUNCATED, "the voxels cannot be read") from error


def test_want_of_memory_is_not_called_damage() -> None:
    with pytest.raises(MemoryError), distrusting():
        want(OSError(errno.ENOMEM, "Cannot allocate memory"))
    with pytest.raises(RefusalError, match="the voxels cannot be read"), distrusting():
        want(OSError(errno.EIO, "Input/output error"))
    with pytest.raises(RefusalError, match=r"the file is damaged \(IndexError\)"), distrusting():
        "".join([][int("0")])
    with pytest.raises(PermissionError), distrusting():
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_parser_that_does_not_end_is_stopped() -> None:
    with pytest.raises(RefusalError, match=r"longer than 0\.01 s"), distrusting(), time_limit(0.01):
        sum(number for number in iter(int, 1))


def look(entry: Entry) -> ScannedFile:
    if entry.path == "5":
        ctypes.string_at(0)
    return ScannedFile(entry.path, "", None, (Reason.FOREIGN, "looked at"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_header_that_crashes_its_parser_costs_itself(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "FILES_PER_TASK", 3)
    found = scan._scan_guarded(look, [Entry(str(number)) for number in range(10)], workers)
    assert [file.path for file in found] == [str(number) for number in range(10)]
    crash = (Reason.UNDECODABLE, "the decoder crashed (signal SIGSEGV)")
    assert [file.refusal for file in found] == [
        crash if number == 5 else (Reason.FOREIGN, "looked at") for number in range(10)
    ]
