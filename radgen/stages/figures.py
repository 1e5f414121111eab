"""Draw every figure of the report from tables and image sets alone."""

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
) -> None:
    """Write `<name>.pdf` and `<name>.png` of every figure whose tables exist, and `figures.json`, in `folder`.

    Parameters
    ----------
    results
        The study's results folder: tables are found below it by the path table.
    tables
        The same tables as declared inputs; their digests go to the manifest.
    folder
        Where figures go; pictures in it that are no figure of this study are removed.
    manifest
        In the same folder.
    report, facts
        Sizes of galleries, and what every caption must state.

    Raises
    ------
    InputError
        A table lacks a column, or an image set is damaged.
    """
    from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest
    from radgen.report.album import Album
    from radgen.report.figures.catalogue import draw_all
    from radgen.report.study import StudyResults
    from radgen.settings import as_plain

    study = StudyResults(results, report, facts)
    album = Album(folder, facts)
    draw_all(study, album)
    album.finish()
    what = what_part(
        stage="figures",
        version=VERSION,
        settings={"report": as_plain(report), "facts": as_plain(facts)},
        inputs={_name(path, results): input_digest(path) for path in tables},
    )
    manifests = [path for path in tables if path.name.endswith("manifest.json")]
    write_manifest(
        manifest,
        what=what,
        outputs={path.name: path for path in album.files()},
        saw_patients=saw_patients_of(*manifests),
        notes={"figures": len(album.pictures), "absent": len(album.absent)},
    )
    print(f"figures: {len(album.pictures)} drawn, {len(album.absent)} not in this study", flush=True)  # noqa: T201


def _name(path: Path, results: Path) -> str:
    return Path(os.path.relpath(path, results)).as_posix()
