"""A job over many items, in fresh processes where more than one is asked for."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def spawned(job: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield the job's results in the order of items; with one worker here, else in processes of their own.

    Fresh processes: a fork would copy whatever threads and locks this process holds. So the job must be picklable.
    """
    if workers <= 1:
        yield from map(job, items)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(job, items)
