"""The cohort: every inventory row gets class and split or a reason, and the whole must be enough to work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from radgen.cohort.copies import Copy, settle_copies
from radgen.cohort.label_ids import structure_of
from radgen.cohort.labels import label_series
from radgen.cohort.limit import spread_patients
from radgen.cohort.refusal import Reason
from radgen.cohort.settings import SPLITS, ClassSettings, CohortSettings, LimitSettings, StructureSettings
from radgen.cohort.spill import Rejects
from radgen.cohort.splits import split_series
from radgen.cohort.table_rows import Rows, StoredRows
from radgen.cohort.tables import reject_row
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

    series: StoredRows
    rejects: Rejects
    counts: list[Row]
    notes: dict[str, Any]
    ranks: dict[str, str]


def assemble(
    inventory: StoredRows,
    rejects: Rejects,
    files: Mapping[str, Mapping[str, Any]],
    sections: Sections,
    *,
    labels_table: Path | None,
    split_file: Path | None,
    group_table: Path | None = None,
    ranking: Path,
) -> Cohort:
    """Decide for every candidate series whether, as which class and in which split it takes part.

    In memory are a block of rows, some tens of bytes for each series, and sums by patient.

    Parameters
    ----------
    inventory
        Rows of inventory/index.parquet.
    rejects
        Those of inventory/rejects.parquet; what the cohort sets aside is added.
    files
        Rows of private/files.parquet by file id.
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
    names, problems, notes = label_series(inventory, files, sections.classes, labels_table)
    aside = _set_aside(inventory, names, problems, files, sections)
    kept = _kept(inventory, aside, rejects)
    _check_not_empty(kept, len(inventory), rejects)
    classes = [name for name, why in zip(names, aside, strict=True) if why is None]
    answers, more, ranks = split_series(
        kept,
        classes,
        sections.cohort,
        split_file=split_file,
        group_table=group_table,
        files=files,
        ranking=ranking,
    )
    without = [None if isinstance(answer, str) else answer for answer in answers]
    splits = (answer if isinstance(answer, str) else None for answer in answers)
    series = _kept(kept.with_column("class_name", classes).with_column("split", splits), without, rejects)
    _check_not_empty(series, len(inventory), rejects)
    groups = groups_of(series)
    check_enough(groups, sections)
    limited, left_out = _limit(series, files, sections)
    return Cohort(
        series=limited,
        rejects=rejects,
        counts=count(groups if limited is series else groups_of(limited)),
        notes=notes | more | left_out,
        ranks=ranks,
    )


Aside = tuple[Reason, str] | None
"""Why a series takes no part."""


def _kept(rows: StoredRows, aside: Sequence[Aside], rejects: Rejects) -> StoredRows:
    """Return the rows that are not set aside, and add those that are to the rejects."""
    keep = np.fromiter((why is None for why in aside), dtype=bool, count=len(aside))
    if keep.all():
        return rows
    for why, row in zip((why for why in aside if why is not None), rows.where(~keep), strict=True):
        _drop(row, *why, rejects)
    return rows.where(keep)


def _set_aside(
    inventory: Rows,
    names: Sequence[str | None],
    problems: Sequence[str | None],
    files: Mapping[str, Mapping[str, Any]],
    sections: Sections,
) -> list[Aside]:
    """Say of each row why it takes no part: no class, no mask, or a copy of another row; None if it does."""
    same = {text: (Reason.NO_CLASS, text) for text in set(problems) if text is not None}
    aside: list[Aside] = [None if problem is None else same[problem] for problem in problems]
    # A class outside the study contradicts one inside it too: an image may lie among the normal and the ill.
    said = sections.classes.by in {"tag", "layout"}
    maskless = (Reason.NO_MASK, "the series has no mask, and the study has structures")
    copies: list[Copy] = []
    for place, row in enumerate(inventory):
        if sections.structures.names and not row["mask_ids"]:
            aside[place] = aside[place] or maskless
        if row["copies"] is not None:
            file = files[row["file_ids"][0]]
            label = names[place] or ((file["class_value"] or "") if said else "")
            copies.append(Copy(row["copies"], place, file["path"], label, usable=aside[place] is None))
    for place, why in settle_copies(copies).items():
        aside[place] = why
    return aside


@dataclass
class _Group:
    """What is counted of a class in a split."""

    patients: set[str] = field(default_factory=set)
    series: int = 0
    slices: int = 0
    with_mask: int = 0


