"""The cohort: every inventory row gets class and split or a reason, and the whole must be enough to work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radgen.cohort.copies import settle_copies
from radgen.cohort.label_ids import structure_of
from radgen.cohort.labels import label_series
from radgen.cohort.limit import spread_patients
from radgen.cohort.refusal import Reason
from radgen.cohort.settings import SPLITS, ClassSettings, CohortSettings, LimitSettings, StructureSettings
from radgen.cohort.splits import split_series
from radgen.cohort.tables import reject_row, sort_rejects
from radgen.errors import CohortError

STAGE = "cohort"
Row = dict[str, Any]


@dataclass(frozen=True)
class Sections:
    """The settings that make a cohort."""

    cohort: CohortSettings
    classes: ClassSettings
    structures: StructureSettings
    limit: LimitSettings


@dataclass(frozen=True)
class Cohort:
    """Rows of series, rejects and counts; notes for manifest and page; exact ranks to keep."""

    series: list[Row]
    rejects: list[Row]
    counts: list[Row]
    notes: dict[str, Any]
    ranks: dict[str, str]


def assemble(
    inventory: Sequence[Row],
    rejects: Sequence[Row],
    files: Sequence[Row],
    sections: Sections,
    *,
    labels_table: Path | None,
    split_file: Path | None,
    group_table: Path | None = None,
    ranking: Path,
) -> Cohort:
    """Decide for every candidate series whether, as which class and in which split it takes part.

    Parameters
    ----------
    inventory, rejects, files
        Rows of inventory/index.parquet, inventory/rejects.parquet and private/files.parquet.
    sections
        Settings.
    labels_table, split_file, group_table
        Tables the user may bring.
    ranking
        Where exact splits were kept by an earlier run.

    Raises
    ------
    CohortError
        Too much was refused, nothing is left, a patient is in two splits, or a class or split has too little.
    """
    check_refused_share(inventory, rejects, sections.cohort.max_refused_fraction)
    by_id = {row["file_id"]: row for row in files}
    dropped: list[Row] = []
    names, problems, notes = label_series(inventory, by_id, sections.classes, labels_table)
    aside = _set_aside(inventory, names, problems, by_id, sections)
    kept = []
    for place, (row, name) in enumerate(zip(inventory, names, strict=True)):
        if place in aside:
            dropped += _drop(row, *aside[place])
        else:
            kept.append(row | {"class_name": name})
    _check_not_empty(kept, len(inventory), dropped)
    answers, more, ranks = split_series(
        kept,
        [row["class_name"] for row in kept],
        sections.cohort,
        split_file=split_file,
        group_table=group_table,
        files=by_id,
        ranking=ranking,
    )
    series = []
    for row, answer in zip(kept, answers, strict=True):
        if isinstance(answer, str):
            row["split"] = answer  # a row of our own: an archive of a million images needs no further copy
            series.append(row)
        else:
            dropped += _drop(row, *answer)
    _check_not_empty(series, len(inventory), dropped)
    check_enough(series, sections)
    series, limited = _limit(series, by_id, sections)
    return Cohort(
        series=sorted(series, key=lambda row: (row["patient_key"], row["series_key"])),
        rejects=sort_rejects([*rejects, *dropped]),
        counts=count(series),
        notes=notes | more | limited,
        ranks=ranks,
    )


def _set_aside(
    inventory: Sequence[Row],
    names: Sequence[str | None],
    problems: Sequence[str | None],
    files: Mapping[str, Row],
    sections: Sections,
) -> dict[int, tuple[Reason, str]]:
    """Return the places of rows that take no part, and why: no class, no mask, or a copy of another row."""
    aside = {place: (Reason.NO_CLASS, problem) for place, problem in enumerate(problems) if problem is not None}
    if sections.structures.names:
        text = "the series has no mask, and the study has structures"
        for place, row in enumerate(inventory):
            if not row["mask_ids"]:
                aside.setdefault(place, (Reason.NO_MASK, text))
    usable = [place for place in range(len(inventory)) if place not in aside]
    # A class outside the study contradicts one inside it too: an image may lie among the normal and the ill.
    said = sections.classes.by in {"tag", "layout"}
    raw = [files[row["file_ids"][0]]["class_value"] or "" if said else "" for row in inventory]
    labels = [name or value for name, value in zip(names, raw, strict=True)]
    return aside | settle_copies(inventory, labels, usable, files)


def count(series: Sequence[Row]) -> list[Row]:
    """Count patients, series, slices and masks by split and class."""
    groups: dict[tuple[int, str | None], list[Row]] = {}
    for row in series:
        groups.setdefault((SPLITS.index(row["split"]), row["class_name"]), []).append(row)
    return [
        {
            "split": SPLITS[split],
            "class_name": name,
            "patients": len({row["patient_key"] for row in rows}),
            "series": len(rows),
            "slices": sum(row["n_slices"] for row in rows),
            "with_mask": sum(bool(row["mask_ids"]) for row in rows),
        }
        for (split, name), rows in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    ]


def by_reason(rejects: Sequence[Row], *, refused: bool | None = None) -> dict[str, int]:
    """Count rejects by reason, most frequent first; only the refused or only those set aside, if asked."""
    counts: dict[str, int] = {}
    for row in rejects:
        if refused is None or row["refused"] == refused:
            counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def check_refused_share(inventory: Sequence[Row], rejects: Sequence[Row], limit: float) -> None:
    """Raise CohortError if more than the limit of the image files was refused; the summary is by reason."""
    refused = by_reason(rejects, refused=True)
    bad = sum(refused.values())
    total = bad + sum(len(row["file_ids"]) + len(row["mask_ids"]) for row in inventory)
    if total and bad / total > limit:
        summary = ", ".join(f"{reason} {number}" for reason, number in refused.items())
        msg = (
            f"{bad} of {total} image files ({bad / total:.1%}) are refused, but max_refused_fraction is {limit:.1%}: "
            f"{summary}; see inventory/rejects.parquet, repair or remove them, or raise cohort.max_refused_fraction"
        )
        raise CohortError(msg)


def check_enough(series: Sequence[Row], sections: Sections) -> None:
    """Raise CohortError if a class or a split has too few patients or slices to work with."""
    settings, classes = sections.cohort, sections.classes
    groups = [None] if classes.per_slice else list(classes.names)
    for name in groups:
        rows = [row for row in series if row["class_name"] == name]
        patients, slices = {row["patient_key"] for row in rows}, sum(row["n_slices"] for row in rows)
        what = "the cohort" if name is None else f"class {name!r}"
        if len(patients) < settings.min_patients or slices < settings.min_images:
            msg = (
                f"{what} has {len(patients)} patients and {slices} slices, at least {settings.min_patients} and "
                f"{settings.min_images} are needed; add data, join classes in classes.values, or lower "
                "cohort.min_patients and cohort.min_images"
            )
            raise CohortError(msg)
        for split in needed_splits(settings):
            if not any(row["split"] == split for row in rows):
                msg = (
                    f"{what} has {len(patients)} patients, but none of them in split {split}; "
                    "set cohort.exact: true, choose another cohort.seed, or add patients"
                )
                raise CohortError(msg)


def needed_splits(settings: CohortSettings) -> list[str]:
    """Return the splits that no class may be missing from: train, and val and test where the study has them."""
    return ["train", *(name for name in ("val", "test") if name in settings.ranges or _has_share(name, settings))]


def _has_share(split: str, settings: CohortSettings) -> bool:
    return not settings.ranges and (settings.given_splits or getattr(settings, split) > 0)


def _drop(row: Row, reason: Reason, sentence: str) -> list[Row]:
    ids = (*row["file_ids"], *row["mask_ids"])
    return [reject_row(file_id, row["series_key"], STAGE, reason, sentence) for file_id in ids]


def _check_not_empty(series: Sequence[Row], candidates: int, dropped: Sequence[Row]) -> None:
    if not series:
        summary = ", ".join(f"{reason} {number}" for reason, number in by_reason(dropped).items())
        msg = (
            f"the cohort is empty: none of {candidates} series is left ({summary or 'the inventory is empty'}); "
            "check classes, structures and splits in the config against the archive"
        )
        raise CohortError(msg)


def _limit(series: list[Row], files: Mapping[str, Row], sections: Sections) -> tuple[list[Row], dict[str, Any]]:
    if sections.limit.patients is None:
        return series, {}
    strata: dict[str, tuple[str, str]] = {}
    for row in series:
        kind = _kind(row, files, sections)
        strata[row["patient_key"]] = (row["split"], min(kind, strata.get(row["patient_key"], (row["split"], kind))[1]))
    chosen = spread_patients(strata, sections.limit.patients)
    kept = [row for row in series if row["patient_key"] in chosen]
    notes = {"patients": sections.limit.patients, "patients_left_out": len(strata) - len(chosen)}
    return kept, {"limit": notes | {"series_left_out": len(series) - len(kept)}}


def _kind(row: Row, files: Mapping[str, Row], sections: Sections) -> str:
    """Return a series' class, or what DICOM SEG headers tell of a class by mask, so that few patients cover both."""
    if row["class_name"] is not None:
        return str(row["class_name"])
    wanted = structure_id_of_class(sections)
    labels = [label for file_id in row["mask_ids"] for label in files[file_id]["segments"] or ()]
    if wanted == 0 or not labels:
        return "unknown"
    return "seen" if wanted in {structure_of(label, sections.structures) for label in labels} else "unseen"


def structure_id_of_class(sections: Sections) -> int:
    """Return the structure id that decides classes by mask, 0 where none does."""
    names = sections.structures.names
    by_mask = sections.classes.by == "mask" and sections.classes.structure in names
    return names.index(sections.classes.structure) + 1 if by_mask else 0
