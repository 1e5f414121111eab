"""What an archive of any size leaves to be looked up or put in order, on disk instead of in memory.

Each file loses its name as soon as it is open: it goes with the process, also when that is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from io import BufferedRandom
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from radgen import stale
from radgen.errors import StorageError
from radgen.imageset.blocks import BLOCK_ROWS, count_rows, read_blocks

CACHE_KIB = 16_384  # of a database that is held in memory


def _nameless(beside: Path) -> tuple[int, Path]:
    """Make a file that is to be opened and unlinked; in between, it is a temporary of the table beside it."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    stale.drop(beside)
    return stale.held_temporary(beside)


@contextlib.contextmanager
def _on_disk(beside: Path) -> Iterator[None]:
    """Raise StorageError where the disk refuses what a database writes."""
    try:
        yield
    except sqlite3.OperationalError as error:
        msg = (
            f"{beside.name}: its rows cannot be kept on disk meanwhile ({error}); mend space or rights in "
            f"{beside.parent}, then run again"
        )
        raise StorageError(msg) from error


def _database(beside: Path, table: str) -> sqlite3.Connection:
    """Open an empty database with one table."""
    handle, name = _nameless(beside)
    database = sqlite3.connect(name, isolation_level=None)
    for setting in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{CACHE_KIB}"):
        database.execute(f"PRAGMA {setting}")
    database.execute(table)
    name.unlink()
    os.close(handle)
    database.execute("BEGIN")
    return database


class RowsByName(Mapping[str, Mapping[str, Any]]):
    """Rows of a stored table by the text in one of its columns, in which no text stands twice.

    Nothing is read before the first is looked up.

    Parameters
    ----------
    path
        Of the table; what is looked up lies in its folder meanwhile.
    schema
        Its columns.
    name
        Of the column.
    """

    def __init__(self, path: Path, schema: pa.Schema, name: str) -> None:
        self._path, self._columns, self._name = path, tuple(schema.names), name
        self._count = count_rows(path, schema)

    @cached_property
    def _database(self) -> sqlite3.Connection:
        with _on_disk(self._path):
            database = _database(self._path, "CREATE TABLE rows (name TEXT, row TEXT)")
            for block in read_blocks(self._path, self._columns):
                values = zip(*(block[column].to_pylist() for column in self._columns), strict=True)
                rows = (json.dumps(row, ensure_ascii=False) for row in values)
                database.executemany(
                    "INSERT INTO rows VALUES (?, ?)", zip(block[self._name].to_pylist(), rows, strict=True)
                )
            database.execute("CREATE UNIQUE INDEX by_name ON rows (name)")
        return database

    def __getitem__(self, text: str) -> Mapping[str, Any]:
        found = self._database.execute("SELECT row FROM rows WHERE name = ?", (text,)).fetchone()
        if found is None:
            raise KeyError(text)
        return dict(zip(self._columns, json.loads(found[0]), strict=True))

    def __iter__(self) -> Iterator[str]:
        for block in read_blocks(self._path, (self._name,)):
            yield from block[self._name].to_pylist()

    def __len__(self) -> int:
        return self._count


class Rejects:
    """Rows of a rejects table, any number, in the order of stage, reason and file_id.

    Parameters
    ----------
    beside
        Where the table will be written.
    rows
        The first of them.
    """

    def __init__(self, beside: Path, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._beside, self._counts = beside, Counter[tuple[str, str, bool]]()
        columns = "stage TEXT, reason TEXT, file_id TEXT, row TEXT"
        with _on_disk(beside):
            self._database = _database(beside, f"CREATE TABLE rows ({columns})")
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        self._counts[row["stage"], row["reason"], row["refused"]] += 1
        words = (row["stage"], row["reason"], row["file_id"], json.dumps(dict(row), ensure_ascii=False))
        with _on_disk(self._beside):
            self._database.execute("INSERT INTO rows VALUES (?, ?, ?, ?)", words)

    def by_reason(self, *, refused: bool | None = None, stage: str | None = None) -> dict[str, int]:
        """Count by reason, most frequent first; only the refused or those set aside, or of one stage, if asked."""
        counts = Counter[str]()
        for (of_stage, reason, was_refused), number in self._counts.items():
            if refused in {None, was_refused} and stage in {None, of_stage}:
                counts[reason] += number
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def __len__(self) -> int:
        return self._counts.total()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with _on_disk(self._beside):
            self._database.execute("CREATE INDEX IF NOT EXISTS in_order ON rows (stage, reason, file_id)")
        for (row,) in self._database.execute("SELECT row FROM rows ORDER BY stage, reason, file_id, rowid"):
            yield json.loads(row)

    def blocks(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Give the rows, some thousand at a time."""
        block: list[dict[str, Any]] = []
        for row in self:
            block.append(row)
            if len(block) == BLOCK_ROWS:
                yield pa.Table.from_pylist(block, schema=schema)
                block = []
        yield pa.Table.from_pylist(block, schema=schema)


class Dealt:
    """Rows of a table by their shard, each shard's in the order in which they came.

    Parameters
    ----------
    beside
        A table that will be written in the same folder.
    """

    def __init__(self, beside: Path) -> None:
        handle, name = _nameless(beside)
        self._file = BufferedRandom(os.fdopen(handle, "r+b", buffering=0))
        name.unlink()
        self._parts: dict[int, list[tuple[int, int]]] = {}  # where each lies, and its length

    def add(self, table: pa.Table) -> None:
        """Deal some rows."""
        shards = table["shard"].to_numpy()
        order = np.argsort(shards, kind="stable")
        table, shards = table.take(pa.array(order)).combine_chunks(), shards[order]
        starts = np.flatnonzero(np.diff(shards, prepend=-1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(shards)], strict=True):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table.slice(start, end - start))
            data = sink.getvalue()
            place = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self._parts.setdefault(int(shards[start]), []).append((place, data.size))

    def passing(self, blocks: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Deal blocks of rows while they pass."""
        for block in blocks:
            self.add(block)
            yield block

    def of(self, shard: int) -> Iterator[pa.Table]:
        """Read a shard's rows again, as they were dealt."""
        for place, size in self._parts.get(shard, []):
            self._file.seek(place)
            with pa.ipc.open_stream(self._file.read(size)) as reader:
                yield reader.read_all()
