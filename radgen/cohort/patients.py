"""Who is one patient: a DICOM tag, the path, a table, row numbers, or nobody knows (near-duplicates)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from radgen.cohort.archives import Roots
from radgen.cohort.candidates import Candidate
from radgen.cohort.csv_tables import names_of, read_pairs
from radgen.cohort.near_duplicates import cluster
from radgen.cohort.settings import InventorySettings
from radgen.errors import CohortError


def name_patients(
    candidates: Sequence[Candidate],
    settings: InventorySettings,
    roots: Roots,
    table: Path | None,
    workers: int,
    *,
    sources: Mapping[str, str] | None = None,
) -> tuple[list[Candidate], dict[str, Any]]:
    """Fill in each candidate's patient as `patient_from` says.

    Parameters
    ----------
    candidates
        Series of the archives.
    settings
        How patients are told apart.
    roots
        Of the archives, read only where near-duplicates are looked for.
    table
        For `table`: CSV with columns file (path, file name, or a folder of the path) and patient.
    workers
        Processes that make thumbnails.
    sources
        Archives in which patients are told apart otherwise: name to `patient_from`.

    Returns
    -------
    candidates, notes
        Candidates whose patient stays None were not found; notes hold unmatched counts of both sides.

    Raises
    ------
    CohortError
        No candidate of an archive has a patient, or the table contradicts itself.
    """
    sources = sources or {}
    told = {name: sources.get(name) or settings.patient_from for name in {item.archive for item in candidates}}
    notes: dict[str, Any] = {"patient_from": ", ".join(sorted(set(told.values()))) or settings.patient_from}
    patients: dict[int, str | None] = {}
    for source in sorted(set(told.values())):
        places = [place for place, item in enumerate(candidates) if told[item.archive] == source]
        own = replace(settings, patient_from=source)
        names, more = _names([candidates[place] for place in places], own, roots, table, workers)
        notes |= more
        patients |= dict(zip(places, names, strict=True))
    return [replace(item, patient=patients[place]) for place, item in enumerate(candidates)], notes


def _names(
    candidates: Sequence[Candidate], settings: InventorySettings, roots: Roots, table: Path | None, workers: int
) -> tuple[list[str | None], dict[str, Any]]:
    """Return the patient of each candidate by one way of telling, and what the manifest should say."""
    notes: dict[str, Any] = {}
    if settings.patient_from == "none":
        notes["claim"] = "no patient-level claim: series were grouped by near-duplicates alone"
        names: list[str | None] = list(cluster(candidates, roots, settings.duplicate_correlation, workers))
    elif settings.patient_from == "table":
        names, notes["patient_table"] = _from_table(candidates, table)
    else:
        names = [_from_path(candidate, settings) for candidate in candidates]
    if not any(names):
        msg = (
            f"patient_from: {settings.patient_from} finds no patient for any of {len(candidates)} series; "
            "use another of tag, regex, table, rows, or none"
        )
        raise CohortError(msg)
    return names, notes


def row_number(path: str, settings: InventorySettings) -> int | None:
    """Return the row number in a file's name, None where the pattern finds no number."""
    found = re.search(settings.row_regex, path)
    return int(found[1]) if found is not None and found[1].isdecimal() else None


def _from_path(candidate: Candidate, settings: InventorySettings) -> str | None:
    if settings.patient_from in {"tag", "layout"}:
        return candidate.patient
    if settings.patient_from == "regex":
        found = re.search(settings.patient_regex, candidate.paths[0])
        return found[1] or None if found is not None else None
    row = row_number(candidate.paths[0], settings)
    return None if row is None else f"rows {row // settings.rows_per_patient}"


def _from_table(candidates: Sequence[Candidate], table: Path | None) -> tuple[list[str | None], dict[str, int]]:
    if table is None:
        msg = "patient_from: table needs a table; name a CSV with columns file,patient in the config"
        raise CohortError(msg)
    patient_of = read_pairs(table, "file", "patient")
    used: set[str] = set()
    names = []
    for candidate in candidates:
        key = next((name for name in names_of(candidate.paths[0]) if name in patient_of), None)
        names.append(None if key is None else patient_of[key])
        used |= set() if key is None else {key}
    counts = {
        "rows": len(patient_of),
        "rows_without_series": len(patient_of) - len(used),
        "series_without_row": sum(name is None for name in names),
    }
    return names, counts
