"""What a worker holds: one volume at a time, and at most three volumes' worth of memory with all it makes of it."""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imaging import shard
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.shard import ShardFiles, store_series, write_shard
from radgen.imaging.slices import Recipe
from radgen.imaging.volume import Volume
from tests.imaging.toys import canonical_volume, scene

CLASSES = ClassSettings(by="folder", names=("well", "ill"))
SERIES = 1000


class _Array(np.ndarray[Any, Any]):
    """An array that can be watched."""


class _Watch:
    """Counts the arrays that are alive."""

    def __init__(self) -> None:
        self.alive = 0

    def on(self, array: NDArray[Any]) -> NDArray[Any]:
        watched = array.view(_Array)
        self.alive += 1
        weakref.finalize(watched, self._gone)
        return watched

    def _gone(self) -> None:
        self.alive -= 1


def row_of(number: int) -> dict[str, Any]:
    """Return a row of the cohort's series table without files."""
    return (
        {"series_key": f"{number:04d}", "patient_key": "p", "split": "train", "modality": "CT", "anatomy": ""}
        | {"class_name": "ill", "format": "nifti", "archive": "", "file_ids": [], "mask_ids": [], "n_slices": 2}
        | {"rows": 16, "cols": 16, "spacing_slice_mm": 1.0, "spacing_row_mm": 1.0, "spacing_col_mm": 1.0, "remarks": []}
    )


class _Pool:
    """Does at once, in this process, what the guarded pool does in its children."""

    def __init__(self, function: Callable[[Any], Any], *_: object) -> None:
        self._function = function

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def map(self, tasks: Iterable[Any]) -> Iterator[Any]:
        for task in tasks:
            yield self._function(task)


def test_a_shard_of_a_thousand_series_holds_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, before = _Watch(), []

    def read(row: dict[str, Any], _: object) -> Volume:
        before.append(watch.alive)
        rng = np.random.default_rng(int(row["series_key"]))
        array = watch.on(rng.integers(0, 90, (2, 16, 16)).astype(np.int16))
        return Volume(array, canonical_volume(array).affine)

    monkeypatch.setattr(shard, "GuardedPool", _Pool)
    monkeypatch.setattr(shard, "read_series", read)
    rows = [row_of(number) for number in range(SERIES)]
    files = ShardFiles(tmp_path, "shard-000", tmp_path / "rejects.parquet", tmp_path / "qc.parquet", None)
    recipe = Recipe(SlicesSettings(size_px=8, background="none"), CLASSES, StructureSettings())
    counts = write_shard(files, rows, {}, recipe)
    assert (counts["series"], counts["slices"]) == (SERIES, 2 * SERIES)
    assert len(before) == SERIES
    assert max(before) == 0  # whenever a series is read, the one before it is gone


def test_a_worker_needs_at_most_three_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    hu = np.tile(scene().hu.repeat(2, 1).repeat(2, 2), (8, 1, 1))
    hu += np.arange(len(hu), dtype=np.int16)[:, None, None]

    def read(*_: object) -> Volume:
        turned = np.array(hu, order="F")  # as voxels lie in a NIfTI file: the canonical order is a copy
        return Volume(turned, canonical_volume(turned, (3.0, 1.5, 1.5)).affine)

    monkeypatch.setattr(shard, "read_series", read)
    recipe = Recipe(SlicesSettings(size_px=hu.shape[1]), CLASSES, StructureSettings())
    tracemalloc.start()
    try:
        stored = store_series(row_of(0), {}, recipe)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(stored.rows) == len(hu)
    assert peak / hu.nbytes <= 2.6  # 2.3 volumes: the source, its mask, what is stored, and what is made on the way
