"""The quality-control pages: the first with figures and what stands out, then every series, so many to a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radgen.provenance import write_text
from radgen.report.html import Html, element, join
from radgen.report.parts import Block, Pictures, count, document, notice, paragraph
from radgen.report.qc.cards import series_card
from radgen.report.qc.duplicates import duplicates_block
from radgen.report.qc.outliers import Finding, in_order
from radgen.report.qc.sections import (
    intensities_block,
    outlier_counts,
    refusals_block,
    remarks_block,
    rule_words,
    sizes_block,
    slices_block,
    summary_cards,
)
from radgen.report.qc.style import QC_STYLE
from radgen.report.qc.table import PICTURES, QcTable
from radgen.report.study import StudyResults, records, spread

PAGE_NAMES = "series-{:03d}.html"
# Cards of what stands out on the first page; the others follow on the pages of series.
FIRST_CARDS = 12
KEY_WORDS = (
    "Each card shows the middle slice as it was read, in the display window and with nothing removed (left), and as it "
    "is stored (right). The histogram below has kept voxels in blue, removed ones in grey (both as square roots), "
    "and the display window as a band."
)


@dataclass(frozen=True)
class Shown:
    """What the pages show: the order of series, and which of them stand out.

    Parameters
    ----------
    order
        Positions of the series that get a card.
    found
        What stands out.
    left_out
        Number of series without a card.
    """

    order: Sequence[int]
    found: Mapping[int, Sequence[Finding]]
    left_out: int


def choose(checks: QcTable, found: Mapping[int, Sequence[Finding]], most: int) -> Shown:
    """Order the series; of more than `most`, those in front are shown and evenly spread ones of the rest."""
    order = in_order(checks.series, found)
    front = [position for position in order if position in found][:most]
    rest = np.array(order[len(front) :], dtype=np.int64)
    chosen = [*front, *spread(rest, most - len(front)).tolist()] if len(order) > most else order
    return Shown(chosen, found, len(order) - len(chosen))


def write_pages(study: StudyResults, checks: QcTable, shown: Shown, listing: Path, page: Path) -> list[Path]:
    """Write all pages, remove series pages of former runs, and return the paths, the first page first.

    Parameters
    ----------
    study, checks, shown
        What to show.
    listing
        `figures.json` of the pages' figures.
    page
        The first page; the pages of series go beside it.
    """
    per_page = study.report.qc_series_per_page
    parts = [shown.order[start : start + per_page] for start in range(0, len(shown.order), per_page)]
    names = [PAGE_NAMES.format(number) for number in range(1, len(parts) + 1)]
    write_text(page, _first_page(study, checks, shown, Pictures(listing, page), names))
    for number, (name, part) in enumerate(zip(names, parts, strict=True)):
        write_text(page.with_name(name), _series_page(study, checks, shown, part, (number, names)))
    for old in page.parent.glob(PAGE_NAMES.format(0).replace("000", "*")):
        if old.name not in names:
            old.unlink()
    return [page, *(page.with_name(name) for name in names)]


def _first_page(study: StudyResults, checks: QcTable, shown: Shown, pictures: Pictures, names: Sequence[str]) -> str:
    blocks = [
        _outliers_block(study, checks, shown, names),
        slices_block(study, study.report.qc_outlier_score),
        *([duplicates_block(study)] if study.has("slices.near_duplicates") else []),
        remarks_block(checks),
        refusals_block(study),
        sizes_block(checks, pictures),
        intensities_block(checks, pictures),
        _all_block(study, shown, names),
    ]
    links = [element("li", element("a", block.title, href=f"#{block.anchor}")) for block in blocks]
    sections = [element("section", element("h2", block.title), block.body, id=block.anchor) for block in blocks]
    lead = (
        "What the archive's files became: what was refused and why, and every series before and after its background "
        "was removed, unusual ones first."
    )
    head = _head(study, "Quality of what went in", lead, "../index.html", "the report")
    columns = element(
        "div",
        element("nav", element("ol", links), aria_label="Sections"),
        element("main", summary_cards(study, checks, shown.found), sections),
        class_="columns",
    )
    return _document(study, "Quality of what went in", head, columns)


def _outliers_block(study: StudyResults, checks: QcTable, shown: Shown, names: Sequence[str]) -> Block:
    rule = paragraph(rule_words(study.report.qc_outlier_score))
    if not shown.found:
        return Block("outliers", "What stands out", join(rule, paragraph("Nothing stands out.")))
    first = [position for position in shown.order if position in shown.found][:FIRST_CARDS]
    more = len(shown.found) - len(first)
    link = element("a", "the pages of all series", href=names[0])
    parts = [rule, outlier_counts(shown.found), paragraph(KEY_WORDS), _cards(checks, shown, first)]
    parts += [paragraph(f"{count(more)} more stand out: they come first on ", link, ".")] if more else []
    return Block("outliers", "What stands out", join(parts))


def _all_block(study: StudyResults, shown: Shown, names: Sequence[str]) -> Block:
    per_page = study.report.qc_series_per_page
    links = [
        element("li", element("a", _range_words(number * per_page, len(shown.order), per_page), href=name))
        for number, name in enumerate(names)
    ]
    left_out = (
        f" {count(shown.left_out)} more are not pictured (setting qc_series); all are rows of slices/qc.parquet."
        if shown.left_out
        else ""
    )
    words = paragraph(
        f"{count(len(shown.order))} series, before and after: first those that stand out, then those with a remark, "
        f"then the others in the order of their keys.{left_out}"
    )
    return Block("series", "All series", join(words, element("ul", links, class_="pages")))


def _range_words(first: int, total: int, per_page: int) -> str:
    return f"{count(first + 1)} to {count(min(first + per_page, total))}"


def _series_page(
    study: StudyResults, checks: QcTable, shown: Shown, part: Sequence[int], place: tuple[int, Sequence[str]]
) -> str:
    number, names = place
    per_page = study.report.qc_series_per_page
    around = [("Before", number - 1), ("After", number + 1)]
    links = [
        element("a", f"{words}: {_range_words(at * per_page, len(shown.order), per_page)}", href=names[at])
        for words, at in around
        if 0 <= at < len(names)
    ]
    title = f"Series {_range_words(number * per_page, len(shown.order), per_page)} of {count(len(shown.order))}"
    head = _head(study, title, KEY_WORDS, "index.html", "quality of what went in")
    steps = element("nav", links, class_="steps", aria_label="Pages")
    return _document(study, title, head, join(_cards(checks, shown, part), steps))


def _cards(checks: QcTable, shown: Shown, positions: Sequence[int]) -> Html:
    """Return cards in the order of `positions`; pictures are read in the order of the file."""
    series = checks.series.set_index("position", drop=False)
    rows = dict(zip(positions, records(series.loc[list(positions)]), strict=True))
    cards = dict(_made(checks, shown, rows))
    return element("div", [cards[position] for position in positions], class_="checks")


def _made(checks: QcTable, shown: Shown, rows: Mapping[int, Mapping[str, Any]]) -> Iterator[tuple[int, Html]]:
    for position, picture in zip(sorted(rows), checks.rows(sorted(rows), PICTURES), strict=True):
        yield position, series_card(rows[position], picture, shown.found.get(position, ()))


def _head(study: StudyResults, title: str, lead: str, back: str, back_words: str) -> Html:
    facts = study.facts
    badges = [
        element("li", words, class_=kind)
        for words, kind, holds in (
            ("TRIAL", "alarm", facts.trial is not None),
            ("PHANTOM ARCHIVE: SIMULATED PATIENTS", "note", facts.is_phantom),
        )
        if holds
    ]
    people = "These pages show images of the archive: keep them where the archive itself may be kept."
    return element(
        "header",
        element("p", f"radgen study · {facts.study} · quality control", class_="kicker"),
        element("h1", title),
        element("p", lead, class_="lead"),
        element("ul", badges, class_="badges") if badges else None,
        element("p", "Back to ", element("a", back_words, href=back), class_="back"),
        None if facts.is_phantom else notice(people, calm=True),
    )


def _document(study: StudyResults, title: str, head: Html, body: Html) -> str:
    foot = element("footer", "Written by radgen from tables alone. Series are named by keyed hashes.")
    whole = element("div", head, body, foot, class_="page")
    return document(f"{title} · {study.facts.title or study.facts.study} · radgen", whole, QC_STYLE)
