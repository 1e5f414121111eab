"""How much work each stage of a study has, in a unit of its own, from the configuration and a number of slices."""

from __future__ import annotations

from dataclasses import dataclass

from radgen.planning.operations import training_gflop
from radgen.study import Study

MEGAPIXEL = 1e6
# Rows of the study's log folder that belong to a stage, by the beginnings of their names.
JOBS = {
    "phantom": ("phantom",),
    "ingest": ("inventory", "cohort"),
    "slices": ("slices_shard", "slices_gather"),
    "judge": ("judge",),
    "annotator": ("annotator",),
    "encoder": ("encoder_train_",),
    "gan": ("gan_train_", "gan_stage_"),
    "sample": ("sample_",),
    "annotate": ("annotate_",),
    "labels": ("labels_head_",),
    "pairs": ("pairs_",),
    "metrics": ("metrics_source_",),
    "audit": ("audit_set_",),
    "benchmark": ("benchmark_arm_", "benchmark_seed_", "benchmark_join_", "benchmark_summary"),
    "report": ("figures_draw", "qc_pages", "report"),
}


@dataclass(frozen=True)
class Amount:
    """The work of one stage.

    Attributes
    ----------
    stage
        One of `JOBS`.
    size
        In `unit`.
    unit
        What is counted.
    jobs
        That may run side by side, each with an equal part.
    images
        Images that are read or shown.
    on_gpu
        Whether a GPU is used where there is one.
    per_source
        Whether it grows with the number of generators.
    """

    stage: str
    size: float
    unit: str
    jobs: int
    images: int
    on_gpu: bool = False
    per_source: bool = False


@dataclass(frozen=True)
class Cohort:
    """Slices of a study by what they are for."""

    slices: int
    train: int
    held_out: int

    @classmethod
    def of(cls, study: Study, slices: int) -> Cohort:
        """Share slices out as patients are."""
        shares = study.config.cohort
        train = round(slices * (1 - shares.val - shares.test - shares.annotator))
        return cls(slices, train, round(slices * (shares.val + shares.test)))


def synthetic_images(study: Study, cohort: Cohort) -> int:
    """Return the images that one generator makes."""
    config = study.config
    if config.sample.counts is not None:
        return sum(config.sample.counts.values())
    return round(cohort.train * (1 - config.low.fraction))


def amounts(study: Study, cohort: Cohort) -> list[Amount]:
    """Return the work of every stage of a study, in the order in which data walk through them."""
    config, px, sources = study.config, study.config.slices.size_px, len(study.sources_of("gan"))
    pixels = px * px / MEGAPIXEL
    training = config.benchmark.training
    made = synthetic_images(study, cohort)
    found = [
        Amount("ingest", cohort.slices, "slices", 1, cohort.slices),
        Amount("slices", cohort.slices * pixels, "Mpx", len(study.shards), cohort.slices),
        Amount("judge", config.judge.images * pixels, "Mpx", 1, config.judge.images, on_gpu=True),
    ]
    if config.phantom is not None:
        views = config.phantom.views / 320  # of the demo's, on which the rate was taken
        found.insert(0, Amount("phantom", cohort.slices * views, "slices", 1, cohort.slices))

    def of_sources(stage: str, images: int, size: float, unit: str = "Mpx", jobs: int = 1) -> Amount:
        on_gpu = stage != "audit"  # which compares pictures on the processor
        return Amount(stage, size * sources, unit, jobs * sources, images * sources, on_gpu=on_gpu, per_source=True)

    if sources:
        found.append(of_sources("encoder", config.encoder.images, config.encoder.images * pixels))
        budget = gan_images(study)
        size = sum(images * gflop for images, gflop in budget)
        found.append(of_sources("gan", sum(images for images, _ in budget), size, "GFLOP"))
        found.append(of_sources("sample", made, made * pixels, jobs=config.sample.jobs))
        checked = min(made, config.metrics.images)
        found.append(of_sources("metrics", checked, checked * pixels))
    if study.has_masks and sources:
        if study.simulated_annotator:
            images = config.annotator.images
            found.append(Amount("annotator", images * pixels, "Mpx", 1, images, on_gpu=True))
        seen = config.annotation.candidates_per_class * len(config.classes.names)
        found.append(of_sources("annotate", seen, seen * pixels))
        found.append(of_sources("labels", config.labels.images, config.labels.images * config.labels.members * pixels))
        spare = config.pairs.spare_fraction if config.pairs.least_class_probability else 0.0
        drawn = round(made / (1 - config.pairs.drop_fraction) / (1 - spare))
        found.append(of_sources("pairs", drawn, drawn * pixels, jobs=config.pairs.jobs))
    batches = {"classification": training.classifier_batch_size, "segmentation": training.segmenter_batch_size}
    shown = sum(len(study.arms(task)) * training.seeds * training.max_steps * batches[task] for task in study.tasks)
    arms = sum(len(study.arms(task)) for task in study.tasks)
    if sources:
        sets = 2 if study.has_masks else 1  # samples and pairs
        looked_up = made + min(config.release.images, cohort.train) + min(config.release.images, cohort.held_out)
        found.append(of_sources("audit", sets * looked_up, sets * looked_up * cohort.train * pixels, "Mpx pairs", sets))
    if arms:
        jobs = arms * (training.seeds if config.benchmark.jobs == "seed" else 1)
        found.append(Amount("benchmark", shown * pixels, "Mpx", jobs, shown, on_gpu=True))
    found.append(Amount("report", 1, "report", 1, 0))
    order = list(JOBS)
    return sorted(found, key=lambda amount: order.index(amount.stage))


def gan_images(study: Study) -> list[tuple[int, float]]:
    """Return images shown and 10^9 operations per image of every stage of one generator's training."""
    from radgen.gan.settings import at_stage

    config = study.config
    steps = [*map(int, study.growth_px), config.slices.size_px]
    stages = [(px, at_stage(config.gan, px)) for px in steps]
    return [(gan.images, training_gflop(gan, px, len(config.classes.names))) for px, gan in stages]
