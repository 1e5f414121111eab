"""Train one source of kind semantic: the generator that paints images on label maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.keyed import Finished, KeyedJob
from radgen.provenance import SawPatients, input_digest, saw_patients_of, what_part, write_manifest
from radgen.semantic.settings import SemanticSettings
from radgen.settings import as_plain
from radgen.sources import SourceSettings

if TYPE_CHECKING:
    from radgen.imageset.core import ImageSet
    from radgen.semantic.run import Evaluate, Lesson
    from radgen.training.ranks import Ranks

VERSION = 7
# The budget is not in the key, so that a larger one goes on; how often states are saved and which weights are
# published change no state.
NOT_IN_KEY = ("images", "save_every_images", "publish", "maps", "init_from")
UNKNOWN = "weights that training started from, without a manifest beside them"


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    encoder: Path,
    encoder_manifest: Path,
    annotator: Path,
    annotator_manifest: Path,
    source: str,
    weights: Path,
    best: Path,
    last: Path,
    history: Path,
    labels: Path,
    seen: Path,
    grid: Path,
    manifest: Path,
    semantic: SemanticSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    classes: ClassSettings,
    structures: StructureSettings,
    work: Path,
    maps: Path | None = None,
    start: Path | None = None,
    device: str = "auto",
    dry_run: bool = False,
) -> None:
    """Train the generator of one source; or go on where an earlier call stopped.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set with masks.
    encoder, encoder_manifest
        The source's feature network: measures distances at ticks and so chooses the weights that are published.
    annotator, annotator_manifest
        A segmenter of other patients: names labels of images at ticks.
    source
        Name of the source.
    weights, best, last
        Published generator (running average), the best and the last of the budget, as safetensors.
    history
        Losses and scores by images seen.
    labels
        Counts of each label in the maps that are learnt from.
    seen
        Every mask and every image that taught the generator or chose its weights, `radgen.semantic.seen`.
    grid
        PNG: rows are validation maps, columns the map, its image in the paired mode, and images of other noise.
    manifest
        Beside them.
    semantic, source_settings, low, classes, structures
        Settings.
    work
        The study's work folder; resumable state lives in work/semantic/<key>.
    maps
        Index of label maps of a folder, instead of the study's masks.
    start
        Weights of a generator to go on from; its manifest lies beside it.
    device
        auto, cpu or cuda.
    dry_run
        Print parameters, operations, memory and the time to the budget, measured by a short probe; write nothing.

    Raises
    ------
    CohortError, InputError, ConfigError, CheckpointError, LeaseError, TrainingError, StorageError, Interrupted
        A side is empty, maps hold unknown ids or nothing but background, grids differ, a side is no multiple of 32,
        weights do not fit, another live writer, gradients that are not finite, a full disk, a signal.
    """
    from radgen.imageset.core import ImageSet, write_table
    from radgen.semantic.maps.counts import check_labels
    from radgen.semantic.seen import seen_table
    from radgen.training.devices import choose_device, choose_precision, set_threads
    from radgen.training.ranks import join, leave

    chosen, why = choose_device(device)
    ranks = join(chosen)
    semantic = replace(semantic, precision=choose_precision(semantic.precision, chosen))
    set_threads(semantic.threads)
    images = ImageSet(slices)
    lesson = _lesson(images, maps, structures, source, (source_settings, low, classes, semantic))
    networks = {"encoder": encoder, "annotator": annotator}
    given = networks | ({} if start is None else {"start": start})
    what = what_part(
        stage="semantic",
        version=VERSION,
        settings=_settings(semantic, source_settings, low, classes, lesson),
        inputs=_inputs(lesson, given),
        seed=semantic.seed,
    )
    outputs = {"weights": weights, "best": best, "last": last, "history": history, "grid": grid}
    task = _Task(lesson, semantic, networks, start, ranks, why)
    if dry_run:
        task.probe()
    elif not ranks.is_first:
        task.follow(KeyedJob(work, "semantic", what).folder)
    else:
        with KeyedJob(work, "semantic", what) as job:
            done, reused = task.lead(job)
            job.publish(done, outputs)
        write_table(labels, check_labels(lesson.counts, lesson.schema, lesson.sides.maps))
        write_table(seen, seen_table(lesson.sides, lesson.shown))
        write_manifest(
            manifest,
            what=what | {"budget_images": semantic.images, "publish": semantic.publish},
            outputs=outputs | {"labels": labels, "seen": seen},
            saw_patients=_saw(lesson, classes)
            | SawPatients(unknown=saw_patients_of(slices_manifest).unknown)
            | saw_patients_of(encoder_manifest)
            | (saw_patients_of(annotator_manifest) if semantic.best == "dice" else SawPatients())
            | _beside(maps, start),
            device=str(done.notes["device"]),
            notes=done.notes,
            reused=reused,
            code=done.code,
        )
    leave()


def _lesson(
    images: ImageSet,
    maps: Path | None,
    structures: StructureSettings,
    source: str,
    rules: tuple[SourceSettings, LowSettings, ClassSettings, SemanticSettings],
) -> Lesson:
    from radgen.imageset.core import ImageSet
    from radgen.semantic.maps.schema import MapSchema
    from radgen.semantic.maps.surroundings import find_surroundings
    from radgen.semantic.rows import Rules, checked, learning_sides, showing, validation_sides
    from radgen.semantic.run import Lesson

    schema = MapSchema.of_structures(structures.names, structures.colours, "structures.names")
    asked = Rules(*rules)
    folder = None if maps is None else ImageSet(maps)
    found = learning_sides(images, folder, asked)
    sides, counts = checked(found, schema)
    left_out = len(found.map_rows) - len(sides.map_rows)
    shown, _ = showing(validation_sides(images, asked), schema)
    if not asked.settings.surroundings:
        return Lesson(source, schema, sides, counts, shown, left_out)
    surroundings = find_surroundings(
        *(sides.maps, sides.map_rows, schema),
        groups=asked.settings.surroundings,
        blur_px=asked.settings.surroundings_blur_px,
        padding=asked.settings.surroundings_padding,
    )
    sides, shown = replace(sides, looked_at=True), replace(shown, looked_at=True)
    free = asked.classes.by == "position"
    return Lesson(source, schema, sides, counts, shown, left_out, surroundings, position_classes=free)


def _settings(
    semantic: SemanticSettings, source: SourceSettings, low: LowSettings, classes: ClassSettings, lesson: Lesson
) -> dict[str, Any]:
    plain = {name: value for name, value in as_plain(semantic).items() if name not in NOT_IN_KEY}
    if semantic.mode == "paired":
        plain = {name: value for name, value in plain.items() if name not in {"penalty", "penalty_every"}}
    few = source.train_on == "low" or source.setting == "scarce-labels"
    return {
        "semantic": plain,
        "source": lesson.source,
        "train_on": source.train_on,
        "few_masks": source.setting == "scarce-labels",
        "low": as_plain(low) if few else None,
        "structures": list(lesson.schema.names),
        "classes": [classes.by, *classes.names],
    }


def _inputs(lesson: Lesson, files: dict[str, Path]) -> dict[str, str]:
    """Return digests of what is read: rows with their pixels, and files."""
    from radgen.labels.digests import rows_digest

    sides, shown = lesson.sides, lesson.shown
    return {
        "maps": rows_digest(sides.maps, sides.map_rows, with_masks=True, with_images=sides.looked_at),
        "images": rows_digest(sides.images, sides.image_rows, with_masks=False),
        "validation_maps": rows_digest(shown.maps, shown.map_rows, with_masks=True),
        "validation_images": rows_digest(shown.images, shown.image_rows, with_masks=False),
    } | {name: input_digest(path) for name, path in files.items()}


def _saw(lesson: Lesson, classes: ClassSettings) -> SawPatients:
    """Return who was learnt from and who chose weights; classes of maps are those of their patients."""
    saw = lesson.sides.saw() | lesson.shown.saw()
    free = classes.by in {"position", "mask"} or len(classes.names) == 1
    return saw if free else saw | SawPatients(labels=saw.masks)


def _beside(maps: Path | None, start: Path | None) -> SawPatients:
    """Return who reached maps of a folder and weights that training started from, by the manifests beside them."""
    saw = SawPatients()
    for path in (maps, start):
        if path is not None:
            manifest = path.parent / "manifest.json"
            saw |= saw_patients_of(manifest) if manifest.is_file() else SawPatients(unknown=frozenset({UNKNOWN}))
    return saw


@dataclass(frozen=True)
class _Task:
    """A training as the first process leads it, others follow it, or a probe looks at it."""

    lesson: Lesson
    settings: SemanticSettings
    networks: dict[str, Path]
    start: Path | None
    ranks: Ranks
    device_reason: str

    def lead(self, job: KeyedJob) -> tuple[Finished, bool]:
        """Train unless the key is finished; return the result, and whether it was there before."""
        settings, name = self.settings, self.lesson.source
        tag = f"images-{settings.images:010d}-{settings.publish}"
        done = job.finished(tag)
        if not self.ranks.any(done is None):
            assert done is not None  # noqa: S101 - no process has anything to do
            _say(f"semantic {name}: {settings.images} images were trained before, published again")
            return done, True
        files, notes = self._train(job.folder)
        return job.finish(files, notes, tag=tag), False

    def follow(self, folder: Path) -> None:
        """Train beside the first process, which holds the work folder, if there is anything to do."""
        from radgen.semantic.run import Means, train_semantic

        if self.ranks.any(flag=False):
            means = Means(self.ranks.device, None, self.start, self.ranks, _say)
            train_semantic(folder, self.lesson, self.settings, means)

    def probe(self) -> None:
        """Print what a training of this kind needs."""
        from radgen.semantic.run import Means, build_trainer
        from radgen.training.probe import probe

        trainer = build_trainer(
            self.lesson, self.settings, Means(self.ranks.device, None, self.start, self.ranks, _say)
        )
        networks = {name: player.network for name, player in trainer.system.players.items()}
        for line in probe(trainer, networks, self.ranks.device, self.settings.images):
            _say(f"semantic {self.lesson.source}: {line}")

    def _train(self, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
        from radgen.semantic.run import Means, best_scores, train_semantic

        lesson, settings, ranks = self.lesson, self.settings, self.ranks
        sides = lesson.sides
        _say(
            f"semantic {lesson.source}: {settings.mode}, {len(sides.map_rows)} maps of {lesson.labels} labels, "
            f"{len(sides.image_rows)} images, {lesson.left_out} maps of background alone left out; device "
            f"{ranks.device} ({self.device_reason}), {ranks.count} process(es), {settings.threads} thread(s), "
            f"{settings.precision}"
        )
        outcome = train_semantic(
            folder, lesson, settings, Means(ranks.device, self._evaluate(), self.start, ranks, _say)
        )
        assert outcome is not None  # noqa: S101 - this is the first process
        scores = best_scores(outcome)
        told = ", ".join(f"{name} {scores[name]:.4g}" for name in ("domain_fid", "dice", "ms_ssim") if name in scores)
        _say(f"semantic {lesson.source}: published the weights of {outcome.published_images} images; {told}")
        notes = {
            "device": ranks.device.type,
            "device_reason": self.device_reason,
            "processes": ranks.count,
            "threads": settings.threads,
            "precision": settings.precision,
            "maps": len(sides.map_rows),
            "images": len(sides.image_rows),
            "surroundings": [] if lesson.surroundings is None else list(lesson.surroundings.thresholds),
            "padding_apart": lesson.surroundings is not None and lesson.surroundings.padding,
            "empty_maps_left_out": lesson.left_out,
            "published_images": outcome.published_images,
            "scores": scores,
            "seen_images": outcome.result.seen_images,
            "resumed_images": outcome.result.resumed_images,
            "images_per_second": round(outcome.result.images_per_second, 1),
        }
        return outcome.files, notes

    def _evaluate(self) -> Evaluate:
        from radgen.features.network import load_features
        from radgen.labels.segmenter import check_segmenter, load_segmenter
        from radgen.metrics.semantic_ticks import Exam, semantic_tick_scorer
        from radgen.semantic.run import spread

        lesson, shown, device = self.lesson, self.lesson.shown, self.ranks.device
        segmenter = load_segmenter(self.networks["annotator"], device)
        check_segmenter(segmenter.shape, lesson.schema.names)
        exam = Exam(
            maps=shown.maps,
            map_rows=spread(shown.map_rows, self.settings.evaluate_maps),
            images=shown.images,
            image_rows=shown.image_rows,
            paired=shown.paired,
            schema=lesson.schema,
            segmenter=segmenter,
            device=device,
            surroundings=lesson.surroundings,
        )
        network = load_features(self.networks["encoder"], device)
        return semantic_tick_scorer(exam, network, samples_per_map=self.settings.samples_per_map)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
