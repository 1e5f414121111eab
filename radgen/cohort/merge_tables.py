"""Merge tables: which labels of a source make up which structure. Standard library only: read with the DAG."""

from __future__ import annotations

import csv
from pathlib import Path

from radgen.cohort.settings import StructureSettings
from radgen.errors import ConfigError


def read_merge_table(path: Path) -> StructureSettings:
    """Read a CSV of columns source,structure[,name]; other columns and lines that start with # are notes.

    Parameters
    ----------
    path
        Each line gives one source label, a number or a segment's name, to a structure. In `name`, a number's label is
        called as segments and files of one structure each are. Structures are numbered in the order in which they first
        appear.

    Raises
    ------
    ConfigError
        The file is missing, lacks a column, or gives one source label to two structures.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"merge table {path}: cannot be read ({error}); give a CSV of columns source,structure"
        raise ConfigError(msg) from error
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    rows = list(csv.DictReader(lines, skipinitialspace=True))
    columns = set(rows[0]) if rows else set()
    if not {"source", "structure"} <= columns:
        known = ", ".join(sorted(str(name) for name in columns)) or "none"
        msg = f"merge table {path}: columns are {known}, but source and structure are needed"
        raise ConfigError(msg)
    parts: dict[str, list[int | str]] = {}
    for row in rows:
        labels = [text for text in (row["source"].strip(), (row.get("name") or "").strip()) if text]
        parts.setdefault(row["structure"].strip(), []).extend(
            int(text) if text.isdecimal() else text for text in labels
        )
    try:
        return StructureSettings(names=tuple(parts), map={name: tuple(found) for name, found in parts.items()})
    except ValueError as error:
        msg = f"merge table {path}: {error}"
        raise ConfigError(msg) from error