Groups = dict[tuple[str, str | None], _Group]


def groups_of(series: Rows) -> Groups:
    """Count by split and class."""
    groups: Groups = {}
    for row in series:
        group = groups.setdefault((row["split"], row["class_name"]), _Group())
        group.patients.add(row["patient_key"])
        group.series += 1
        group.slices += row["n_slices"]
        group.with_mask += bool(row["mask_ids"])
    return groups


def count(groups: Groups) -> list[Row]:
    """List patients, series, slices and masks by split and class."""
    return [
        {"split": split, "class_name": name}
        | {"patients": len(group.patients), "series": group.series}
        | {"slices": group.slices, "with_mask": group.with_mask}
        for (split, name), group in sorted(
            groups.items(), key=lambda item: (SPLITS.index(item[0][0]), item[0][1] or "")
        )
    ]


def by_reason(rejects: Sequence[Row], *, refused: bool | None = None) -> dict[str, int]:
    """Count rejects by reason, most frequent first; only the refused or only those set aside, if asked."""
    counts: dict[str, int] = {}
    for row in rejects:
        if refused is None or row["refused"] == refused:
            counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def check_refused_share(inventory: Rows, rejects: Rejects, limit: float) -> None:
    """Raise CohortError if more than the limit of the image files was refused; the summary is by reason."""
    refused = rejects.by_reason(refused=True)
    bad = sum(refused.values())
    total = bad + sum(len(row["file_ids"]) + len(row["mask_ids"]) for row in inventory)
    if total and bad / total > limit:
        summary = ", ".join(f"{reason} {number}" for reason, number in refused.items())
        msg = (
            f"{bad} of {total} image files ({bad / total:.1%}) are refused, but max_refused_fraction is {limit:.1%}: "
            f"{summary}; see inventory/rejects.parquet, repair or remove them, or raise cohort.max_refused_fraction"
        )
        raise CohortError(msg)


def check_enough(groups: Groups, sections: Sections) -> None:
    """Raise CohortError if a class or a split has too few patients or slices to work with."""
    settings, classes = sections.cohort, sections.classes
    for name in [None] if classes.per_slice else list(classes.names):
        of_split = {split: group for (split, other), group in groups.items() if other == name}
        patients: set[str] = set().union(*(group.patients for group in of_split.values()))
        slices = sum(group.slices for group in of_split.values())
        what = "the cohort" if name is None else f"class {name!r}"
        if len(patients) < settings.min_patients or slices < settings.min_images:
            msg = (
                f"{what} has {len(patients)} patients and {slices} slices, at least {settings.min_patients} and "
                f"{settings.min_images} are needed; add data, join classes in classes.values, or lower "
                "cohort.min_patients and cohort.min_images"
            )
            raise CohortError(msg)
        for split in needed_splits(settings):
            if split not in of_split:
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


def _drop(row: Mapping[str, Any], reason: Reason, sentence: str, rejects: Rejects) -> None:
    for file_id in (*row["file_ids"], *row["mask_ids"]):
        rejects.add(reject_row(file_id, row["series_key"], STAGE, reason, sentence))


def _check_not_empty(series: Rows, candidates: int, rejects: Rejects) -> None:
    if not len(series):
        summary = ", ".join(f"{reason} {number}" for reason, number in rejects.by_reason(stage=STAGE).items())
        msg = (
            f"the cohort is empty: none of {candidates} series is left ({summary or 'the inventory is empty'}); "
            "check classes, structures and splits in the config against the archive"
        )
        raise CohortError(msg)


def _limit(
    series: StoredRows, files: Mapping[str, Mapping[str, Any]], sections: Sections
) -> tuple[StoredRows, dict[str, Any]]:
    if sections.limit.patients is None:
        return series, {}
    strata: dict[str, tuple[str, str]] = {}
    for row in series:
        kind = _kind(row, files, sections)
        strata[row["patient_key"]] = (row["split"], min(kind, strata.get(row["patient_key"], (row["split"], kind))[1]))
    chosen = spread_patients(strata, sections.limit.patients)
    kept = series.where(np.array([row["patient_key"] in chosen for row in series], dtype=bool))
    notes = {"patients": sections.limit.patients, "patients_left_out": len(strata) - len(chosen)}
    return kept, {"limit": notes | {"series_left_out": len(series) - len(kept)}}


def _kind(row: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], sections: Sections) -> str:
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
