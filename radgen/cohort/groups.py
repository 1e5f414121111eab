"""Patients who must not be parted: a family, a site, or files that the leak finder holds for one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from radgen.cohort.csv_tables import read_csv, read_pairs
from radgen.cohort.labels import RAW_AND_HASHED, matching_keys
from radgen.cohort.table_rows import Rows
from radgen.errors import CohortError

Row = Mapping[str, Any]
Name = TypeVar("Name", str, int)


def read_groups(rows: Rows, table: Path | None, files: Mapping[str, Row]) -> tuple[dict[str, str], dict[str, Any]]:
    """Find the group of every patient; a split is then given to the group.

    Parameters
    ----------
    rows
        Rows of the inventory.
    table
        A CSV with columns group and one of patient, study, series, file; None: every patient is a group of its own.
    files
        Rows of the private table by file id.

    Returns
    -------
    groups, notes
        Patient key to group; a patient whom the table does not name is its own group. A patient who is named in two
        groups makes one of them, called by the name that sorts first.

    Raises
    ------
    CohortError
        The table lacks a column.
    """
    top = {row["patient_key"]: row["patient_key"] for row in rows}
    if table is None:
        return top, {}
    columns = read_csv(table).columns
    key = next((name for name in (*RAW_AND_HASHED, "file") if name in columns), None)
    if key is None or "group" not in columns:
        msg = f"{table.name}: columns are {', '.join(columns)}; give group and one of patient, study, series, file"
        raise CohortError(msg)
    group_of = read_pairs(table, key, "group")
    named: dict[str, set[str]] = {}
    used: set[str] = set()
    for row in rows:
        keys = matching_keys(row, files, key, group_of)
        used.update(keys)
        # A blank group is no group: else all patients without one would hang together.
        named.setdefault(row["patient_key"], set()).update(group_of[name] for name in keys if group_of[name])
    joined = join(named.values())
    # The prefix keeps a group that is called like a patient's key apart from that patient.
    groups = {patient: f"group {joined[min(names)]}" if names else patient for patient, names in named.items()}
    notes = {
        "rows": len(group_of),
        "rows_without_series": len(group_of) - len(used),
        "groups": len(set(groups.values()) - set(groups)),
        "patients_without_group": sum(not names for names in named.values()),
    }
    return groups, {"group_table": notes}


def join(sets: Iterable[Iterable[Name]]) -> dict[Name, Name]:
    """Join sets that share a name, and theirs in turn; return the first name of its whole for each name.

    >>> join([{"b", "c"}, {"d"}, {"a", "c"}])
    {'a': 'a', 'b': 'a', 'c': 'a', 'd': 'd'}
    """
    above: dict[Name, Name] = {}
    for names in sets:
        tops = sorted({top_of(name, above) for name in names})
        above |= dict.fromkeys(tops, tops[0]) if tops else {}
    return {name: top_of(name, above) for name in sorted(above)}


def top_of(name: Name, above: dict[Name, Name]) -> Name:
    """Return the first name of the whole that holds a name; names met on the way are tied to it directly."""
    while above.setdefault(name, name) != name:
        above[name] = above[above[name]]
        name = above[name]
    return name
