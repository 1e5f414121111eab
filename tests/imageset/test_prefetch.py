"""Reading ahead: the same batches, no leaked threads, errors where they are asked for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from radgen.imageset.core import ImageSet
from radgen.imageset.prefetch import Batches, Prefetched, reading_ahead
from radgen.imageset.torch import RowBatches
from radgen.imageset.writers import ShardWriter


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> RowBatches:
    folder: Path = tmp_path_factory.mktemp("images")
    with ShardWriter(folder, "s", (1, 4, 4), with_masks=False) as writer:
        for number in range(20):
            writer.append({"image_id": str(number), "source": "real"}, np.full((1, 4, 4), number, dtype=np.uint8))
    return RowBatches(ImageSet(folder / "s.index.parquet"), np.arange(20), np.arange(20) % 3, seed=1, balanced=True)


def _equal(one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def _threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def test_batches_read_ahead_are_the_same_and_jumps_are_served(batches: RowBatches) -> None:
    with Prefetched(batches, 8, first=16) as ahead:
        for seen in (16, 24, 32, 160, 168, 0, 8):
            assert _equal(ahead.batch(seen, 8), batches.batch(seen, 8))
        assert _equal(ahead.batch(16, 5), batches.batch(16, 5))
        assert _equal(ahead.batch(21, 5), batches.batch(21, 5))
        assert _threads() == 1
    assert _threads() == 0


class _Counted:
    """Counts what is read, and fails at one position once."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.read: list[int] = []
        self._fails_at = fails_at

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        self.read.append(seen_images)
        if seen_images == self._fails_at:
            self._fails_at = None
            msg = f"no batch at {seen_images}"
            raise OSError(msg)
        return torch.full((size,), seen_images), torch.zeros(size)


def _wait_for(number: int, source: _Counted) -> None:
    deadline = time.monotonic() + 10
    while len(source.read) < number and time.monotonic() < deadline:
        time.sleep(0.01)


def test_so_many_are_held_ready_and_no_more() -> None:
    source = _Counted()
    with Prefetched(source, 4, depth=3) as ahead:
        _wait_for(4, source)
        time.sleep(0.05)
        assert source.read == [0, 4, 8, 12]  # three in the queue and one in hand
        ahead.batch(0, 4)
        _wait_for(5, source)
        assert source.read == [0, 4, 8, 12, 16]
    assert _threads() == 0


def test_an_error_surfaces_at_its_batch_and_reading_goes_on_when_asked_again() -> None:
    source = _Counted(fails_at=4)
    with Prefetched(source, 4) as ahead:
        assert ahead.batch(0, 4)[0][0] == 0
        with pytest.raises(OSError, match="no batch at 4"):
            ahead.batch(4, 4)
        assert _threads() == 0
        assert ahead.batch(4, 4)[0][0] == 4
        assert ahead.batch(8, 4)[0][0] == 8
    assert _threads() == 0


def test_a_failing_caller_leaves_no_thread() -> None:
    def fail() -> None:
        with Prefetched(_Counted(), 4) as ahead:
            ahead.batch(0, 4)[0].reshape(3)

    with pytest.raises(RuntimeError, match="shape"):
        fail()
    assert _threads() == 0


def test_batches_are_pinned_where_a_gpu_fetches_them(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[Tensor] = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: (pinned.append(tensor), tensor)[1])
    with Prefetched(_Counted(), 4, pin=True) as ahead:
        images, class_ids = ahead.batch(0, 4)
    assert pinned[0] is images
    assert pinned[1] is class_ids


class System:
    def __init__(self, batches: Batches) -> None:
        self.reads = batches


def test_a_system_on_a_gpu_reads_ahead_and_has_its_own_batches_back(batches: RowBatches) -> None:
    system, before = System(batches), _threads()
    with reading_ahead(system, torch.device("cuda"), 4, rank=1, ranks=2):
        assert isinstance(system.reads, Prefetched)
        assert _threads() == before + 1
        for first in (4, 12, 20):  # the second of two processes
            assert _equal(system.reads.batch(first, 4), batches.batch(first, 4))
    assert system.reads is batches
    assert _threads() == before


@pytest.mark.parametrize(("device", "depth"), [("cpu", 2), ("cuda", 0)])
def test_nothing_is_read_ahead_on_a_cpu_or_where_nothing_may_be(batches: RowBatches, device: str, depth: int) -> None:
    system = System(batches)
    with reading_ahead(system, torch.device(device), 4, depth=depth):
        assert system.reads is batches
