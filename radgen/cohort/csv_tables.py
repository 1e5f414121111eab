"""Tables that users bring: who is a patient, what is the class, which split. All text."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import pandas as pd

from radgen.errors import CohortError, InputError


def names_of(path: str) -> list[str]:
    """List what a table may call a file: its path, its name, and the folders it lies in, the nearest first.

    >>> names_of("a/b/c.nii")
    ['a/b/c.nii', 'c.nii', 'a/b', 'b', 'a', 'a']
    """
    pure = PurePosixPath(path)
    folders = [name for folder in pure.parents[:-1] for name in (str(folder), folder.name)]
    return [str(pure), pure.name, *folders]


def read_pairs(table: Path, key: str, value: str) -> dict[str, str]:
    """Read two columns of a CSV table as text.

    Raises
    ------
    InputError
        The table is missing, not a CSV, or lacks a column.
    CohortError
        One key has two values; line numbers are named, not the key, which may be a patient's.
    """
    frame = read_csv(table)
    missing = [name for name in (key, value) if name not in frame.columns]
    if missing:
        msg = f"{table.name}: no column {missing[0]!r} among {', '.join(frame.columns)}; rename or add it"
        raise InputError(msg)
    pairs: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, (name, meaning) in enumerate(zip(frame[key], frame[value], strict=True), start=2):
        if pairs.setdefault(name, meaning) != meaning:
            msg = f"{table.name}: line {line} gives another {value} than line {lines[name]} to the same {key}; keep one"
            raise CohortError(msg)
        lines.setdefault(name, line)
    return pairs


def read_csv(table: Path) -> pd.DataFrame:
    """Read a CSV table as text, blanks stripped, lines that start with # left out.

    Raises
    ------
    InputError
        The table is missing or not a CSV.
    """
    try:
        # Not by pandas' own `comment`, which cuts a line at any #, and file names may hold one.
        with table.open(encoding="utf-8-sig") as file:
            text = "".join(line for line in file if not line.startswith("#"))
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, skipinitialspace=True)
    except (OSError, ValueError) as error:
        msg = f"{table}: not a readable CSV table ({error})"
        raise InputError(msg) from error
    return frame.rename(columns=str.strip).map(str.strip)
