"""Which files of a study its pages are drawn from."""

from __future__ import annotations

from pathlib import Path

from radgen.paths import StudyPaths
from radgen.study import Study
from radgen.study_genes import radiogenomic_files


def qc_files(path: StudyPaths) -> list[str]:
    """Return the tables of the quality-control pages: those of cohort and slices alone."""
    files = [path(f"cohort.{name}") for name in ("series", "rejects", "manifest")]
    return [*files, *(path(f"slices.{name}") for name in ("index", "qc", "rejects", "near_duplicates", "manifest"))]


def sent_packs(study: Study) -> list[str]:
    """Return the packs of all rounds that go out."""
    return [
        study.path("annotate.pack", source=name, round=part)
        for name in study.sources_of("gan")
        for part in study.sent_rounds(name)
    ]


def report_files(study: Study) -> list[str]:
    """Return every table and image set the report's figures are drawn from."""
    path = study.path
    files = [path(f"cohort.{name}") for name in ("series", "rejects", "counts")]
    files += [path("slices.index"), path("slices.rejects"), path("slices.manifest")]
    files += _of_sources(study) + sent_packs(study)
    if study.simulated_annotator:
        files += [path("annotator.scores"), path("annotator.manifest")]
    files += [name for source in study.annotated_sources for name in _of_heads(path, source)]
    files += [path("pairs.index")] if study.annotated_sources else []
    for part, source in study.audited:
        audit = ("measures", "verdict", "images", "part_manifest")
        files += [path(f"audit.{name}", part=part, source=source) for name in audit]
    files += radiogenomic_files(study)
    if study.tasks:
        files += [path(f"benchmark.{name}") for name in ("scores", "summary", "curve", "verdicts", "manifest")]
    return files


def _of_sources(study: Study) -> list[str]:
    path = study.path
    judged = [name for name in study.sources if name not in study.sources_of("radiogenomic")]
    files = [path(f"judge.{name}") for name in ("history", "checks", "manifest")] if judged else []
    for source in study.sources_of("gan", "semantic"):
        files += [path(f"encoder.{name}", source=source) for name in ("history", "manifest")]
    for source in study.sources_of("semantic"):
        files += [path(f"semantic.{name}", source=source) for name in ("history", "grid", "labels", "manifest")]
        files += [path(f"semantic.scores{name}", source=source) for name in ("", "_grid", "_manifest")]
    for source in study.sources_of("gan"):
        files += [path(f"gan.{name}", source=source) for name in ("history", "grid", "manifest")]
        files += [path(f"interpolation.{name}", source=source) for name in ("index", "part_manifest")]
    for source in judged:
        files += [path(f"metrics.{name}", source=source) for name in ("quality", "nearest", "part_manifest")]
    return files + ([path("sample.index")] if study.sources else [])


def _of_heads(path: StudyPaths, source: str) -> list[str]:
    files = [path(f"labels.{name}", source=source) for name in ("validation", "manifest")]
    files += [path(f"pairs.{name}", source=source) for name in ("uncertainty", "part_manifest")]
    # Optional: their figures are drawn once `labels_calibration` and `annotation_curve` were asked for.
    optional = [path(f"calibration.{name}", source=source) for name in ("curve", "images", "part_manifest")]
    optional += [path(f"annotation_curve.{name}", source=source) for name in ("table", "part_manifest")]
    return files + [name for name in optional if Path(name).is_file()]
