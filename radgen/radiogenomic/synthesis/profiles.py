"""Edited gene profiles: a patient's, with some genes set to other values."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from radgen.errors import InputError
from radgen.radiogenomic.expression import Expression

MEAN = "mean"
"""Stands for a profile of no patient: every gene at the mean of the training patients."""
COLUMNS = ("profile", "patient", "gene", "value")


@dataclasses.dataclass(frozen=True)
class Edit:
    """One gene of one edited profile.

    Parameters
    ----------
    profile
        Name of the edited profile.
    patient
        Whose genes it starts from; see `MEAN`.
    gene
        Which gene is set.
    value
        To what: deviations of the training patients from their mean.
    """

    profile: str
    patient: str
    gene: str
    value: float


def read_edits(path: Path) -> list[Edit]:
    """Read a csv file with the columns profile, patient, gene and value.

    Raises
    ------
    InputError
        It cannot be read, lacks a column, or a value is no finite number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path.name}: not a readable csv file ({type(error).__name__}); give columns {', '.join(COLUMNS)}"
        raise InputError(msg) from error
    edits = []
    for number, row in enumerate(rows, start=2):
        value = _number(row.get("value"))
        if any(not row.get(name) for name in COLUMNS) or value is None:
            msg = (
                f"{path.name}: line {number} has no profile, patient, gene or finite value; give the columns "
                f"{', '.join(COLUMNS)}, and a line for each gene that is set"
            )
            raise InputError(msg)
        edits.append(Edit(row["profile"], row["patient"], row["gene"], value))
    return edits


def edited(expression: Expression, edits: Iterable[Edit]) -> Expression:
    """Return the edited profiles, in the order in which they are first named.

    Raises
    ------
    InputError
        An edit names an unknown patient or gene, two patients for one profile, or a profile that is a patient.
    """
    places = {gene: place for place, gene in enumerate(expression.genes)}
    known = set(expression.patients)
    starts: dict[str, str] = {}
    values: dict[str, np.ndarray] = {}
    for edit in edits:
        if edit.gene not in places or edit.patient not in known | {MEAN} or edit.profile in known:
            what = (
                f"gene {edit.gene[:40]!r} is not among the {len(places)}"
                if edit.gene not in places
                else "it bears a patient's name"
                if edit.profile in known
                else f"it starts from nobody among the {len(known)} patients"
            )
            msg = f"edited profile {edit.profile[:40]!r}: {what}; mend the table of edits"
            raise InputError(msg)
        if starts.setdefault(edit.profile, edit.patient) != edit.patient:
            msg = f"edited profile {edit.profile[:40]!r} starts from two patients; give each profile one"
            raise InputError(msg)
        if edit.profile not in values:
            zero = np.zeros(len(places), dtype=np.float32)
            values[edit.profile] = zero if edit.patient == MEAN else expression.of([edit.patient])[0].copy()
        values[edit.profile][places[edit.gene]] = edit.value
    stacked = np.array(list(values.values()), dtype=np.float32).reshape(len(values), len(places))
    return dataclasses.replace(expression, patients=tuple(values), values=stacked)


def joined(*parts: Expression) -> Expression:
    """Return the profiles of several tables of the same genes, one after the other.

    Raises
    ------
    InputError
        Two bear one name.
    """
    names = [name for part in parts for name in part.patients]
    if len(set(names)) != len(names):
        msg = f"{len(names)} profiles, but {len(set(names))} names; give each profile a name of its own"
        raise InputError(msg)
    values = np.concatenate([part.values for part in parts])
    return dataclasses.replace(parts[0], patients=tuple(names), values=values)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
