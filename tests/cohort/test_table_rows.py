"""Stored rows are those of the table, chosen or widened, and take no memory of their own."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.cohort.table_rows import Rows, StoredRows
from radgen.errors import InputError
from radgen.imageset.blocks import BLOCK_ROWS

ROWS = [
    {"key": "b", "number": 3, "ids": ["x", "y"], "split": None},
    {"key": "a", "number": 1, "ids": [], "split": "train"},
    {"key": "b", "number": 2, "ids": ["z"], "split": "train"},
]


def stored(path: Path, rows: pa.Table) -> StoredRows:
    pq.write_table(rows, path)
    return StoredRows(path, rows.schema)


def plain(rows: Rows) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]


def test_rows_are_those_of_the_table_and_may_be_read_again(tmp_path: Path) -> None:
    rows = stored(tmp_path / "a.parquet", pa.Table.from_pylist(ROWS))
    assert len(rows) == 3
    assert plain(rows) == plain(rows) == ROWS


def test_rows_are_chosen_and_widened(tmp_path: Path) -> None:
    rows = stored(tmp_path / "a.parquet", pa.Table.from_pylist(ROWS))
    chosen = rows.where(np.array([False, True, True]))
    assert plain(chosen) == ROWS[1:]
    wide = chosen.with_column("class", ["c", None])
    assert plain(wide) == [ROWS[1] | {"class": "c"}, ROWS[2] | {"class": None}]
    assert plain(wide.where(np.array([False, True]))) == [ROWS[2] | {"class": None}]
    assert plain(rows.where(np.zeros(3, dtype=bool)).with_column("class", [])) == []
    assert plain(rows) == ROWS


def test_what_is_chosen_far_down_a_table_keeps_its_own_values(tmp_path: Path) -> None:
    count = 3 * BLOCK_ROWS + 5
    rows = stored(tmp_path / "a.parquet", pa.table({"number": range(count)}))
    every = np.arange(count) % 1000 == 7
    wide = rows.where(every).with_column("class", [str(number) for number in np.flatnonzero(every)])
    assert [(row["number"], row["class"]) for row in wide] == [(n, str(n)) for n in range(7, count, 1000)]


def test_a_table_that_is_missing_or_lacks_a_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.parquet: not a readable table"):
        StoredRows(tmp_path / "a.parquet", pa.schema([pa.field("key", pa.string())]))
    pq.write_table(pa.table({"other": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: the table lacks column 'key'"):
        StoredRows(tmp_path / "a.parquet", pa.schema([pa.field("key", pa.string())]))


def test_a_walk_over_many_rows_holds_a_block_at_a_time(tmp_path: Path) -> None:
    count = 20 * BLOCK_ROWS
    ids = pa.array([f"{number:016x}" for number in range(count)])
    rows = stored(tmp_path / "a.parquet", pa.table({f"column {number}": ids for number in range(5)}))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        length = sum(len(row["column 1"]) + len(row["column 3"]) for row in rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length == 32 * count
    assert peak < 200 * 2 * BLOCK_ROWS  # bytes: two columns of a block
    assert pa.total_allocated_bytes() == before
