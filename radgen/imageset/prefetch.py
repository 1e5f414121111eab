"""Batches prepared ahead of time by a thread, in pinned memory where a GPU will fetch them.

Which images a batch holds is a function of seed and images seen, so preparing it early changes no byte.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
WAIT_SECONDS = 0.1  # how long the thread sleeps on a full queue before it looks whether it should end


class Batches(Protocol):
    """What is read ahead: `RowBatches`, or anything as pure."""

    def batch(self, seen_images: int, size: int) -> Batch:
        """Return images and class ids of a position."""


class Reads(Protocol):
    """A system that learns from batches."""

    reads: Batches


class Prefetched:
    """Read batches of one size ahead, in the order of training.

    Use it as a context manager, or call `close`: the thread ends then. A batch of another position or size than the
    next one is served too, and reading ahead goes on from there, as after a resumed state.

    Parameters
    ----------
    batches
        Where batches come from.
    size
        Images of a batch.
    first
        Images seen when the first batch is asked for.
    stride
        Images from one batch to the next: more than its size where several processes share them; None for its size.
    depth
        Batches held ready at most.
    pin
        Whether to copy them to page-locked memory, from which a copy to a GPU need not be waited for. None: where torch
        sees a CUDA device.
    """

    def __init__(
        self,
        batches: Batches,
        size: int,
        first: int = 0,
        *,
        stride: int | None = None,
        depth: int = 2,
        pin: bool | None = None,
    ) -> None:
        self._batches = batches
        self._size = size
        self._stride = stride or size
        self._depth = depth
        self._pin = torch.cuda.is_available() if pin is None else pin
        self._ready: queue.Queue[Batch | BaseException]
        self._start(first, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def batch(self, seen_images: int, size: int) -> Batch:
        """Return uint8 images [size, C, H, W] and int64 class ids [size], as the batches read ahead would.

        Raises
        ------
        Exception
            Whatever reading raised; asked again, the batch is read again.
        """
        ended = not self._thread.is_alive() and self._ready.empty()
        if ended or (seen_images, size) != (self._next, self._size):
            self.close()
            self._start(seen_images, size)
        found = self._ready.get()
        if isinstance(found, BaseException):
            self.close()
            raise found
        self._next += self._stride
        return found

    def close(self) -> None:
        """End the thread and drop what it prepared."""
        self._ending.set()
        self._thread.join()
        self._ready = queue.Queue(self._depth)

    def _start(self, first: int, size: int) -> None:
        self._next = first
        self._size = size
        self._ending = threading.Event()
        self._ready = queue.Queue(self._depth)
        arguments = (first, size, self._ready, self._ending)
        self._thread = threading.Thread(target=self._read, args=arguments, name="prefetch", daemon=True)
        self._thread.start()

    def _read(self, seen: int, size: int, ready: queue.Queue[Batch | BaseException], ending: threading.Event) -> None:
        found: Batch | BaseException
        while not ending.is_set():
            try:
                found = self._pinned(self._batches.batch(seen, size))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                found = error
            while not ending.is_set():
                try:
                    ready.put(found, timeout=WAIT_SECONDS)
                    break
                except queue.Full:
                    continue
            if isinstance(found, BaseException):
                return
            seen += self._stride

    def _pinned(self, batch: Batch) -> Batch:
        images, class_ids = batch
        return (images.pin_memory(), class_ids.pin_memory()) if self._pin else (images, class_ids)


@contextlib.contextmanager
def reading_ahead(
    system: Reads, device: torch.device, size: int, *, rank: int = 0, ranks: int = 1, depth: int = 2
) -> Iterator[None]:
    """Let a thread prepare what a system reads for a GPU; on a CPU it would take time from the thread that trains.

    Parameters
    ----------
    system
        Its `reads` are taken over within the context, and are its own again afterwards.
    device
        Where it learns.
    size
        Images it asks for at once.
    rank, ranks
        Number of this process, and how many share each batch.
    depth
        Batches held ready at most; 0 reads none ahead.
    """
    if device.type != "cuda" or depth == 0:
        yield
        return
    own = system.reads
    with Prefetched(own, size, rank * size, stride=ranks * size, depth=depth) as ahead:
        system.reads = ahead
        try:
            yield
        finally:
            system.reads = own
