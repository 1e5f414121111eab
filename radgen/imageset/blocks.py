"""Parquet tables of any length, read and written a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from radgen.errors import InputError
from radgen.provenance import atomic_path

BLOCK_ROWS = 8192
# Of a written table: what must be in memory at once to write it, and parts of what must be to read it.
GROUP_ROWS = 65_536


def read_blocks(path: Path, columns: Sequence[str], rows: int = BLOCK_ROWS) -> Iterator[pa.Table]:
    """Read some columns of a table, so many rows at a time.

    Raises
    ------
    InputError
        The file is damaged.
    """
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(rows, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns))
    except (OSError, pa.ArrowInvalid) as error:
        raise unreadable(path, error) from error


def count_rows(path: Path, schema: pa.Schema) -> int:
    """Return how many rows a table has, without reading them.

    Raises
    ------
    InputError
        The file is missing, damaged or lacks a column of the schema.
    """
    try:
        found = pq.read_metadata(path)
        names = found.schema.to_arrow_schema().names
    except (OSError, pa.ArrowInvalid) as error:
        raise unreadable(path, error) from error
    missing = [name for name in schema.names if name not in names]
    if missing:
        msg = f"{path}: the table lacks column {missing[0]!r}; it was not written by this version of radgen"
        raise InputError(msg)
    return int(found.num_rows)


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error of a table that is missing or damaged."""
    return InputError(f"{path}: not a readable table ({error}); run the stage that writes it")


def write_blocks(path: Path, blocks: Iterable[pa.Table], schema: pa.Schema) -> int:
    """Write blocks of rows as one table, atomically; its bytes do not depend on where they end.

    Returns
    -------
    int
        How many rows were written.
    """
    rows = 0
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for group in _groups(blocks, schema):
            writer.write_table(group.combine_chunks())
            rows += group.num_rows
    return rows


def _groups(blocks: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Join and cut blocks into groups of GROUP_ROWS; no rows at all are one empty group."""
    waiting, yielded = schema.empty_table(), False
    for block in blocks:
        waiting = pa.concat_tables([waiting, block.select(schema.names).cast(schema)])
        while waiting.num_rows >= GROUP_ROWS:
            yield waiting.slice(0, GROUP_ROWS)
            waiting, yielded = waiting.slice(GROUP_ROWS), True
    if waiting.num_rows or not yielded:
        yield waiting
