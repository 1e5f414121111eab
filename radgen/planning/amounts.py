"""How much work each stage of a study has, in a unit of its own, from the configuration and what is in its cohort."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from radgen.planning.operations import training_gflop
from radgen.planning.sets import Cohort, gene_count, made_by, synthetic_images
from radgen.planning.steps import radiogenomic_step, semantic_step
from radgen.sources import KINDS
from radgen.study import Study

MEGAPIXEL = 1e6
# Rows of the study's log folder that belong to a stage, by the beginnings of their names.
JOBS = {
    "phantom": ("phantom",),
    "radiogenomic-phantom": ("radiogenomic_phantom",),
    "ingest": ("inventory", "cohort"),
    "slices": ("slices_shard", "slices_gather"),
    "nodules": ("nodules_",),
    "genes": ("rna_table", "clinical"),
    "judge": ("judge", "nodule_judge"),
    "annotator": ("annotator",),
    "encoder": ("encoder_train_",),
    "gan": ("gan_train_", "gan_stage_"),
    "semantic": ("semantic_train_",),
    "radiogenomic": ("radiogenomic_train_",),
    "sample": ("sample_draft_", "sample_source_"),
    "semantic-sample": ("semantic_sample_",),
    "radiogenomic-sample": ("radiogenomic_sample_",),
    "images": ("source_images_",),
    "annotate": ("annotate_",),
    "labels": ("labels_head_",),
    "pairs": ("pairs_",),
    "metrics": ("metrics_source_",),
    "semantic-scores": ("semantic_scores_",),
    "radiogenomic-scores": ("radiogenomic_scores_",),
    "survival": ("radiogenomic_survival_",),
    "audit": ("audit_set_",),
    "benchmark": ("benchmark_arm_", "benchmark_seed_", "benchmark_join_", "benchmark_summary"),
    "report": ("sample_gather", "interpolation_", "figures_draw", "qc_pages", "gallery_", "report"),
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
    of_kind
        Of `size`, what sources of each kind account for; the rest is the study's whatever its sources.
    """

    stage: str
    size: float
    unit: str
    jobs: int
    images: int
    on_gpu: bool = False
    of_kind: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Amount) -> Amount:
        """Join two parts of one stage."""
        kinds = self.of_kind.keys() | other.of_kind.keys()
        return replace(
            self,
            size=self.size + other.size,
            jobs=self.jobs + other.jobs,
            images=self.images + other.images,
            of_kind={kind: self.of_kind.get(kind, 0.0) + other.of_kind.get(kind, 0.0) for kind in kinds},
        )


def amounts(study: Study, cohort: Cohort) -> list[Amount]:
    """Return the work of every stage of a study, in the order in which data walk through them."""
    found = [*_archive(study, cohort), *_networks(study)]
    counted = {"gan": _gan, "semantic": _semantic, "radiogenomic": _radiogenomic, "images": _images}
    for kind in KINDS:
        for source in countable(study, kind, cohort):
            own = counted[kind](study, source, cohort)
            found += [replace(amount, of_kind={kind: amount.size}) for amount in own]
    found += _benchmark(study)
    found.append(Amount("report", 1, "report", 1, 0))
    joined: dict[str, Amount] = {}
    for amount in found:
        joined[amount.stage] = joined[amount.stage] + amount if amount.stage in joined else amount
    return [joined[stage] for stage in JOBS if stage in joined]


def _archive(study: Study, cohort: Cohort) -> Iterator[Amount]:
    config = study.config
    for stage, phantom in (("phantom", config.phantom), ("radiogenomic-phantom", config.radiogenomic_phantom)):
        if phantom is not None:
            views = phantom.views / 320  # of those on which the rates were taken
            yield Amount(stage, cohort.slices * views, "slices", 1, cohort.slices)
    yield Amount("ingest", cohort.slices, "slices", 1, cohort.slices)
    yield Amount("slices", cohort.slices * slice_mpx(study), "Mpx", len(study.shards), cohort.slices)
    if config.has_genes:
        # Series are read whole for the patches of a nodule.
        jobs = len(study.shards) if config.nodules.source == "segmentations" else 1
        yield Amount("nodules", cohort.slices, "slices", jobs, cohort.slices)
        yield Amount("genes", cohort.profiles, "profiles", 1, 0)


