"""The table of all figures: which outputs each needs, and which function draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from radgen.report.album import Album
from radgen.report.arms import tasks
from radgen.report.figures.annotation import draw_annotation_curve
from radgen.report.figures.arms import draw_arms, draw_differences
from radgen.report.figures.calibration import draw_calibration
from radgen.report.figures.cohort import draw_cohort, draw_refused
from radgen.report.figures.curves import draw_plateau, draw_real_curve
from radgen.report.figures.design import draw_design
from radgen.report.figures.flow import draw_flow
from radgen.report.figures.interpolation import draw_interpolation
from radgen.report.figures.judge import draw_judge
from radgen.report.figures.labels import draw_labels, draw_uncertainty
from radgen.report.figures.pairs import draw_pairs
from radgen.report.figures.patients import draw_patients, draw_roc
from radgen.report.figures.quality import draw_closest, draw_nearest, draw_quality
from radgen.report.figures.radiogenomic import (
    draw_copies,
    draw_coupling,
    draw_grids,
    draw_masks,
    draw_patches,
    draw_saliency,
    draw_shares,
    draw_survival,
)
from radgen.report.figures.safety import draw_audited
from radgen.report.figures.samples import draw_samples
from radgen.report.figures.semantic import draw_semantic_curves, draw_semantic_sheet
from radgen.report.figures.table import draw_metrics_table
from radgen.report.figures.training import draw_training
from radgen.report.study import StudyResults
from radgen.report.style import figure_style

StudyFigure = Callable[[StudyResults, Album], None]
PartFigure = Callable[[StudyResults, Album, str], None]


@dataclass(frozen=True)
class OfStudy:
    """A figure that a study has once."""

    name: str
    needs: tuple[str, ...]
    draw: StudyFigure


@dataclass(frozen=True)
class OfSource:
    """A figure that every source has, or every one of a kind."""

    name: str
    needs: tuple[str, ...]
    draw: PartFigure
    kind: str = ""

    def fits(self, study: StudyResults, source: str) -> bool:
        """Whether a source may have it."""
        return self.kind in ("", study.facts.kinds.get(source, "gan"))


@dataclass(frozen=True)
class OfTask:
    """A figure that every downstream task has."""

    name: str
    draw: PartFigure


STUDY_FIGURES = (
    OfStudy("design", ("cohort.series", "slices.index"), draw_design),
    OfStudy("flow", ("cohort.series", "cohort.rejects", "slices.index", "slices.rejects"), draw_flow),
    OfStudy("cohort", ("cohort.series", "slices.index"), draw_cohort),
    OfStudy("refused", ("cohort.rejects", "slices.rejects"), draw_refused),
    OfStudy("judge", ("judge.checks",), draw_judge),
    OfStudy("real_curve", ("benchmark.curve",), draw_real_curve),
)
SOURCE_FIGURES = (
    OfSource("training", ("gan.history",), draw_training, "gan"),
    OfSource("semantic_curves", ("semantic.history",), draw_semantic_curves, "semantic"),
    OfSource("semantic_sheet", ("sample.part_index",), draw_semantic_sheet, "semantic"),
    OfSource("samples", ("slices.index", "sample.part_index"), draw_samples),
    OfSource("interpolation", ("interpolation.index",), draw_interpolation),
    OfSource("quality", ("metrics.quality",), draw_quality),
    OfSource("metrics_table", ("metrics.quality",), draw_metrics_table),
    OfSource("nearest", ("metrics.nearest", "metrics.quality"), draw_nearest),
    OfSource("closest", ("metrics.nearest", "sample.part_index", "slices.index"), draw_closest),
    OfSource("labels", ("labels.validation",), draw_labels, "gan"),
    OfSource("calibration", ("calibration.curve", "calibration.images"), draw_calibration),
    OfSource("annotation_curve", ("annotation_curve.table",), draw_annotation_curve),
    OfSource("pairs", ("pairs.part_index",), draw_pairs),
    OfSource("uncertainty", ("pairs.uncertainty",), draw_uncertainty),
)
NODULE_FIGURES = (
    OfSource("grid", ("radiogenomic_sample.grid_gene",), draw_grids),
    OfSource("coupling", ("radiogenomic_scores.scores", "radiogenomic_scores.agreement"), draw_coupling),
    OfSource("shares", ("radiogenomic_scores.scores",), draw_shares),
    OfSource("saliency", ("radiogenomic_scores.saliency",), draw_saliency),
    OfSource("masks", ("radiogenomic_scores.scores",), draw_masks),
    OfSource("copies", ("radiogenomic_scores.nearest",), draw_copies),
    OfSource("survival", ("radiogenomic_survival.table",), draw_survival),
)
TASK_FIGURES = (
    OfTask("differences", draw_differences),
    OfTask("arms", draw_arms),
    OfTask("roc", draw_roc),
    OfTask("patients", draw_patients),
    OfTask("plateau", draw_plateau),
)


def draw_all(study: StudyResults, album: Album) -> None:
    """Draw every figure whose tables exist, and note for every other one what it lacks."""
    with figure_style():
        for figure in STUDY_FIGURES:
            if _ready(study, album, figure.name, figure.needs):
                figure.draw(study, album)
        if study.has("nodules.index"):
            draw_patches(study, album)
        for source in study.sources:
            for one in NODULE_FIGURES if study.kind_of(source) == "radiogenomic" else SOURCE_FIGURES:
                if one.fits(study, source) and _ready(study, album, f"{one.name}_{source}", one.needs, source=source):
                    one.draw(study, album, source)
            for part in ("samples", "pairs"):
                if study.has("audit.images", part=part, source=source):
                    draw_audited(study, album, part, source)
        for task in tasks(study) if study.has("benchmark.summary") else []:
            for each in TASK_FIGURES:
                each.draw(study, album, task)


def _ready(study: StudyResults, album: Album, name: str, needs: tuple[str, ...], **wildcards: str) -> bool:
    missing = [key for key in needs if not study.has(key, **wildcards)]
    if missing:
        lacks = study.path(missing[0], **wildcards).relative_to(study.root).as_posix()
        album.absent[name] = f"{lacks} is not in this study"
    return not missing
