"""Rows that look into a table are the rows, in any order, and take no memory of their own."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from radgen.cohort.table_rows import BLOCK_ROWS, RowsByName, TableRows

ROWS = [
    {"key": "b", "number": 3, "ids": ["x", "y"], "split": None},
    {"key": "a", "number": 1, "ids": [], "split": "train"},
    {"key": "b", "number": 2, "ids": ["z"], "split": "train"},
]


@pytest.fixture
def table() -> pa.Table:
    return pa.Table.from_pylist(ROWS)


def plain(rows: TableRows) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]


def test_rows_are_those_of_the_table(table: pa.Table) -> None:
    rows = TableRows(table)
    assert plain(rows) == ROWS
    assert [rows[place] for place in range(3)] == ROWS
    assert plain(rows[1:]) == ROWS[1:]
    assert rows.taken() is table


def test_rows_are_chosen_ordered_and_widened(table: pa.Table) -> None:
    rows = TableRows(table)
    assert plain(rows.sorted_by("key", "number")) == [ROWS[1], ROWS[2], ROWS[0]]
    assert plain(rows.sorted_by("split")) == [ROWS[1], ROWS[2], ROWS[0]]  # equal ones stay in their order
    chosen = rows.sorted_by("key").where(np.array([False, True, True]))
    assert plain(chosen) == [ROWS[0], ROWS[2]]
    assert plain(chosen.with_column("class", ["c", None])) == [ROWS[0] | {"class": "c"}, ROWS[2] | {"class": None}]
    assert chosen.taken().to_pylist() == [ROWS[0], ROWS[2]]


def test_rows_are_found_by_their_name() -> None:
    table = pa.table({"file_id": ["c", "a", "é"], "path": ["1", "2", "3"]})
    rows = RowsByName(table, "file_id")
    assert {name: dict(row) for name, row in rows.items()} == {row["file_id"]: row for row in table.to_pylist()}
    for absent in ("", "b", "zz"):
        assert absent not in rows


def test_a_walk_over_many_rows_holds_a_block_at_a_time() -> None:
    count = 20 * BLOCK_ROWS
    ids = pa.array([f"{number:016x}" for number in range(count)])
    rows = TableRows(pa.table({f"column {number}": ids for number in range(5)}))
    tracemalloc.start()
    try:
        length = sum(len(row["column 1"]) + len(row["column 3"]) for row in rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length == 32 * count
    assert peak < 200 * 2 * BLOCK_ROWS  # bytes: two columns of a block
