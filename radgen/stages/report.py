"""Write the report: one page with headline, figures, tables, ancestry and provenance."""

from __future__ import annotations

from pathlib import Path

from radgen.report.settings import ReportSettings, StudyFacts

VERSION = 2


def run(*, results: Path, figures: Path, page: Path, manifest: Path, report: ReportSettings, facts: StudyFacts) -> None:
    """Write the page from tables, manifests and figures.

    Parameters
    ----------
    results
        The study's results folder: tables and manifests are found below it by the path table.
    figures
        `figures.json`; the pictures lie beside it and are linked, not copied.
    page, manifest
        Outputs.
    report, facts
        Settings, and what the page must state.

    Raises
    ------
    InputError
        A table lacks a column, or a manifest cannot be read.
    """
    from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest, write_text
    from radgen.report.page import write_page
    from radgen.report.study import StudyResults
    from radgen.settings import as_plain

    study = StudyResults(results, report, facts)
    write_text(page, write_page(study, figures, page))
    what = what_part(
        stage="report",
        version=VERSION,
        settings={"report": as_plain(report), "facts": as_plain(facts)},
        inputs={"figures.json": input_digest(figures)}
        | {place: input_digest(results / place) for place, _ in study.manifests},
    )
    saw = saw_patients_of(*(results / place for place, _ in study.manifests))
    write_manifest(manifest, what=what, outputs={"page": page}, saw_patients=saw)
    print(f"report: {page}", flush=True)  # noqa: T201 - a stage's progress goes to its log
