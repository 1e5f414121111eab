"""The tables of inventory and cohort: columns, types, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from radgen.cohort.refusal import SET_ASIDE, Reason
from radgen.errors import InputError
from radgen.imageset.blocks import BLOCK_ROWS, read_blocks, unreadable, write_blocks

Item = TypeVar("Item")

REMARK = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),  # as a refusal's reason: tilted, uneven-gaps, ...
        pa.field("treatment", pa.string(), nullable=False),  # nearest | resample | split | ...
        pa.field("figure", pa.float64(), nullable=False),  # what was measured
        pa.field("unit", pa.string(), nullable=False),  # degrees | mm | positions | ...
    ]
)

INVENTORY_SCHEMA = pa.schema(
    [
        pa.field("series_key", pa.string(), nullable=False),  # keyed hashes: see keys.py
        pa.field("study_key", pa.string(), nullable=False),
        pa.field("patient_key", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),  # a patient's series share one
        pa.field("archive", pa.string(), nullable=False),  # its name; empty for a study's only archive
        pa.field("format", pa.string(), nullable=False),  # dicom | nifti | picture
        pa.field("modality", pa.string(), nullable=False),
        pa.field("anatomy", pa.string(), nullable=False),
        pa.field("n_slices", pa.int32(), nullable=False),  # size along canonical axes 0, 1, 2
        pa.field("rows", pa.int32(), nullable=False),
        pa.field("cols", pa.int32(), nullable=False),
        pa.field("spacing_slice_mm", pa.float64()),  # along the same axes; null when the file names none
        pa.field("spacing_row_mm", pa.float64()),
        pa.field("spacing_col_mm", pa.float64()),
        pa.field("given_split", pa.string(), nullable=False),  # by the layout; empty when absent
        pa.field("row_number", pa.int64()),  # of row-numbered files
        pa.field("repeat", pa.int32(), nullable=False),  # which volume, where files hold several per position
        pa.field("file_ids", pa.list_(pa.string()), nullable=False),  # slices in order along their normal
        pa.field("mask_ids", pa.list_(pa.string()), nullable=False),
        pa.field("mask_kind", pa.string()),  # a key of readers.MASK_READERS; null without a mask
        pa.field("mask_labels", pa.list_(pa.string()), nullable=False),  # the one structure each shows, or ""
        pa.field("remarks", pa.list_(REMARK), nullable=False),  # what is unusual, and how it is treated
        pa.field("copies", pa.string()),  # the same for series of equal bytes in one archive; null for one of a kind
        pa.field("digest", pa.string(), nullable=False),  # of all files, masks included
    ]
)

SERIES_SCHEMA = pa.schema(
    [
        *INVENTORY_SCHEMA,
        pa.field("class_name", pa.string()),  # null when the class is decided slice by slice
        pa.field("split", pa.string(), nullable=False),  # train | val | test | annotator | generator
    ]
)

REJECTS_SCHEMA = pa.schema(
    [
        pa.field("file_id", pa.string(), nullable=False),
        pa.field("series_key", pa.string()),  # where the file belongs to a series
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("refused", pa.bool_(), nullable=False),  # false: set aside on purpose, not counted against the limit
        pa.field("figure", pa.float64()),  # what was measured, where one number says it
        pa.field("unit", pa.string(), nullable=False),  # of the figure: degrees, mm, positions, ...; empty without one
        pa.field("sentence", pa.string(), nullable=False),
    ]
)

COUNTS_SCHEMA = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("class_name", pa.string()),  # null when classes are decided slice by slice
        pa.field("patients", pa.int64(), nullable=False),
        pa.field("series", pa.int64(), nullable=False),
        pa.field("slices", pa.int64(), nullable=False),
        pa.field("with_mask", pa.int64(), nullable=False),
    ]
)

FILES_SCHEMA = pa.schema(
    [
        pa.field("file_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # relative to the archive
        pa.field("patient", pa.string()),  # as the archive names them: this table stays private
        pa.field("study", pa.string()),
        pa.field("series", pa.string()),
        pa.field("series_key", pa.string()),
        pa.field("patient_key", pa.string()),
        pa.field("study_key", pa.string()),
        pa.field("class_value", pa.string()),  # of class_tag or the layout: free text
        pa.field("segments", pa.list_(pa.string())),  # segment labels of a DICOM SEG
    ]
)


class Rows(Generic[Item]):
    """Rows of a table in order, each made anew whenever it is asked for, so that those of a million files take no room.

    Parameters
    ----------
    items
        What rows are made of.
    make
        Makes a row of one.
    order
        Its place among the others; equals stay as they come.
    """

    def __init__(
        self, items: Iterable[Item], make: Callable[[Item], dict[str, Any]], *, order: Callable[[Item], Any]
    ) -> None:
        self._items, self._make = sorted(items, key=order), make

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._make, self._items)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self._make(self._items[place])


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows as Parquet in the given order, atomically and some thousand at a time."""
    left = iter(rows)
    blocks = iter(lambda: [dict(row) for row in islice(left, BLOCK_ROWS)], [])
    write_blocks(path, (pa.Table.from_pylist(block, schema=schema) for block in blocks), schema)


def read_rows(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Read a table that `write_rows` wrote, as dictionaries; see `read_columns`."""
    rows: list[dict[str, Any]] = read_columns(path, schema).to_pylist()
    return rows


def read_columns(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table that `write_rows` wrote.

    Raises
    ------
    InputError
        The file is missing, damaged or lacks a column.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise unreadable(path, error) from error
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        msg = f"{path}: the table lacks column {missing[0]!r}; it was not written by this version of radgen"
        raise InputError(msg)
    return table.select(schema.names)


def largest(path: Path, column: str) -> int:
    """Return the largest number in a column, 0 in a table without rows."""
    return max((pc.max(block[column]).as_py() for block in read_blocks(path, (column,))), default=0)


def in_order(path: Path, blocks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Pass blocks of series on, and see that patients, and series within a patient, come in the order of their keys.

    Raises
    ------
    InputError
        They do not; the table from which they were read is named.
    """
    names = ("patient_key", "series_key")
    last: list[pa.Table] = []
    for block in blocks:
        keys = pa.concat_tables([*last, block.select(names)])
        order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in names]).to_numpy()
        if not np.array_equal(order, np.arange(len(order))):
            msg = f"{path}: rows are not in the order of patient_key and series_key; run the inventory again"
            raise InputError(msg)
        last = [keys.slice(keys.num_rows - 1)]
        yield block


def reject_row(
    file_id: str,
    series_key: str | None,
    stage: str,
    reason: Reason,
    sentence: str,
    *,
    measured: tuple[float | None, str] = (None, ""),
) -> dict[str, Any]:
    """Return one row of a rejects table; `measured` is the figure that shows the fault, and its unit."""
    return {
        "file_id": file_id,
        "series_key": series_key,
        "stage": stage,
        "reason": str(reason),
        "refused": reason not in SET_ASIDE,
        "figure": measured[0],
        "unit": measured[1],
        "sentence": sentence,
    }
