"""The report page: one HTML file that holds its pictures and opens from disk, wherever it is moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from radgen.report.html import Html, element, join
from radgen.report.methods import methods_block
from radgen.report.parts import Block, Pictures, document, notice
from radgen.report.sections.archive import checks_block, cohort_block, refused_block, slices_block
from radgen.report.sections.benchmark import ancestry_block, benchmark_block
from radgen.report.sections.closing import absent_block, again_block, limits_block, provenance_block
from radgen.report.sections.pairs import pairs_block
from radgen.report.sections.radiogenomic import radiogenomic_block
from radgen.report.sections.result import headline_sentence, result_block
from radgen.report.sections.safety import safety_block
from radgen.report.sections.semantic import semantic_block
from radgen.report.sections.synthetic import judge_block, quality_block, samples_block, training_block
from radgen.report.sections.words import words_block
from radgen.report.study import StudyResults

BLOCKS: tuple[Callable[[StudyResults, Pictures], Block | None], ...] = (
    words_block,
    result_block,
    cohort_block,
    refused_block,
    slices_block,
    checks_block,
    judge_block,
    training_block,
    semantic_block,
    samples_block,
    quality_block,
    safety_block,
    pairs_block,
    radiogenomic_block,
    benchmark_block,
    ancestry_block,
    absent_block,
    limits_block,
    methods_block,
    provenance_block,
    again_block,
)


def build_page(study: StudyResults, pictures: Pictures) -> str:
    """Return the whole page as HTML text, the same for the same tables, figures and manifests."""
    blocks = [block for make in BLOCKS if (block := make(study, pictures)) is not None]
    title = study.facts.title or study.facts.study
    links = [element("li", element("a", block.title, href=f"#{block.anchor}")) for block in blocks]
    sections = [element("section", element("h2", block.title), block.body, id=block.anchor) for block in blocks]
    body = element(
        "div",
        _head(study, title, pictures),
        element(
            "div",
            element("nav", element("ol", links), aria_label="Sections"),
            element("main", sections),
            class_="columns",
        ),
        element("footer", "Written by radgen from tables and manifests alone."),
        class_="page",
    )
    return document(f"{title} · radgen", body)


def write_page(study: StudyResults, listing: Path, page: Path) -> str:
    """Build the page for its place on disk."""
    return build_page(study, Pictures(listing, page, shareable=study.shareable))


def _head(study: StudyResults, title: str, pictures: Pictures) -> Html:
    facts = study.facts
    return element(
        "header",
        element("p", f"radgen study · {facts.study}", class_="kicker"),
        element("h1", title),
        element("p", _lead(study), class_="lead"),
        element("ul", _badges(study), class_="badges"),
        _notices(study, pictures),
    )


def _lead(study: StudyResults) -> str:
    series = study.table("cohort.series", ("patient_key", "split"))
    archive = (
        "an embedded phantom archive of simulated patients" if study.facts.is_phantom else "an archive of real images"
    )
    counts = (
        f"{series['patient_key'].nunique():,} patients and {len(study.images('slices.index')):,} slices from {archive}."
    )
    return " ".join(part for part in (counts, headline_sentence(study)) if part)


def _badges(study: StudyResults) -> list[Html]:
    facts = study.facts
    told = [
        ("TRIAL", "alarm", facts.trial is not None),
        ("PHANTOM ARCHIVE", "note", facts.is_phantom),
        ("SIMULATED ANNOTATOR", "note", facts.simulated_annotator),
        ("SHAREABLE: NO REAL IMAGES", "note", study.shareable),
        ("AWAITING MASKS", "note", facts.awaiting is not None),
        ("NO PATIENT-LEVEL CLAIM", "alarm", not facts.patient_claim),
    ]
    sources = [(f"{name}: {kind}", None, True) for name, kind in facts.sources.items()]
    return [element("li", words, class_=kind) for words, kind, holds in (*told, *sources) if holds]


def _notices(study: StudyResults, pictures: Pictures) -> Html:
    facts = study.facts
    parts: list[Html] = []
    if facts.trial is not None:
        parts.append(
            notice(
                element("b", "TRIAL. "),
                f"Limited to {facts.trial} patients and small budgets, to see that everything runs. No number here is "
                "a result.",
            )
        )
    if not facts.patient_claim:
        parts.append(notice(element("b", "No patient-level claim. "), "The archive names no patients."))
    if facts.awaiting is not None:
        parts.append(notice(element("b", "Masks are awaited in "), element("code", facts.awaiting), calm=True))
    if pictures.shows_archive and not facts.is_phantom:
        parts.append(
            notice("The figures show images of the archive: keep them where the archive itself may be kept.", calm=True)
        )
    return join(parts)
