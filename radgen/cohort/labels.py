"""Which class a series belongs to: by folder, by DICOM tag or by a table; or by slice, later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePosixPath
from typing import Any

from radgen.cohort.csv_tables import names_of, read_pairs
from radgen.cohort.settings import ClassSettings
from radgen.cohort.table_rows import Rows
from radgen.errors import CohortError

Row = Mapping[str, Any]
# Columns of the private table that a labels table may be keyed by.
RAW_AND_HASHED = {
    "patient": ("patient", "patient_key"),
    "study": ("study", "study_key"),
    "series": ("series", "series_key"),
}


def label_series(
    rows: Rows, files: Mapping[str, Row], classes: ClassSettings, table: Path | None
) -> tuple[list[str | None], list[str | None], dict[str, Any]]:
    """Find the class of every series.

    Parameters
    ----------
    rows
        Rows of the inventory.
    files
        Rows of the private table by file id.
    classes
        How classes are told.
    table
        For `by: table`: a CSV with a column named by `classes.key` and a column `label`.

    Returns
    -------
    names, problems, notes
        For each series its class (None when it is decided by slice) and, if it has none, why; unmatched counts.
    """
    if classes.per_slice:
        return [None] * len(rows), [None] * len(rows), {}
    meaning = {value: name for name in classes.names for value in classes.values_of(name)}
    notes: dict[str, Any] = {}
    found: Iterable[AbstractSet[str]]
    if classes.by == "folder":
        found = (_from_folder(files[row["file_ids"][0]]["path"], meaning) for row in rows)
    elif classes.by in {"tag", "layout"}:
        found = ({str(files[row["file_ids"][0]]["class_value"] or "")} - {""} for row in rows)
    else:
        found, notes = _from_table(rows, files, classes, table)
    names, problems = [], []
    same: dict[str, str] = {}  # a million equal sentences are one
    for values in found:
        labels = {meaning[value] for value in values if value in meaning}
        names.append(next(iter(labels)) if len(labels) == 1 else None)
        problem = None if len(labels) == 1 else _problem(classes, values, labels)
        problems.append(problem and same.setdefault(problem, problem))
    return names, problems, notes


def _problem(classes: ClassSettings, values: AbstractSet[str], labels: set[str]) -> str:
    if labels:
        return f"{classes.by}: says {len(labels)} classes at once ({', '.join(sorted(labels))})"
    return f"{classes.by}: {'says nothing of the class' if not values else 'names none of the classes'}"


def _from_folder(path: str, meaning: Mapping[str, str]) -> set[str]:
    """Return the class folder that lies nearest to the file; a value with slashes means that chain of folders."""
    folder = f"/{PurePosixPath(path).parent}/"
    ends = {value: folder.rfind(f"/{value}/") + len(value) for value in meaning if f"/{value}/" in folder}
    nearest = max(ends.values(), default=0)
    # Of values that end at the same folder the longest is the most exact.
    return {max((value for value, end in ends.items() if end == nearest), key=len)} if ends else set()


def _from_table(
    rows: Rows, files: Mapping[str, Row], classes: ClassSettings, table: Path | None
) -> tuple[list[frozenset[str]], dict[str, Any]]:
    if table is None:
        msg = f"classes.by: table needs a table; name a CSV with columns {classes.key},label in the config"
        raise CohortError(msg)
    label_of = read_pairs(table, classes.key, "label")
    found, used = [], set()
    same: dict[frozenset[str], frozenset[str]] = {}
    for row in rows:
        keys = matching_keys(row, files, classes.key, label_of)
        used.update(keys)
        labels = frozenset(label_of[key] for key in keys)
        found.append(same.setdefault(labels, labels))
    notes = {
        "rows": len(label_of),
        "rows_without_series": len(label_of) - len(used),
        "series_without_row": sum(not values for values in found),
    }
    return found, {"labels_table": notes}


def matching_keys(row: Row, files: Mapping[str, Row], key: str, table: Mapping[str, str]) -> list[str]:
    """List the keys of a table that name a series: the most exact name of each of its files, or its own id."""
    if key == "file":
        groups = [[file_id, *names_of(files[file_id]["path"])] for file_id in row["file_ids"]]
    else:
        raw, hashed = RAW_AND_HASHED[key]
        groups = [[files[row["file_ids"][0]][raw], row[hashed]]]
    first = (next((name for name in names if name in table), None) for names in groups)
    return [name for name in dict.fromkeys(first) if name is not None]
