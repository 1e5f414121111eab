"""The inventory: a row for each candidate series (hashed ids), one for each refused file, and the private paths."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radgen.cohort.candidates import Candidate, Refused
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.grouping import find_candidates
from radgen.cohort.keys import hashed_id, patient_key
from radgen.cohort.mask_layout import attach_masks
from radgen.cohort.patients import name_patients, row_number
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import ScannedFile, scan_archive
from radgen.cohort.settings import InventorySettings
from radgen.cohort.tables import reject_row, sort_rejects
from radgen.errors import CohortError
from radgen.seeds import derive_seed

STAGE = "inventory"


@dataclass(frozen=True)
class Inventory:
    """Rows of index.parquet, rejects.parquet and private/files.parquet, and notes for the manifest."""

    index: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    files: list[dict[str, Any]]
    notes: dict[str, Any]


def take_inventory(
    archive: Path, settings: InventorySettings, key: bytes, *, patient_table: Path | None = None, workers: int = 1
) -> Inventory:
    """Look through an archive without decoding pixels (thumbnails for `patient_from: none` apart).

    Parameters
    ----------
    archive
        Folder of DICOM trees, NIfTI layouts or picture folders.
    settings
        How files, patients and masks are recognised.
    key
        From `keys.load_key`.
    patient_table
        For `patient_from: table`.
    workers
        Processes; rows do not depend on it.

    Raises
    ------
    CohortError
        The archive holds no readable series, or no patient is found.
    """
    files = scan_archive(archive, settings.class_tag, workers, int(settings.max_gigavoxels * 1e9))
    candidates, refused, masks = find_candidates(files, settings)
    candidates, misfits = attach_masks(candidates, masks)
    refused += misfits
    if not candidates:
        msg = (
            f"{archive}: no readable series among {len(files)} files ({reasons(refused) or 'it is empty'}); "
            "check the archive's path and format"
        )
        raise CohortError(msg)
    candidates, notes = name_patients(candidates, settings, archive, patient_table, workers)
    text = f"patient_from: {settings.patient_from} finds no patient for the file"
    nobody = [candidate for candidate in candidates if not candidate.patient]
    for candidate in nobody:
        paths = (*candidate.paths, *candidate.masks)
        refused += [Refused(path, Reason.NO_PATIENT, text, candidate.series) for path in paths]
    named = [candidate for candidate in candidates if candidate.patient]
    digests = {file.path: file.digest for file in files}
    index = [_index_row(candidate, settings, key, digests) for candidate in named]
    return Inventory(
        index=sorted(index, key=lambda row: (row["patient_key"], row["series_key"])),
        rejects=sort_rejects(_reject(item, key) for item in refused),
        files=_file_rows(files, candidates, refused, key),
        notes=notes | _counts(named, files, refused),
    )


def reasons(refused: Sequence[Refused]) -> str:
    """Summarise refusals by reason, most frequent first."""
    counts: dict[str, int] = {}
    for item in refused:
        counts[str(item.reason)] = counts.get(str(item.reason), 0) + 1
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item)))


def _index_row(
    candidate: Candidate, settings: InventorySettings, key: bytes, digests: Mapping[str, str]
) -> dict[str, Any]:
    patient = patient_key(key, str(candidate.patient))
    n_slices, rows, cols = candidate.shape
    slice_mm, row_mm, col_mm = candidate.spacing_mm or (None, None, None)
    state = hashlib.blake2b(str(candidate.repeat).encode(), digest_size=16)
    for path in (*candidate.paths, *candidate.masks):
        state.update(digests[path].encode())
    return {
        "series_key": hashed_id(key, "series", candidate.series),
        "study_key": hashed_id(key, "study", candidate.study),
        "patient_key": patient,
        "shard": derive_seed("shard", patient) % settings.shards,
        "format": candidate.format,
        "modality": candidate.modality,
        "anatomy": candidate.anatomy,
        "n_slices": n_slices,
        "rows": rows,
        "cols": cols,
        "spacing_slice_mm": slice_mm,
        "spacing_row_mm": row_mm,
        "spacing_col_mm": col_mm,
        "tag_value": candidate.tag_value,
        "row_number": row_number(candidate.paths[0], settings) if candidate.format == "picture" else None,
        "repeat": candidate.repeat,
        "file_ids": [hashed_id(key, "file", path) for path in candidate.paths],
        "mask_ids": [hashed_id(key, "file", path) for path in candidate.masks],
        "mask_kind": candidate.mask_kind,
        "remarks": [asdict(remark) for remark in candidate.remarks],
        "digest": state.hexdigest(),
    }


def _reject(item: Refused, key: bytes) -> dict[str, Any]:
    series = None if item.series is None else hashed_id(key, "series", item.series)
    measured = (item.figure, item.unit)
    return reject_row(hashed_id(key, "file", item.path), series, STAGE, item.reason, item.sentence, measured=measured)


def _file_rows(
    files: Sequence[ScannedFile], candidates: Sequence[Candidate], refused: Sequence[Refused], key: bytes
) -> list[dict[str, Any]]:
    """Return the private table: what every file is called, and what the archive calls its patient, study and series."""
    known: dict[str, dict[str, Any]] = {
        item.path: {"series": item.series, "series_key": hashed_id(key, "series", item.series)}
        for item in refused
        if item.series is not None
    }
    for candidate in candidates:
        facts = {
            "patient": candidate.patient,
            "study": candidate.study,
            "series": candidate.series,
            "series_key": hashed_id(key, "series", candidate.series),
            "patient_key": patient_key(key, candidate.patient) if candidate.patient else None,
            "study_key": hashed_id(key, "study", candidate.study),
        }
        known.update(dict.fromkeys((*candidate.paths, *candidate.masks), facts))
    rows = [
        {
            "file_id": hashed_id(key, "file", file.path),
            "path": file.path,
            "segments": list(file.header.segment_labels) if isinstance(file.header, DicomHeader) else None,
            **known.get(file.path, {}),
        }
        for file in files
    ]
    return sorted(rows, key=lambda row: row["file_id"])


def _counts(named: Sequence[Candidate], files: Sequence[ScannedFile], refused: Sequence[Refused]) -> dict[str, Any]:
    return {
        "files": len(files),
        "series": len(named),
        "patients": len({candidate.patient for candidate in named}),
        "with_mask": sum(bool(candidate.masks) for candidate in named),
        "refused": reasons(refused),
    }
