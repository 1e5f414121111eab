"""The columns that the report reads are the columns that the stages write."""

from __future__ import annotations

import pyarrow as pa
import pytest

from radgen.annotation.pack import PACK_SCHEMA
from radgen.benchmark import annotation_curve
from radgen.benchmark import tables as benchmark
from radgen.cohort import tables as cohort
from radgen.features import train as features
from radgen.imageset.core import INDEX_SCHEMA
from radgen.imaging.across_splits import SCHEMA as NEAR_DUPLICATES_SCHEMA
from radgen.imaging.qc import QC_SCHEMA
from radgen.imaging.refusal import REJECTS_SCHEMA as SLICE_REJECTS_SCHEMA
from radgen.labels import calibration, pairs, teach
from radgen.labels import validate as labels
from radgen.metrics.audit import NEAREST_SCHEMA
from radgen.metrics.class_agreement import METRIC as CLASS_ACCURACY
from radgen.metrics.judge_checks import CHECKS_SCHEMA
from radgen.metrics.names import JUDGES
from radgen.metrics.quality import AUDITS, QUALITY_SCHEMA
from radgen.report import arms, scores
from radgen.report.figures import annotation as annotation_figure
from radgen.report.figures import calibration as calibration_figure
from radgen.report.figures import curves, judge, training
from radgen.report.figures import labels as label_figures
from radgen.report.figures import quality as quality_figures
from radgen.report.qc import duplicates as qc_duplicates
from radgen.report.qc import sections as qc_sections
from radgen.report.qc import table as qc_table
from radgen.report.sections import pairs as pairs_section
from radgen.training import publishing

READ = {
    "cohort.series": (cohort.SERIES_SCHEMA, ("patient_key", "split")),
    "cohort.rejects": (cohort.REJECTS_SCHEMA, qc_sections.REJECTS),
    "cohort.counts": (cohort.COUNTS_SCHEMA, ("split", "class_name", "patients", "series", "slices", "with_mask")),
    "slices.rejects": (SLICE_REJECTS_SCHEMA, qc_sections.SLICE_REJECTS),
    "slices.index": (INDEX_SCHEMA, qc_sections.SLICES),
    "slices.near_duplicates": (NEAR_DUPLICATES_SCHEMA, qc_duplicates.COLUMNS),
    "slices.qc": (QC_SCHEMA, (*qc_table.FIGURES, *qc_table.PICTURES)),
    "judge.checks": (CHECKS_SCHEMA, judge.CHECKS),
    "encoder.history": (features.HISTORY_SCHEMA, training.ENCODER_HISTORY),
    "gan.history": (publishing.HISTORY_SCHEMA, training.HISTORY),
    "metrics.quality": (QUALITY_SCHEMA, scores.QUALITY),
    "metrics.nearest": (NEAREST_SCHEMA, scores.NEAREST),
    "annotate.pack": (PACK_SCHEMA, pairs_section.PACK),
    "annotator.scores": (teach.SCORES_SCHEMA, label_figures.ANNOTATOR),
    "labels.validation": (labels.VALIDATION_SCHEMA, label_figures.VALIDATION),
    "calibration.images": (calibration.IMAGES_SCHEMA, calibration_figure.IMAGES),
    "calibration.curve": (calibration.CURVE_SCHEMA, calibration_figure.CURVE),
    "annotation_curve.table": (annotation_curve.CURVE_SCHEMA, annotation_figure.CURVE),
    "pairs.uncertainty": (pairs.UNCERTAINTY_SCHEMA, label_figures.UNCERTAINTY),
    "benchmark.summary": (benchmark.SUMMARY_SCHEMA, arms.SUMMARY),
    "benchmark.verdicts": (benchmark.VERDICT_SCHEMA, arms.VERDICTS),
    "benchmark.curve": (benchmark.CURVE_SCHEMA, curves.CURVE),
    "benchmark.arm_history": (benchmark.HISTORY_SCHEMA, curves.HISTORY),
}


@pytest.mark.parametrize("table", sorted(READ))
def test_a_stage_writes_every_column_that_is_read(table: str) -> None:
    schema, columns = READ[table]
    assert isinstance(schema, pa.Schema)
    assert set(columns) <= set(schema.names)


def test_every_score_has_its_words() -> None:
    assert {*JUDGES, *AUDITS, CLASS_ACCURACY, "fid", "radiomics_fd"} == set(scores.METRIC_WORDS)
    assert set(JUDGES) == set(quality_figures.METRICS)
