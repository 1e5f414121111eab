"""The clinical table: who died when, and what a survival model may use beside genes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from radgen.cohort.csv_tables import read_csv
from radgen.errors import CohortError, InputError
from radgen.radiogenomic.settings import ClinicalSettings

FIXED = ("patient", "time_days", "died")


@dataclass(frozen=True, eq=False)
class Clinical:
    """What is known of patients whose survival is known.

    Parameters
    ----------
    patients
        Unique names.
    time_days
        float64 [patients], above 0: from the first date to death, or to when they were last seen.
    died
        bool [patients]: which of the two.
    names
        Of the variables: a column of numbers keeps its name, a column of words becomes `column: word`.
    variables
        float64 [patients, names]; NaN where nothing is known.
    line
        What was left out, in one sentence without ids.
    """

    patients: tuple[str, ...]
    time_days: NDArray[np.float64]
    died: NDArray[np.bool_]
    names: tuple[str, ...]
    variables: NDArray[np.float64]
    line: str = ""


def read_clinical(path: Path, settings: ClinicalSettings) -> Clinical:
    """Read a clinical table.

    Parameters
    ----------
    path
        CSV, one patient a line.
    settings
        Its columns.

    Raises
    ------
    InputError
        The table cannot be read or lacks a column; a date is none.
    CohortError
        A patient stands in two lines, or nobody's survival is known.
    """
    frame = read_csv(path)
    needed = (settings.patient, settings.begin, settings.last_seen, settings.death, settings.status)
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        found = ", ".join(map(str, frame.columns[:8]))
        msg = f"{path.name}: no column {missing[0]!r} among its {len(frame.columns)} ({found} ...); see clinical"
        raise InputError(msg)
    _refuse_twice(path.name, frame[settings.patient])
    died = (frame[settings.status] == settings.died).to_numpy()
    begin, seen, death = (_dates(path.name, frame[name], settings) for name in needed[1:4])
    days = np.where(died, death, seen) - begin
    known = np.isfinite(days) & (days > 0)
    if not known.any():
        msg = f"{path.name}: of none of its {len(frame)} patients is it known how long they lived; see clinical"
        raise CohortError(msg)
    used = [name for name in settings.variables if name in frame.columns]
    names, variables = _variables(frame.loc[known, used], settings)
    absent = [name for name in settings.variables if name not in used]
    line = f"survival of {int(known.sum())} of {len(frame)} patients is known, {int(died[known].sum())} of them died"
    line += f"; columns {', '.join(absent)} are not there" if absent else ""
    patients = tuple(frame.loc[known, settings.patient])
    return Clinical(patients, days[known], died[known], names, variables, line)


def _refuse_twice(name: str, patients: pd.Series) -> None:
    first: dict[str, int] = {}
    for line, patient in enumerate(patients, start=2):
        if first.setdefault(patient, line) != line:
            msg = f"{name}: lines {first[patient]} and {line} are the same patient; keep one"
            raise CohortError(msg)


def _dates(name: str, texts: pd.Series, settings: ClinicalSettings) -> NDArray[np.float64]:
    """Return days since 1970, NaN where nothing is known."""
    days = np.full(len(texts), np.nan)
    for place, text in enumerate(texts):
        if text in settings.missing:
            continue
        try:
            days[place] = datetime.strptime(text, "%m/%d/%Y").toordinal()
        except ValueError as error:
            msg = f"{name}: line {place + 2}, column {texts.name!r} holds no date month/day/year; correct it"
            raise InputError(msg) from error
    return days


def _variables(frame: pd.DataFrame, settings: ClinicalSettings) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return numbers as they are, and words as one column each but the first, which the others are compared with."""
    names: list[str] = []
    columns: list[NDArray[np.float64]] = []
    for column in frame.columns:
        texts = frame[column].to_numpy()
        known = ~np.isin(texts, settings.missing)
        numbers = _numbers(texts[known])
        if numbers is not None:
            values = np.full(len(texts), np.nan)
            values[known] = numbers
            names.append(str(column))
            columns.append(values)
            continue
        for word in sorted(set(texts[known]))[1:]:
            names.append(f"{column}: {word}")
            columns.append(np.where(known, (texts == word).astype(np.float64), np.nan))
    return tuple(names), np.stack(columns, axis=1) if columns else np.zeros((len(frame), 0))


def _numbers(texts: NDArray[np.object_]) -> NDArray[np.float64] | None:
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return None
    return numbers if len(numbers) and np.isfinite(numbers).all() else None


def to_table(clinical: Clinical, key_of: Callable[[str], str]) -> pa.Table:
    """Return a table of pseudonyms, survival and variables, sorted by pseudonym."""
    keys = [key_of(patient) for patient in clinical.patients]
    columns = {"patient": keys, "time_days": clinical.time_days, "died": clinical.died}
    columns |= {name: clinical.variables[:, place] for place, name in enumerate(clinical.names)}
    return pa.table(columns).sort_by("patient")


def from_table(table: pa.Table) -> Clinical:
    """Read what `to_table` returned; NaN stays NaN."""
    names: Sequence[str] = [name for name in table.column_names if name not in FIXED]
    variables = [table.column(name).to_numpy().astype(np.float64) for name in names]
    return Clinical(
        tuple(table.column("patient").to_pylist()),
        table.column("time_days").to_numpy().astype(np.float64),
        np.array(table.column("died").to_pylist(), dtype=bool),
        tuple(names),
        np.stack(variables, axis=1) if names else np.zeros((table.num_rows, 0)),
    )
