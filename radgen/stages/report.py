"""Write the report: one page with headline, figures, tables, ancestry and provenance, in one of two editions."""

from __future__ import annotations

from pathlib import Path

from radgen.report.settings import ReportSettings, StudyFacts

VERSION = 3


def run(
    *,
    results: Path,
    figures: Path,
    page: Path,
    manifest: Path,
    report: ReportSettings,
    facts: StudyFacts,
    shareable: bool = False,
) -> None:
    """Write the page from tables, manifests and figures.

    Parameters
    ----------
    results
        The study's results folder: tables and manifests are found below it by the path table.
    figures
        `figures.json`; the pictures lie beside it. The page holds them; PDF and CSV files are linked.
    page, manifest
        Outputs. The manifest lists patients, so that of a shareable page lies in another folder.
    report, facts
        Settings, and what the page must state.
    shareable
        No pixel, key or name of a patient's image; the figures that may be seen are copied beside the page.

    Raises
    ------
    InputError
        A table lacks a column, or a manifest cannot be read.
    """
    from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest, write_text
    from radgen.report.page import write_page
    from radgen.report.share import copy_shareable, without_places
    from radgen.report.study import StudyResults
    from radgen.settings import as_plain

    study = StudyResults(results, report, without_places(facts) if shareable else facts, shareable=shareable)
    listing = copy_shareable(study, figures, page.parent / "figures") if shareable else figures
    write_text(page, write_page(study, listing, page))
    what = what_part(
        stage="report",
        version=VERSION,
        settings={"report": as_plain(report), "facts": as_plain(facts), "shareable": shareable},
        inputs={"figures.json": input_digest(figures)}
        | {place: input_digest(results / place) for place, _ in study.manifests},
    )
    saw = saw_patients_of(*(results / place for place, _ in study.manifests))
    write_manifest(manifest, what=what, outputs={"page": page}, saw_patients=saw)
    print(f"report: {page}", flush=True)  # noqa: T201 - a stage's progress goes to its log
