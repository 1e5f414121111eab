"""Merge tables: which labels of a source make up which structure. Standard library only: read with the DAG."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
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
        The file is missing, lacks a column or a cell, or gives one source label to two structures.
    """
    try:
        lines = [
            line for line in path.read_text(encoding="utf-8-sig").splitlines() if line and not line.startswith("#")
        ]
        rows = list(csv.DictReader(lines, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"merge table {path}: cannot be read ({error}); give a CSV of columns source,structure"
        raise ConfigError(msg) from error
    columns = set(rows[0]) if rows else set()
    if not {"source", "structure"} <= columns:
        known = ", ".join(sorted(str(name) for name in columns)) or "none"
        msg = f"merge table {path}: columns are {known}, but source and structure are needed"
        raise ConfigError(msg)
    try:
        parts = _labels_by_structure(rows)
        return StructureSettings(names=tuple(parts), map=parts)
    except ValueError as error:
        msg = f"merge table {path}: {error}"
        raise ConfigError(msg) from error


def _labels_by_structure(rows: Sequence[Mapping[str, str | None]]) -> dict[str, tuple[int | str, ...]]:
    parts: dict[str, tuple[int | str, ...]] = {}
    for row in rows:
        source, structure = row["source"], row["structure"]
        if source is None or structure is None:
            msg = f"a line {source or structure!r} has no source or no structure; complete it, or remove it"
            raise ValueError(msg)
        labels = [text for text in (source.strip(), (row.get("name") or "").strip()) if text]
        numbered = tuple(int(text) if text.isdecimal() else text for text in labels)
        parts[structure.strip()] = parts.get(structure.strip(), ()) + numbered
    return parts
