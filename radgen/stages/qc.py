"""Write the quality-control pages: every series before and after, refusals, spacing and intensities."""

from __future__ import annotations

import os
from pathlib import Path

from radgen.report.settings import ReportSettings, StudyFacts

VERSION = 1


def run(
    *,
    results: Path,
    tables: tuple[Path, ...],
    page: Path,
    manifest: Path,
    report: ReportSettings,
    facts: StudyFacts,
) -> None:
    """Write the first page, pages of series beside it, and their figures in the folder `figures` below.

    It needs no more than the tables of cohort and slices, so that an archive can be looked at before anything trains.

    Parameters
    ----------
    results
        The study's results folder: tables are found below it by the path table.
    tables
        The same tables as declared inputs; their digests go to the manifest.
    page, manifest
        Outputs, in one folder.
    report, facts
        Settings, and what the pages must state.

    Raises
    ------
    InputError
        A table is missing or lacks a column.
    """
    from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest
    from radgen.report.album import Album
    from radgen.report.qc.figures import draw_checks
    from radgen.report.qc.outliers import find_outliers
    from radgen.report.qc.pages import choose, write_pages
    from radgen.report.qc.table import QcTable
    from radgen.report.study import StudyResults
    from radgen.settings import as_plain

    study = StudyResults(results, report, facts)
    checks = QcTable(study)
    found = find_outliers(checks.series, report.qc_outlier_score)
    album = Album(page.parent / "figures", facts)
    draw_checks(checks, found, album)
    album.finish()
    pages = write_pages(study, checks, choose(checks, found, report.qc_series), album.files()[0], page)
    what = what_part(
        stage="qc",
        version=VERSION,
        settings={"report": as_plain(report), "facts": as_plain(facts)},
        inputs={Path(os.path.relpath(path, results)).as_posix(): input_digest(path) for path in tables},
    )
    write_manifest(
        manifest,
        what=what,
        outputs={path.name: path for path in (*pages, *album.files())},
        saw_patients=saw_patients_of(*(path for path in tables if path.name.endswith("manifest.json"))),
        notes={"series": len(checks.series), "stand_out": len(found), "pages": len(pages)},
    )
    print(f"qc: {len(checks.series)} series, {len(found)} stand out; {page}", flush=True)  # noqa: T201
