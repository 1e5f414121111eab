"""The one table of result paths: where each output of each stage lies below `results/<study>/`.

Names are `<stage>.<output>`; `{shard}`, `{source}`, `{px}`, `{round}`, `{job}`, `{task}`, `{arm}`, `{annotations}` and
`{seed}` are the wildcards, each constrained.
"""

from __future__ import annotations

from collections.abc import Mapping

# What a wildcard may look like, as regular expressions for the workflow.
WILDCARDS: Mapping[str, str] = {
    "shard": r"\d{3}",
    "source": r"[a-z][a-z0-9_]*",
    "task": "classification|segmentation",
    "px": r"\d+",
    "round": r"round-\d\d",
    "job": r"\d{3}",
    "arm": r"[a-z][a-z0-9_]*",
    "annotations": r"\d+",
    "seed": r"\d+",
}

TABLE: Mapping[str, str] = {
    "phantom.manifest": "archive/phantom.manifest.json",
    "radiogenomic_phantom.rna": "archive/PHANTOM_RNAseq.txt.gz",
    "radiogenomic_phantom.clinical": "archive/PHANTOM_clinical.csv",
    "radiogenomic_phantom.planted": "archive/truth/planted.csv",
    "inventory.index": "inventory/index.parquet",
    "inventory.rejects": "inventory/rejects.parquet",
    "inventory.files": "private/files.parquet",
    "inventory.manifest": "inventory/manifest.json",
    "cohort.series": "cohort/series.parquet",
    "cohort.rejects": "cohort/rejects.parquet",
    "cohort.counts": "cohort/counts.parquet",
    "cohort.page": "cohort/index.html",
    "cohort.shard": "cohort/shard-{shard}.parquet",
    "cohort.manifest": "cohort/manifest.json",
    "slices.part_images": "slices/shard-{shard}.images.arrow",
    "slices.part_masks": "slices/shard-{shard}.masks.arrow",
    "slices.part_index": "slices/shard-{shard}.index.parquet",
    "slices.part_rejects": "slices/shard-{shard}.rejects.parquet",
    "slices.part_qc": "slices/shard-{shard}.qc.parquet",
    "slices.part_volumes": "slices/shard-{shard}.volumes.parquet",
    "slices.part_manifest": "slices/shard-{shard}.manifest.json",
    "slices.index": "slices/index.parquet",
    "slices.rejects": "slices/rejects.parquet",
    "slices.qc": "slices/qc.parquet",
    "slices.near_duplicates": "slices/near_duplicates.parquet",
    "slices.manifest": "slices/manifest.json",
    "nodules.part_images": "nodules/shard-{shard}.images.arrow",
    "nodules.part_masks": "nodules/shard-{shard}.masks.arrow",
    "nodules.part_index": "nodules/shard-{shard}.index.parquet",
    "nodules.part_background_images": "nodules/backgrounds/shard-{shard}.images.arrow",
    "nodules.part_backgrounds": "nodules/backgrounds/shard-{shard}.index.parquet",
    "nodules.part_patches": "nodules/shard-{shard}.patches.parquet",
    "nodules.part_rejects": "nodules/shard-{shard}.rejects.parquet",
    "nodules.part_manifest": "nodules/shard-{shard}.manifest.json",
    "nodules.index": "nodules/index.parquet",
    "nodules.backgrounds": "nodules/backgrounds/index.parquet",
    "nodules.patches": "nodules/patches.parquet",
    "nodules.rejects": "nodules/rejects.parquet",
    "nodules.manifest": "nodules/manifest.json",
    "clinical.table": "clinical/clinical.parquet",
    "clinical.manifest": "clinical/manifest.json",
    "rna.codes": "rna/rna.parquet",
    "rna.transform": "rna/transform.safetensors",
    "rna.join": "rna/join.parquet",
    "rna.manifest": "rna/manifest.json",
    "encoder.weights": "encoder/{source}/encoder.safetensors",
    "encoder.history": "encoder/{source}/history.parquet",
    "encoder.manifest": "encoder/{source}/manifest.json",
    "judge.weights": "judge/judge.safetensors",
    "judge.history": "judge/history.parquet",
    "judge.checks": "judge/checks.parquet",
    "judge.manifest": "judge/manifest.json",
    "gan.stage_weights": "gan/{source}/stage-{px}/generator.safetensors",
    "gan.stage_last": "gan/{source}/stage-{px}/last.safetensors",
    "gan.stage_history": "gan/{source}/stage-{px}/history.parquet",
    "gan.stage_grid": "gan/{source}/stage-{px}/samples.png",
    "gan.stage_manifest": "gan/{source}/stage-{px}/manifest.json",
    "gan.weights": "gan/{source}/generator.safetensors",
    "gan.last": "gan/{source}/last.safetensors",
    "gan.history": "gan/{source}/history.parquet",
    "gan.grid": "gan/{source}/samples.png",
    "gan.manifest": "gan/{source}/manifest.json",
    "semantic.weights": "semantic/{source}/generator.safetensors",
    "semantic.best": "semantic/{source}/best.safetensors",
    "semantic.last": "semantic/{source}/last.safetensors",
    "semantic.history": "semantic/{source}/history.parquet",
    "semantic.labels": "semantic/{source}/labels.parquet",
    "semantic.seen": "semantic/{source}/seen.parquet",
    "semantic.grid": "semantic/{source}/samples.png",
    "semantic.manifest": "semantic/{source}/manifest.json",
    "semantic.scores": "metrics/{source}.semantic.parquet",
    "semantic.scores_grid": "metrics/{source}.semantic.png",
    "semantic.scores_manifest": "metrics/{source}.semantic.manifest.json",
    "sample.part_grid": "samples/{source}/samples.png",
    "sample.part_index": "samples/{source}/index.parquet",
    "sample.part_manifest": "samples/{source}/manifest.json",
    "sample.index": "samples/index.parquet",
    "sample.manifest": "samples/manifest.json",
    "annotator.weights": "annotator/annotator.safetensors",
    "annotator.scores": "annotator/scores.parquet",
    "annotator.manifest": "annotator/manifest.json",
    "annotate.folder": "annotation/{source}/{round}/pack",
    "annotate.pack": "annotation/{source}/{round}/pack/pack.parquet",
    "annotate.pack_manifest": "annotation/{source}/{round}/pack/manifest.json",
    "annotate.part_index": "annotation/{source}/{round}/index.parquet",
    "annotate.part_manifest": "annotation/{source}/{round}/manifest.json",
    "annotate.until_index": "annotation/{source}/until-{round}.index.parquet",
    "annotate.until_rows": "annotation/{source}/until-{round}.pack.parquet",
    "annotate.until_manifest": "annotation/{source}/until-{round}.manifest.json",
    "annotate.index": "annotation/{source}/index.parquet",
    "annotate.rows": "annotation/{source}/pack.parquet",
    "annotate.manifest": "annotation/{source}/manifest.json",
    "labels.until_head": "labels/{source}/until-{round}/head.safetensors",
    "labels.until_validation": "labels/{source}/until-{round}/validation.parquet",
    "labels.until_manifest": "labels/{source}/until-{round}/manifest.json",
    "labels.head": "labels/{source}/head.safetensors",
    "labels.validation": "labels/{source}/validation.parquet",
    "labels.manifest": "labels/{source}/manifest.json",
    "calibration.images": "labels/{source}/calibration/images.parquet",
    "calibration.curve": "labels/{source}/calibration/curve.parquet",
    "calibration.part_manifest": "labels/{source}/calibration/manifest.json",
    "annotation_curve.pack": "annotation_curve/{source}/{round}/pack/pack.parquet",
    "annotation_curve.pack_manifest": "annotation_curve/{source}/{round}/pack/manifest.json",
    "annotation_curve.painted_index": "annotation_curve/{source}/{round}/index.parquet",
    "annotation_curve.painted_manifest": "annotation_curve/{source}/{round}/manifest.json",
    "annotation_curve.point": "annotation_curve/{source}/points/n-{annotations}_seed-{seed}.parquet",
    "annotation_curve.point_manifest": "annotation_curve/{source}/points/n-{annotations}_seed-{seed}.manifest.json",
    "annotation_curve.table": "annotation_curve/{source}/curve.parquet",
    "annotation_curve.part_manifest": "annotation_curve/{source}/manifest.json",
    "pairs.draft": "pairs/{source}/drafts/{job}",
    "pairs.part_index": "pairs/{source}/index.parquet",
    "pairs.uncertainty": "pairs/{source}/uncertainty.parquet",
    "pairs.part_manifest": "pairs/{source}/manifest.json",
    "pairs.index": "pairs/index.parquet",
    "pairs.manifest": "pairs/manifest.json",
    "benchmark.arm_scores": "benchmark/{task}/{arm}.scores.parquet",
    "benchmark.arm_history": "benchmark/{task}/{arm}.history.parquet",
    "benchmark.arm_manifest": "benchmark/{task}/{arm}.manifest.json",
    "benchmark.scores": "benchmark/scores.parquet",
    "benchmark.summary": "benchmark/summary.parquet",
    "benchmark.curve": "benchmark/curve.parquet",
    "benchmark.verdicts": "benchmark/verdicts.parquet",
    "benchmark.manifest": "benchmark/manifest.json",
    "real_curve.scores": "benchmark/real_curve/scores.parquet",
    "real_curve.summary": "benchmark/real_curve/summary.parquet",
    "real_curve.curve": "benchmark/real_curve/curve.parquet",
    "real_curve.verdicts": "benchmark/real_curve/verdicts.parquet",
    "real_curve.manifest": "benchmark/real_curve/manifest.json",
    "metrics.quality": "metrics/{source}.quality.parquet",
    "metrics.nearest": "metrics/{source}.nearest.parquet",
    "metrics.part_manifest": "metrics/{source}.manifest.json",
    "qc.page": "report/qc/index.html",
    "qc.manifest": "report/qc/manifest.json",
    "figures.folder": "report/figures",
    "figures.list": "report/figures/figures.json",
    "figures.manifest": "report/figures/manifest.json",
    "report.page": "report/index.html",
    "report.manifest": "report/manifest.json",
}


class StudyPaths:
    """Result paths of one study.

    >>> StudyPaths("results/demo")("gan.weights", source="main")
    'results/demo/gan/main/generator.safetensors'
    >>> StudyPaths("results/demo")("cohort.shard")
    'results/demo/cohort/shard-{shard}.parquet'
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def __call__(self, key: str, **wildcards: str) -> str:
        """Return a path; wildcards that are not given stay in braces, as a workflow's rules want them."""
        path = f"{self.root}/{TABLE[key]}"
        for name, value in wildcards.items():
            path = path.replace("{" + name + "}", value)
        return path
