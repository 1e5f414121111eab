"""Rows of a stored table as mappings, a block at a time, so that an archive of a million images is never in memory.

A dictionary with its texts takes some 2 KB a series, the same row of an Arrow table 0.2 KB; here it takes a byte, and
four for each column that was added.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.imageset.blocks import count_rows, read_blocks


class Rows(Protocol):
    """Rows in their order, however they are kept; may be walked through again and again."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Mapping[str, Any]]: ...


class _Block:
    """Some rows of a table, each column turned into Python values when it is first asked for."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._values: dict[str, list[Any]] = {}

    def values(self, name: str) -> list[Any]:
        """Return a column; equal texts are one object."""
        found = self._values.get(name)
        if found is None:
            column = self.table[name]
            if pa.types.is_string(column.type):
                codes = column.combine_chunks().dictionary_encode()
                words = codes.dictionary.to_pylist()
                found = [None if code is None else words[code] for code in codes.indices.to_pylist()]
            else:
                found = column.to_pylist()
            self._values[name] = found
        return found


class RowView(Mapping[str, Any]):
    """One row of a block; whoever keeps it keeps the block, so take the values that are needed."""

    __slots__ = ("_block", "_place")

    def __init__(self, block: _Block, place: int) -> None:
        self._block, self._place = block, place

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - any column
        return self._block.values(name)[self._place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._block.table.column_names)

    def __len__(self) -> int:
        return int(self._block.table.num_columns)


class StoredRows:
    """Rows of a Parquet table, all or some, in its order, perhaps with columns of text more.

    Parameters
    ----------
    path
        Of the table, which stays as it is.
    schema
        Columns that are read.

    Raises
    ------
    InputError
        The file is missing, damaged or lacks a column.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.names = path, tuple(schema.names)
        self._kept = np.ones(count_rows(path, schema), dtype=bool)
        self._texts: dict[str, tuple[NDArray[np.int32], list[str | None]]] = {}  # for each stored row, and the words

    def __len__(self) -> int:
        return int(np.count_nonzero(self._kept))

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for table in self.blocks():
            block = _Block(table)
            for place in range(table.num_rows):
                yield RowView(block, place)

    def blocks(self) -> Iterator[pa.Table]:
        """Read the rows, some thousand at a time."""
        start = 0
        for stored in read_blocks(self.path, self.names):
            rows = slice(start, start + stored.num_rows)
            start, kept = rows.stop, self._kept[rows]
            if not kept.any():
                continue
            block = stored if kept.all() else stored.filter(pa.array(kept))
            for name, (codes, words) in self._texts.items():
                texts = pa.array(words, pa.string()).take(pa.array(codes[rows][kept]))
                block = block.append_column(name, texts)
            yield block

    def where(self, keep: NDArray[np.bool_]) -> StoredRows:
        """Return the rows that are to be kept."""
        some = copy.copy(self)
        some._kept = self._kept.copy()
        some._kept[some._kept] = keep
        return some

    def with_column(self, name: str, values: Iterable[str | None]) -> StoredRows:
        """Return these rows with a column of text more, of which few differ."""
        more = copy.copy(self)
        code_of: dict[str | None, int] = {}
        codes = np.zeros(len(self._kept), dtype=np.int32)
        codes[self._kept] = np.fromiter(
            (code_of.setdefault(value, len(code_of)) for value in values), np.int32, len(self)
        )
        more._texts = self._texts | {name: (codes, list(code_of) or [None])}
        return more