def _networks(study: Study) -> Iterator[Amount]:
    """Yield what several sources share: judges and the annotator."""
    config, seen = study.config, study.config.judge.images
    if study.sources_of("gan", "semantic", "images"):
        yield Amount("judge", seen * slice_mpx(study), "Mpx", 1, seen, on_gpu=True)
    if study.sources_of("radiogenomic"):
        yield Amount("judge", seen * nodule_mpx(study), "Mpx", 1, seen, on_gpu=True)
    if study.simulated_annotator or study.sources_of("semantic"):
        images = config.annotator.images
        yield Amount("annotator", images * slice_mpx(study), "Mpx", 1, images, on_gpu=True)


def _gan(study: Study, _source: str, cohort: Cohort) -> Iterator[Amount]:
    config, mpx, made = study.config, slice_mpx(study), synthetic_images(study, cohort)
    budget = gan_images(study)
    yield _encoder(study)
    shown = sum(images for images, _ in budget)
    yield Amount("gan", sum(images * gflop for images, gflop in budget), "GFLOP", 1, shown, on_gpu=True)
    yield Amount("sample", made * mpx, "Mpx", config.sample.jobs, made, on_gpu=True)
    yield _metrics(study, made)
    if study.has_masks:
        seen = config.annotation.candidates_per_class * len(config.classes.names)
        yield Amount("annotate", seen * mpx, "Mpx", 1, seen, on_gpu=True)
        seen = config.labels.images
        yield Amount("labels", seen * config.labels.members * mpx, "Mpx", 1, seen, on_gpu=True)
        spare = config.pairs.spare_fraction if config.pairs.least_class_probability else 0.0
        drawn = round(made / (1 - config.pairs.drop_fraction) / (1 - spare))
        yield Amount("pairs", drawn * mpx, "Mpx", config.pairs.jobs, drawn, on_gpu=True)
    sets = 2 if study.has_masks else 1  # samples and pairs
    yield _audit(study, made, _slices(study, cohort), sets)


def _semantic(study: Study, source: str, cohort: Cohort) -> Iterator[Amount]:
    config, settings, mpx = study.config, study.semantic(source), slice_mpx(study)
    step = semantic_step(settings, config.slices.size_px, semantic_labels(study, source))
    made = made_by(study, source, cohort) or 0
    yield _encoder(study)
    yield Amount("semantic", settings.images * step.training, "GFLOP", 1, settings.images, on_gpu=True)
    yield Amount("semantic-sample", made * step.forward, "GFLOP", 1, made, on_gpu=True)
    yield _metrics(study, made)
    test = min(config.metrics.images, round(cohort.slices * config.cohort.test))
    painted = test * max(2, config.semantic_sample.per_map)
    yield Amount("semantic-scores", painted * mpx, "Mpx", 1, painted, on_gpu=True)
    yield _audit(study, made, _slices(study, cohort))


def _radiogenomic(study: Study, source: str, cohort: Cohort) -> Iterator[Amount]:
    config, mpx = study.config, nodule_mpx(study)
    step = radiogenomic_step(config.radiogenomic, config.nodules.size_px, gene_count(study))
    shown, made = config.radiogenomic.ep * cohort.train_patches, made_by(study, source, cohort) or 0
    yield Amount("radiogenomic", shown * step.training, "GFLOP", 1, shown, on_gpu=True)
    yield Amount("radiogenomic-sample", made * step.forward, "GFLOP", 1, made, on_gpu=True)
    taught = config.radiogenomic_scores.segmenter.images
    # Most of it is the segmenter of real nodules that judges masks.
    yield Amount("radiogenomic-scores", taught * mpx, "Mpx", 1, taught, on_gpu=True)
    if config.clinical_table is not None or config.radiogenomic_phantom is not None:
        fits = config.survival.folds * config.survival.repeats
        yield Amount("survival", cohort.profiles * fits, "profiles", 1, 0)
    yield _audit(study, made, _Real(cohort.train_patches, cohort.patches - cohort.train_patches, mpx))


