"""The inventory: a row for each candidate series (hashed ids), one for each refused file, and the private paths."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from radgen.cohort.archives import ArchiveSettings, Roots
from radgen.cohort.candidates import Candidate, Refused
from radgen.cohort.copies import find_copies
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.grouping import find_candidates
from radgen.cohort.keys import hashed_id, patient_key
from radgen.cohort.layouts import FileFacts, load_layout
from radgen.cohort.mask_layout import attach_masks
from radgen.cohort.patients import name_patients, row_number
from radgen.cohort.privacy import flag_burned_in, guard_texts
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import ScannedFile, scan_archive
from radgen.cohort.settings import InventorySettings
from radgen.cohort.tables import Rows, reject_row
from radgen.errors import CohortError
from radgen.seeds import derive_seed

STAGE = "inventory"


@dataclass(frozen=True)
class Inventory:
    """Rows of index.parquet, rejects.parquet and private/files.parquet, and notes for the manifest."""

    index: Rows[tuple[Candidate, str | None]]
    rejects: Rows[Refused]
    files: Rows[ScannedFile]
    notes: dict[str, Any]


def take_inventory(
    roots: Roots,
    settings: InventorySettings,
    key: bytes,
    *,
    archives: Mapping[str, ArchiveSettings] | None = None,
    patient_table: Path | None = None,
    workers: int = 1,
) -> Inventory:
    """Look through archives without decoding pixels (thumbnails for `patient_from: none` apart).

    Parameters
    ----------
    roots
        Where the archives lie.
    settings
        How files, patients and masks are recognised.
    archives
        What each archive is, by name; by default one without a layout.
    key
        From `keys.load_key`.
    patient_table
        For `patient_from: table`.
    workers
        Processes; rows do not depend on it.

    Raises
    ------
    CohortError
        The archives hold no readable series, or no patient is found.
    """
    archives = archives or {"": ArchiveSettings()}
    files, candidates, refused = look_through(roots, settings, archives, workers)
    if not candidates:
        msg = (
            f"{', '.join(roots.words())}: no readable series among {len(files)} files "
            f"({reasons(refused) or 'it is empty'}); check the archive's path and format"
        )
        raise CohortError(msg)
    sources = {name: archive.patient_from for name, archive in archives.items()}
    candidates, notes = name_patients(candidates, settings, roots, patient_table, workers, sources=sources)
    text = f"patient_from: {notes['patient_from']} finds no patient for the file"
    nobody = [candidate for candidate in candidates if not candidate.patient]
    for candidate in nobody:
        paths = (*candidate.paths, *candidate.masks)
        refused += [Refused(path, Reason.NO_PATIENT, text, candidate.series) for path in paths]
    named = [candidate for candidate in candidates if candidate.patient]
    digests = {file.path: file.digest for file in files}
    copies = find_copies(named, digests, roots)
    return Inventory(
        index=Rows(
            zip(named, copies, strict=True),
            lambda found: _index_row(found[0], settings, key, digests) | {"copies": found[1]},
            order=lambda found: (patient_key(key, str(found[0].patient)), hashed_id(key, "series", found[0].series)),
        ),
        rejects=Rows(
            refused,
            lambda item: _reject(item, key),
            order=lambda item: (str(item.reason), hashed_id(key, "file", item.path)),
        ),
        files=_file_rows(files, candidates, refused, key),
        notes=notes | _counts(named, files, refused),
    )


def look_through(
    roots: Roots, settings: InventorySettings, archives: Mapping[str, ArchiveSettings], workers: int = 1
) -> tuple[list[ScannedFile], list[Candidate], list[Refused]]:
    """Scan every archive, group its files as its layout says, and give images their masks across archives."""
    files: list[ScannedFile] = []
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    masks: list[ScannedFile] = []
    facts: dict[str, FileFacts] = {}
    holders = {archive.labels.archive for archive in archives.values() if archive.labels is not None}
    for name, archive in sorted(archives.items()):
        found = _scan(roots, name, settings, workers)
        described = _describe(roots, archive, found, holds_labels=name in holders)
        own = replace(
            settings, modality=archive.modality or settings.modality, anatomy=archive.anatomy or settings.anatomy
        )
        series, problems, labels = find_candidates(found, own, described)
        series, others = _of_modality(series, archive)
        problems += others
        files += found
        candidates += [_in_archive(item, archive, several=len(archives) > 1) for item in series]
        refused += problems
        masks += labels
        facts |= described or {}
    labels_of = {name: archive.labels.archive for name, archive in archives.items() if archive.labels is not None}
    candidates, misfits = attach_masks(candidates, masks, facts, labels_of)
    by_path = {file.path: file for file in files}
    candidates, written = flag_burned_in(guard_texts(candidates, by_path), by_path, settings.burned_in)
    return files, candidates, refused + misfits + written


def _scan(roots: Roots, name: str, settings: InventorySettings, workers: int) -> list[ScannedFile]:
    prefix = Roots.prefix(name)
    return [
        replace(file, path=prefix + file.path)
        for file in scan_archive(roots.folders[name], settings.class_tag, workers, int(settings.max_gigavoxels * 1e9))
    ]


def _describe(
    roots: Roots, archive: ArchiveSettings, files: Sequence[ScannedFile], *, holds_labels: bool
) -> dict[str, FileFacts] | None:
    """Return what an archive's layout says of its files, None where nothing is arranged.

    Without a layout, every file of an archive of label maps is a mask.
    """
    describe = load_layout(archive.layout)
    if describe is None:
        masks = {file.path: FileFacts(role="mask") for file in files}
        return masks if holds_labels else None
    prefix = Roots.prefix(archive.name)
    paths = [file.path.removeprefix(prefix) for file in files]
    found = describe(roots.folders[archive.name], paths)
    return {
        prefix + path: replace(
            fact,
            mask_of=prefix + fact.mask_of if fact.mask_of else "",
            also_of=tuple(prefix + other for other in fact.also_of),
            series=prefix + fact.series if fact.series else "",
        )
        for path, fact in found.items()
        # Images of an archive of label maps are of no use.
        if fact.role == "mask" or not holds_labels
    }


def _of_modality(series: Sequence[Candidate], archive: ArchiveSettings) -> tuple[list[Candidate], list[Refused]]:
    """Set aside the series of other modalities than an archive is read for, where its layout knows several."""
    if archive.layout == "auto" or not archive.modality:
        return list(series), []
    kept = [item for item in series if item.modality == archive.modality]
    text = f"an image of another modality than {archive.modality}, for which the archive is read"
    others = [item for item in series if item.modality != archive.modality]
    return kept, [Refused(path, Reason.SIDE_FILE, text, item.series) for item in others for path in item.paths]


def _in_archive(candidate: Candidate, archive: ArchiveSettings, *, several: bool) -> Candidate:
    """Tell a series its archive; a patient named by a layout is told from namesakes in other archives."""
    patient = candidate.patient
    if several and patient is not None and archive.layout != "auto":
        patient = f"{archive.name}/{patient}"
    return replace(
        candidate,
        archive=archive.name,
        patient=patient,
        modality=archive.modality or candidate.modality,
        anatomy=archive.anatomy or candidate.anatomy,
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
        "archive": candidate.archive,
        "format": candidate.format,
        "modality": candidate.modality,
        "anatomy": candidate.anatomy,
        "n_slices": n_slices,
        "rows": rows,
        "cols": cols,
        "spacing_slice_mm": slice_mm,
        "spacing_row_mm": row_mm,
        "spacing_col_mm": col_mm,
        "given_split": candidate.split,
        "row_number": row_number(candidate.paths[0], settings) if candidate.format == "picture" else None,
        "repeat": candidate.repeat,
        "file_ids": [hashed_id(key, "file", path) for path in candidate.paths],
        "mask_ids": [hashed_id(key, "file", path) for path in candidate.masks],
        "mask_kind": candidate.mask_kind,
        "mask_labels": list(candidate.mask_labels),
        "remarks": [asdict(remark) for remark in candidate.remarks],
        "digest": state.hexdigest(),
    }


def _reject(item: Refused, key: bytes) -> dict[str, Any]:
    series = None if item.series is None else hashed_id(key, "series", item.series)
    measured = (item.figure, item.unit)
    return reject_row(hashed_id(key, "file", item.path), series, STAGE, item.reason, item.sentence, measured=measured)


def _file_rows(
    files: Sequence[ScannedFile], candidates: Sequence[Candidate], refused: Sequence[Refused], key: bytes
) -> Rows[ScannedFile]:
    """Return the private table: what every file is called, and what the archive calls its patient, study and series."""
    known: dict[str, Candidate | Refused] = {item.path: item for item in refused if item.series is not None}
    for candidate in candidates:
        known.update(dict.fromkeys((*candidate.paths, *candidate.masks), candidate))

    def row(file: ScannedFile) -> dict[str, Any]:
        return {
            "file_id": hashed_id(key, "file", file.path),
            "path": file.path,
            "segments": list(file.header.segment_labels) if isinstance(file.header, DicomHeader) else None,
            **_private(known.get(file.path), key),
        }

    return Rows(files, row, order=lambda file: hashed_id(key, "file", file.path))


def _private(item: Candidate | Refused | None, key: bytes) -> dict[str, Any]:
    """Return what the archive calls the series of a file, and how it is called elsewhere."""
    if item is None or item.series is None:
        return {}
    named = {"series": item.series, "series_key": hashed_id(key, "series", item.series)}
    if isinstance(item, Refused):
        return named
    return named | {
        "patient": item.patient,
        "study": item.study,
        "patient_key": patient_key(key, item.patient) if item.patient else None,
        "study_key": hashed_id(key, "study", item.study),
        "class_value": item.tag_value,
    }


def _counts(named: Sequence[Candidate], files: Sequence[ScannedFile], refused: Sequence[Refused]) -> dict[str, Any]:
    return {
        "files": len(files),
        "series": len(named),
        "patients": len({candidate.patient for candidate in named}),
        "with_mask": sum(bool(candidate.masks) for candidate in named),
        "refused": reasons(refused),
    }
