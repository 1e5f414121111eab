"""Expression tables in their files: csv, tsv, txt (also gzipped) and Parquet; bounded, as bytes are untrusted."""

from __future__ import annotations

import csv
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.errors import InputError

MOST_BYTES = 1 << 28
"""Of the text of a table: ten times the 22,126 genes x 130 patients of GSE103584."""
MOST_CELLS = 50_000_000
BLOCK_BYTES = 1 << 16
MISSING = frozenset({"", "na", "n/a", "nan", "null"})
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
ENDINGS = ".csv, .tsv, .txt (each also .gz) or .parquet"


@dataclass(frozen=True, eq=False)
class Grid:
    """A table as it lies in its file.

    Parameters
    ----------
    name
        Of the file, for messages.
    rows, columns
        Names, as written, blanks around them stripped.
    values
        float64 [rows, columns]; NaN where the cell is empty or says NA.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]


def read_grid(path: Path) -> Grid:
    """Read a table whose first row and first column are names, and whose other cells are numbers or missing.

    Raises
    ------
    InputError
        The file is missing, damaged, larger than a table may be, no table, or a cell is no number.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        if suffixes[-1:] == [".parquet"]:
            return _parquet(path)
        zipped = suffixes[-1:] == [".gz"]
        kind = suffixes[-2] if zipped and len(suffixes) > 1 else (suffixes or [""])[-1]
        if kind not in SEPARATORS:
            msg = f"{path.name}: a table that ends in {kind or 'nothing'}; give {ENDINGS}"
            raise InputError(msg)
        text = _bounded(path, zipped=zipped).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: not a readable table ({type(error).__name__}); give {ENDINGS}, text in UTF-8"
        raise InputError(msg) from error
    return _text(path.name, text, SEPARATORS[kind])


def _bounded(path: Path, *, zipped: bool) -> bytes:
    """Return the bytes of a file, decompressed if need be, and stop at the most a table may have."""
    if not zipped:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        _refuse_long(path, len(data))
        return data
    out, member = bytearray(), zlib.decompressobj(wbits=31)
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                while block:
                    out += member.decompress(block, MOST_BYTES + 1 - len(out))
                    _refuse_long(path, len(out))
                    block = member.unused_data.lstrip(b"\0") if member.eof else b""
                    member = zlib.decompressobj(wbits=31) if block else member
    except zlib.error as error:
        msg = f"{path.name}: the gzip data are damaged after {len(out)} bytes of text; fetch the file again"
        raise InputError(msg) from error
    if not member.eof:
        msg = f"{path.name}: the gzip data end early, after {len(out)} bytes of text; fetch the file again"
        raise InputError(msg)
    return bytes(out)


def _refuse_long(path: Path, length: int) -> None:
    if length > MOST_BYTES:
        msg = f"{path.name}: more than {MOST_BYTES} bytes of text, the most a table may have; give it as Parquet"
        raise InputError(msg)


def _text(name: str, text: str, separator: str) -> Grid:
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    except csv.Error as error:
        msg = f"{name}: not a table ({error})"
        raise InputError(msg) from error
    if len(lines) < 2 or len(lines[1]) < 2:
        shape = f"{len(lines)} rows, the second of {len(lines[1]) if len(lines) > 1 else 0} cells"
        msg = f"{name}: {shape}; a table needs a row of names and a column of names (cells parted by {separator!r})"
        raise InputError(msg)
    # R writes no cell above the column of names.
    head = lines[0] if len(lines[0]) == len(lines[1]) - 1 else lines[0][1:]
    values = np.empty((len(lines) - 1, len(head)))
    for number, cells in enumerate(lines[1:]):
        if len(cells) != len(head) + 1:
            msg = (
                f"{name}: row {number + 2} has {len(cells)} cells where the row of names makes it {len(head) + 1}; "
                "mend the table"
            )
            raise InputError(msg)
        values[number] = _numbers(name, number + 2, cells)
    return Grid(name, tuple(cells[0].strip() for cells in lines[1:]), tuple(cell.strip() for cell in head), values)


def _numbers(name: str, row: int, cells: list[str]) -> list[float]:
    """Return the numbers of one row behind its name."""
    numbers = []
    for column, cell in enumerate(cells[1:], start=2):
        word = cell.strip()
        if word.lower() in MISSING:
            numbers.append(float("nan"))
            continue
        try:
            number = float(word)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number) or "_" in word:
            msg = (
                f"{name}: row {row} ({cells[0].strip()[:40]!r}), column {column} holds {word[:20]!r}, which is no "
                "finite number; write a number, or NA where nothing was measured"
            )
            raise InputError(msg)
        numbers.append(number)
    return numbers


def _parquet(path: Path) -> Grid:
    """Read a Parquet file: one column of names, first or saved as the index of pandas, the others numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        cells = file.metadata.num_rows * file.metadata.num_columns
        if cells > MOST_CELLS:
            msg = f"{path.name}: {cells} cells, and a table may have {MOST_CELLS}; leave out what is no expression"
            raise InputError(msg)
        size = sum(file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups))
        if size > MOST_BYTES + 8 * cells:
            msg = f"{path.name}: {size} bytes when decompressed, too many for {cells} cells; write it again"
            raise InputError(msg)
        table = file.read()
        titles = table.column_names
    except (pa.ArrowException, UnicodeDecodeError) as error:
        msg = f"{path.name}: not a readable Parquet file ({type(error).__name__}); write it again"
        raise InputError(msg) from error
    # By their places, as two columns may have one name; that is refused with the names of all others.
    types = [pa.types.is_string(kind) or pa.types.is_large_string(kind) for kind in table.schema.types]
    texts = [place for place, is_text in enumerate(types) if is_text]
    if len(texts) != 1:
        msg = f"{path.name}: {len(texts)} columns of text, where one holds the names of the rows and the others numbers"
        raise InputError(msg)
    names = [str(value or "").strip() for value in table.column(texts[0]).to_pylist()]
    places = [place for place in range(len(titles)) if place != texts[0]]
    values = np.empty((len(names), len(places)))
    for number, place in enumerate(places):
        values[:, number] = _parquet_column(path.name, titles[place], number, table.column(place))
    return Grid(path.name, tuple(names), tuple(titles[place].strip() for place in places), values)


def _parquet_column(name: str, title: str, number: int, column: object) -> NDArray[np.float64]:
    import pyarrow as pa

    kind = column.type  # type: ignore[attr-defined]
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        msg = f"{name}: column {number + 1} is of type {kind}, not of numbers; write it as float64"
        raise InputError(msg)
    plain = column.cast(pa.float64())  # type: ignore[attr-defined]
    values = np.asarray(plain.to_numpy(), dtype=np.float64)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        msg = f"{name}: row {row + 1}, column {number + 1} holds {values[row]}; write a number, or null where none is"
        raise InputError(msg)
    return values