def _images(study: Study, source: str, cohort: Cohort) -> Iterator[Amount]:
    made = made_by(study, source, cohort) or 0
    yield Amount("images", made * slice_mpx(study), "Mpx", 1, made)
    yield _metrics(study, made)
    yield _audit(study, made, _slices(study, cohort))


def countable(study: Study, kind: str, cohort: Cohort) -> list[str]:
    """Return the sources of a kind whose images are known in number."""
    return [name for name in study.sources_of(kind) if made_by(study, name, cohort) is not None]


def left_out(study: Study, cohort: Cohort) -> Iterator[str]:
    """Yield what is not counted, with the reason and what to do."""
    for source in study.sources_of("images"):
        if source not in countable(study, "images", cohort):
            place = study.config.sources[source].images
            yield (
                f"left out: check, metrics, audit and disk of source {source}, whose images cannot be counted: "
                f"{place} holds no index.parquet here; import them first, or plan where they lie"
            )


def _encoder(study: Study) -> Amount:
    images = study.config.encoder.images
    return Amount("encoder", images * slice_mpx(study), "Mpx", 1, images, on_gpu=True)


def _metrics(study: Study, made: int) -> Amount:
    checked = min(made, study.config.metrics.images)
    return Amount("metrics", checked * slice_mpx(study), "Mpx", 1, checked, on_gpu=True)


@dataclass(frozen=True)
class _Real:
    """Real images of an audit: those for training, those held out, and 10^6 pixels of one."""

    train: int
    held_out: int
    mpx: float


def _slices(study: Study, cohort: Cohort) -> _Real:
    return _Real(cohort.train, cohort.held_out, slice_mpx(study))


def _audit(study: Study, made: int, real: _Real, sets: int = 1) -> Amount:
    """Return the look-up of sets of one source among training images; it compares pictures on the processor."""
    asked = study.config.release.images
    looked_up = sets * (made + min(asked, real.train) + min(asked, real.held_out))
    return Amount("audit", looked_up * real.train * real.mpx, "Mpx pairs", sets, looked_up)


def _benchmark(study: Study) -> Iterable[Amount]:
    training, jobs = study.config.benchmark.training, study.config.benchmark.jobs
    batches = {"classification": training.classifier_batch_size, "segmentation": training.segmenter_batch_size}
    for task in study.tasks:
        arms = len(study.arms(task))
        shown = arms * training.seeds * training.max_steps * batches[task]
        mpx = nodule_mpx(study) if study.real_of_task(task) == "nodules" else slice_mpx(study)
        if arms:
            each = training.seeds if jobs == "seed" else 1
            yield Amount("benchmark", shown * mpx, "Mpx", arms * each, shown, on_gpu=True)


def slice_mpx(study: Study) -> float:
    """Return 10^6 pixels of one slice."""
    return study.config.slices.size_px**2 / MEGAPIXEL


def nodule_mpx(study: Study) -> float:
    """Return 10^6 pixels of one patch."""
    return study.config.nodules.size_px**2 / MEGAPIXEL


def semantic_labels(study: Study, source: str) -> int:
    """Return the labels that the networks of a semantic source are told of: background, structures, surroundings."""
    semantic = study.semantic(source)
    groups = semantic.surroundings - (0 if semantic.surroundings_padding else 1)
    return 1 + len(study.config.structures.names) + (groups if semantic.surroundings else 0)


def gan_images(study: Study) -> list[tuple[int, float]]:
    """Return images shown and 10^9 operations per image of every stage of one generator's training."""
    from radgen.gan.settings import at_stage

    config = study.config
    steps = [*map(int, study.growth_px), config.slices.size_px]
    stages = [(px, at_stage(config.gan, px)) for px in steps]
    return [(gan.images, training_gflop(gan, px, len(config.classes.names))) for px, gan in stages]
