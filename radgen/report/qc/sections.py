"""Sections of the first quality-control page: counts, what stands out, remarks, refusals, spacing, intensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from radgen.report.html import Html, element, join, table
from radgen.report.parts import Block, Pictures, count, paragraph
from radgen.report.qc.cards import plain, share
from radgen.report.qc.outliers import FEWEST, MEASURES, Finding, Measure, robust_scores
from radgen.report.qc.table import QcTable
from radgen.report.study import StudyResults, records

REJECTS = ("stage", "reason", "refused", "figure", "unit", "sentence")
SLICE_REJECTS = ("stage", "reason", "slice_index", "figure", "sentence")
SLICES = ("series", "split", "modality", "slice_index", "removed_fraction", "removed_tissue_fraction")
SLICES_LISTED = 20
SLICE_LOSS = Measure("removed_tissue_fraction", "tissue removed", "%", 0.03)
Outliers = Mapping[int, Sequence[Finding]]


def summary_cards(study: StudyResults, checks: QcTable, found: Outliers) -> Html:
    """Return the numbers that a reader wants first."""
    files = study.table("cohort.rejects", REJECTS)
    series = checks.series
    remarked = int((series["remarks"].map(len) > 0).sum())
    single = int(study.table("slices.rejects", SLICE_REJECTS)["slice_index"].notna().sum())
    aside = int((~files["refused"].astype(bool)).sum())
    told = [
        ("Series read", count(len(series)), f"{series['patient_key'].nunique():,} patients, {series['n_stored'].sum():,} slices stored"),  # noqa: E501
        ("Stand out", count(len(found)), "in at least one figure, compared with their own kind"),
        ("Used with a remark", count(remarked), "something unusual was treated, and the series kept"),
        ("Files refused", count(len(files) - aside), f"{aside:,} more set aside on purpose"),
        ("Slices not stored", count(single), f"{checks.n_refused:,} series refused as a whole by their pixels"),
    ]  # fmt: skip
    return element("div", [_card(*each) for each in told], class_="cards")


def _card(what: str, value: str, words: str) -> Html:
    parts = (
        element("p", what, class_="what"),
        element("p", value, class_="value"),
        element("p", words, class_="verdict"),
    )
    return element("div", *parts, class_="card")


def outlier_counts(found: Outliers) -> Html:
    """Return how many series stand out in each figure."""
    told = []
    for measure in MEASURES:
        number = sum(any(one.measure == measure for one in each) for each in found.values())
        told += [f"{measure.words} {number:,}"] if number else []
    return paragraph(element("b", f"{len(found):,} series stand out: "), f"{', '.join(told)}.")


def rule_words(limit: float) -> str:
    """Say when a series stands out."""
    return (
        f"A series stands out when one of its figures lies {limit:g} or more robust standard deviations from the "
        f"median of its archive and modality ({FEWEST} series or more). It is used all the same: look at it, "
        "and leave it out of the archive if it is wrong."
    )


def remarks_block(checks: QcTable) -> Block:
    """Return what was unusual and how it was treated."""
    listed = [
        {**remark, "series": position}
        for position, remarks in zip(checks.series["position"], checks.series["remarks"], strict=True)
        for remark in remarks
    ]
    if not listed:
        return Block("remarks", "Remarks", paragraph("No series was read with a remark: all are regular."))
    frame = pd.DataFrame(listed)
    rows = [
        [_words(kind), _words(treatment), count(members["series"].nunique()), _range(members["figure"], str(unit))]
        for (kind, treatment, unit), members in frame.groupby(["kind", "treatment", "unit"], sort=True)
    ]
    words = paragraph("Series that are not regular and are used all the same, as the study's policy says.")
    head = ("What was found", "What was done", "Series", "Measured: median (range)")
    return Block("remarks", "Remarks", join(words, table(head, rows, numeric=(2,))))


def slices_block(study: StudyResults, limit: float) -> Block:
    """Return the single slices that lose most of what is denser than air, where that is unusual for their modality."""
    frame = study.images("slices.index").table.select(list(SLICES)).to_pandas()
    frame["score"] = 0.0
    for _, members in frame.groupby("modality", sort=True):
        values = members["removed_tissue_fraction"].to_numpy(dtype=float)
        frame.loc[members.index, "score"] = robust_scores(values, SLICE_LOSS)[0]
    odd = frame[frame["score"] >= limit].sort_values(
        ["removed_tissue_fraction", "series", "slice_index"], ascending=[False, True, True]
    )
    words = paragraph(
        "Of each stored slice the share of tissue that was made black is recorded: what is denser than air and lies "
        "outside the body mask. A couch, a blanket or a head holder is right, a part of the patient is not. "
        f"{len(odd):,} of {len(frame):,} slices stand out among those of their modality"
        + (f"; these are the {SLICES_LISTED} that lose most." if len(odd) > SLICES_LISTED else ".")
    )
    rows = [
        [
            element("code", str(row["series"])),
            str(row["split"]),
            count(row["slice_index"]),
            share(row["removed_tissue_fraction"]),
            share(row["removed_fraction"]),
        ]
        for row in records(odd.head(SLICES_LISTED))
    ]
    head = ("Series", "Split", "Slice", "Tissue removed", "Removed in all")
    told = table(head, rows, numeric=(2, 3, 4)) if rows else None
    return Block("slices", "Slices that lose tissue", join(words, told))


def refusals_block(study: StudyResults) -> Block:
    """Return refusals by stage and reason, each with what was measured and an example."""
    files = study.table("cohort.rejects", REJECTS)
    slices = study.table("slices.rejects", SLICE_REJECTS).assign(refused=True, unit="")
    rows: list[list[str | Html]] = []
    for frame, outcomes in ((files, {True: "refused", False: "set aside"}), (slices, {True: "not stored"})):
        for (stage, reason, refused), members in frame.groupby(["stage", "reason", "refused"], sort=True):
            example = sorted(members["sentence"])[0]
            measured = _range(members["figure"], str(members["unit"].iloc[0]))
            outcome = outcomes[bool(refused)]
            rows.append([str(stage), _words(reason), outcome, count(len(members)), measured, element("small", example)])
    if not rows:
        return Block("refused", "Refusals", paragraph("Nothing: every file and every slice could be used."))
    head = ("Stage", "Reason", "Outcome", "Count", "Measured: median (range)", "For example")
    words = paragraph(
        "Every one is a row of ", element("code", "cohort/rejects.parquet"), " or ",
        element("code", "slices/rejects.parquet"), ". Refused files cost at most themselves.",
    )  # fmt: skip
    return Block("refused", "Refusals", join(words, table(head, rows, numeric=(3,))))


def _words(name: object) -> str:
    return str(name).replace("-", " ")


def _range(values: pd.Series[Any], unit: str) -> str:
    """Write the median and range of what was measured."""
    known = values.dropna()
    if known.empty:
        return ""
    low, middle, high = known.min(), known.median(), known.max()
    inside = plain(middle) if low == high else f"{plain(middle)} ({plain(low)} to {plain(high)})"
    return f"{inside} {unit}".strip()


def sizes_block(checks: QcTable, pictures: Pictures) -> Block:
    """Return spacing, sizes and shares by modality."""
    columns = ("pixel_mm", "spacing_slice_mm", "n_slices", "rows", "cols")
    rows = []
    for group in checks.groups:
        members = checks.series[checks.series["group"] == group]
        rows.append([group, count(len(members)), *(_range(members[name], "") or "unknown" for name in columns)])
    head = ("Group", "Series", "Pixel, mm", "Between slices, mm", "Slices", "Rows", "Columns")
    body = join(pictures.of("sizes"), table(head, rows, caption="Median (range) of the series", numeric=(1,)))
    return Block("sizes", "Spacing and size", body)


def intensities_block(checks: QcTable, pictures: Pictures) -> Block:
    """Return intensities, removed and clipped shares by modality."""
    rows = []
    for group in checks.groups:
        members = checks.series[checks.series["group"] == group]
        shares = (_share_range(members[name]) for name in ("removed_fraction", "clipped_fraction"))
        values = (_range(members[name], "") for name in ("kept_low", "kept_median", "kept_high"))
        rows.append([group, *shares, *values])
    head = ("Group", "Removed", "Clipped", "1st percentile", "Median intensity", "99th percentile")
    told = table(head, rows, caption="Median (range) of the series; intensities of what is kept, in the source's units")
    body = join(pictures.of("intensities"), pictures.of("shares"), told)
    return Block("intensities", "Intensities and background", body)


def _share_range(values: pd.Series[Any]) -> str:
    known = values.dropna()
    return f"{share(known.median())} ({share(known.min())} to {share(known.max())})" if len(known) else ""
