"""Write the gallery: a page that browses the synthetic images with masks, provenance and their nearest real image."""

from __future__ import annotations

import os
from pathlib import Path

from radgen.report.settings import ReportSettings, StudyFacts

VERSION = 1


def run(
    *,
    results: Path,
    tables: tuple[Path, ...],
    folder: Path,
    manifest: Path,
    report: ReportSettings,
    facts: StudyFacts,
    shareable: bool = False,
) -> None:
    """Write `index.html`, its data and its sheets into the folder.

    Parameters
    ----------
    results
        The study's results folder: tables are found below it by the path table.
    tables
        The same tables as declared inputs; their digests go to the manifest.
    folder
        Written anew.
    manifest
        Outside the folder: it lists patients, and the folder may be given away.
    report, facts
        How many images at most, and what must be stated.
    shareable
        No pixel, key or name of a patient's image.

    Raises
    ------
    InputError
        A table lacks a column, or an image set is damaged.
    """
    from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest
    from radgen.report.browse.write import write_gallery
    from radgen.report.study import StudyResults
    from radgen.settings import as_plain

    study = StudyResults(results, report, facts, shareable=shareable)
    files = write_gallery(study, folder)
    what = what_part(
        stage="gallery",
        version=VERSION,
        settings={"report": as_plain(report), "facts": as_plain(facts), "shareable": shareable},
        inputs={Path(os.path.relpath(path, results)).as_posix(): input_digest(path) for path in tables},
    )
    write_manifest(
        manifest,
        what=what,
        outputs={path.relative_to(folder).as_posix(): path for path in files},
        saw_patients=saw_patients_of(*(path for path in tables if path.name.endswith("manifest.json"))),
    )
    print(f"gallery: {folder / 'index.html'}, {len(files)} files", flush=True)  # noqa: T201
