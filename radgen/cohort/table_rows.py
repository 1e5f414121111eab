"""Rows of a table as mappings that look into it, so that an archive of a million images is never held as dictionaries.

A dictionary with its texts takes some 2 KB a series, the same row of an Arrow table 0.2 KB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

BLOCK_ROWS = 8192  # so many rows are Python values at a time


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


class TableRows(Sequence[Mapping[str, Any]]):
    """Rows of a table, all or some, in the table's order or another.

    Parameters
    ----------
    table
        Never changed.
    places
        int64: which rows in which order; None for all.
    """

    def __init__(self, table: pa.Table, places: NDArray[np.int64] | None = None) -> None:
        self.table = table
        self.places = np.arange(table.num_rows) if places is None else places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for start in range(0, len(self), BLOCK_ROWS):
            part = self.places[start : start + BLOCK_ROWS]
            block = _Block(self.table.take(pa.array(part)))
            for place in range(len(part)):
                yield RowView(block, place)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> TableRows: ...

    def __getitem__(self, place: int | slice) -> dict[str, Any] | TableRows:
        if isinstance(place, slice):
            return TableRows(self.table, self.places[place])
        row: dict[str, Any] = self.table.slice(int(self.places[place]), 1).to_pylist()[0]
        return row

    def where(self, keep: NDArray[np.bool_]) -> TableRows:
        """Return the rows that are to be kept, in the same order."""
        return TableRows(self.table, self.places[keep])

    def with_column(self, name: str, values: Sequence[str | None]) -> TableRows:
        """Return these rows, one after the other, with a column of text more."""
        table = self.taken().append_column(name, pa.array(values, pa.string()))
        return TableRows(table)

    def taken(self) -> pa.Table:
        """Return these rows as a table of their own."""
        whole = len(self) == self.table.num_rows and bool((self.places == np.arange(len(self))).all())
        return self.table if whole else self.table.take(pa.array(self.places))

    def sorted_by(self, *names: str) -> TableRows:
        """Return the rows in the order of some columns; equal ones stay in theirs."""
        keys = self.table.select(list(names)).take(pa.array(self.places))
        order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in names])
        return TableRows(self.table, self.places[order.to_numpy()])


class RowsByName(Mapping[str, Mapping[str, Any]]):
    """Rows of a table by the text in one of its columns, in which no text stands twice."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self._table, self._name = table.combine_chunks(), name

    @cached_property
    def _order(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        """The texts in order, and where each stands."""
        column = self._table[self._name]
        order = pc.sort_indices(column).to_numpy().astype(np.int64)
        return np.array(column.take(pa.array(order)).cast(pa.binary()).to_numpy(), dtype=np.bytes_), order

    def __getitem__(self, text: str) -> Mapping[str, Any]:
        texts, order = self._order
        word = text.encode()
        place = int(np.searchsorted(texts, word))
        if place == len(texts) or texts[place] != word:
            raise KeyError(text)
        return _OneRow(self._table, int(order[place]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._table[self._name].to_pylist())

    def __len__(self) -> int:
        return int(self._table.num_rows)


class _OneRow(Mapping[str, Any]):
    """One row of a table, looked up value by value."""

    __slots__ = ("_place", "_table")

    def __init__(self, table: pa.Table, place: int) -> None:
        self._table, self._place = table, place

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - any column
        return self._table[name][self._place].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_columns)
