"""Read the tables beside an archive's images: bounded in size, and never a link out of the archive."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path, PurePosixPath

from radgen.errors import InputError

# The largest table of a known layout is RadImageNet's list of 1.35 million images, about 100 MB.
MAX_TABLE_BYTES = 1 << 29


def read_bytes(root: Path, path: str, most: int) -> bytes:
    """Read a whole file of an archive.

    Parameters
    ----------
    root
        The archive.
    path
        Of the file, relative to it.
    most
        The largest size in bytes that is read.

    Raises
    ------
    InputError
        It is no file of the archive (a pipe, a link that leads out of it), is larger, or cannot be read. The message
        names no path.
    """
    target = (root / path).resolve()
    kind = PurePosixPath(path).suffix.removeprefix(".") or "side"
    if not target.is_relative_to(root.resolve()):
        msg = f"a {kind} file is a link that leads out of the archive; put the file itself there"
        raise InputError(msg)
    try:
        found = target.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            msg = f"a {kind} file of {found.st_size} bytes is no file of at most {most} bytes"
            raise InputError(msg)
        return target.read_bytes()
    except OSError as error:
        msg = f"a {kind} file cannot be read ({error.strerror})"
        raise InputError(msg) from error


def read_json(root: Path, path: str) -> object:
    """Read a JSON file of an archive.

    Raises
    ------
    InputError
        As `read_bytes`, or the file is no JSON.
    """
    try:
        found: object = json.loads(read_bytes(root, path, MAX_TABLE_BYTES))
    except (ValueError, RecursionError) as error:
        msg = f"a json file is none ({type(error).__name__}); repair or remove it"
        raise InputError(msg) from error
    return found


def read_lines(root: Path, path: str, *, separators: str = ",") -> list[list[str]]:
    """Read a CSV file of an archive as rows of stripped text, empty lines left out.

    Parameters
    ----------
    root
        The archive.
    path
        Of the table, relative to it.
    separators
        The characters that may part columns; the one most frequent in the first line does.

    Raises
    ------
    InputError
        As `read_bytes`, or the file is no UTF-8 text or no table.
    """
    try:
        text = read_bytes(root, path, MAX_TABLE_BYTES).decode("utf-8-sig")
        separator = max(separators, key=text.partition("\n")[0].count)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"a csv file is no table of UTF-8 text ({type(error).__name__}); repair or remove it"
        raise InputError(msg) from error


def read_columns(root: Path, path: str, names: tuple[str, ...], *, separators: str = ",") -> list[tuple[str, ...]]:
    """Read the named columns of a CSV file with a header; letter case of the header does not matter.

    Raises
    ------
    InputError
        As `read_lines`, or a column is missing, or a row is too short.
    """
    rows = read_lines(root, path, separators=separators)
    header = [cell.lower() for cell in rows[0]] if rows else []
    missing = [name for name in names if name not in header]
    if missing:
        msg = f"a csv file lacks the column {missing[0]!r} among its {len(header)} columns; is it of this layout?"
        raise InputError(msg)
    places = [header.index(name) for name in names]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) <= max(places):
            msg = f"row {number} of a csv file has {len(row)} cells, but column {header[max(places)]!r} is wanted"
            raise InputError(msg)
    return [tuple(row[place] for place in places) for row in rows[1:]]
