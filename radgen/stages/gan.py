"""Train one source: the class-conditional generator that synthetic images come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import CohortError
from radgen.gan.settings import GanSettings, SourceSettings
from radgen.keyed import KeyedJob
from radgen.provenance import SawPatients, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from radgen.features.rows import TrainingRows
    from radgen.gan.residual_game import Guide
    from radgen.gan.run import Evaluate, Lesson
    from radgen.imageset.core import ImageSet

VERSION = 2
# Fewer real images than this say too little about which weights are better.
LEAST_REFERENCE_IMAGES = 50
LEAST_CLASS_IMAGES = 2
# The budget is not in the key, so that a larger one goes on; how often states are saved changes no byte.
NOT_IN_KEY = ("images", "save_every_images")


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    encoder: Path,
    encoder_manifest: Path,
    source: str,
    weights: Path,
    last: Path,
    history: Path,
    grid: Path,
    manifest: Path,
    gan: GanSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    classes: ClassSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Train the generator of one source, or go on where an earlier call stopped.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set.
    encoder, encoder_manifest
        The source's feature network: scores samples at ticks and so chooses the weights that are published.
    source
        Name of the source.
    weights, last
        Published generator (running average) and the one at the end of the budget, as safetensors.
    history
        Losses and scores by images seen.
    grid
        PNG: 16 samples per class.
    manifest
        Beside them.
    gan, source_settings, low, classes
        Settings.
    work
        The study's work folder; resumable state lives in work/gan/<key>.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError, ConfigError, LeaseError, TrainingError, StorageError, Interrupted
        No images, an impossible size, another live writer, a loss that is not finite, a full disk, a signal.
    """
    from radgen.features.rows import ancestry, pixel_digests
    from radgen.imageset.core import ImageSet
    from radgen.training.devices import choose_device, choose_precision

    # Other arithmetic gives other weights, so the key holds what was chosen and not the word auto.
    gan = replace(gan, precision=choose_precision(gan.precision, choose_device(device)[0]))
    images = ImageSet(slices)
    shown, reference = _rows(images, source_settings, low, classes)
    few = source_settings.train_on == "low" or shown.few_labels
    settings = {
        "source": source,
        "gan": {name: value for name, value in as_plain(gan).items() if name not in NOT_IN_KEY},
        "train_on": source_settings.train_on,
        "few_labels": shown.few_labels,
        "low": as_plain(low) if few else None,  # the other sources do not depend on it
        "classes": [classes.by, *classes.names],
    }
    inputs = pixel_digests(slices, "slices") | {"encoder": input_digest(encoder)}
    what = what_part(stage="gan", version=VERSION, settings=settings, inputs=inputs, seed=gan.seed)
    outputs = {"weights": weights, "last": last, "history": history, "grid": grid}
    tag = f"images-{gan.images:010d}"
    with KeyedJob(work, "gan", what) as job:
        done = job.finished(tag)
        reused = done is not None
        if done is None:
            lesson = _lesson(images, shown, classes, source)
            files, notes = _train(
                job, lesson, gan, device, encoder=encoder, scorer=lambda: _scorer(lesson, reference, encoder, gan)
            )
            done = job.finish(files, notes, tag=tag)
        else:
            _say(f"gan {source}: {gan.images} images were trained before, published again")
            if done.code != job.code:
                _say(f"gan {source}: other code made it ({done.code}; today's is {job.code}), see docs/determinism.md")
        job.publish(done, outputs)
    # The encoder guides and chooses, so what it saw reached the generator; choosing by validation images sees them.
    saw = ancestry(images, shown, classes) | SawPatients(unknown=saw_patients_of(slices_manifest).unknown)
    saw |= ancestry(images, _pixels_only(reference), classes) | saw_patients_of(encoder_manifest)
    write_manifest(
        manifest,
        what=what | {"budget_images": gan.images},
        outputs=outputs,
        saw_patients=saw,
        device=str(done.notes["device"]),
        notes=done.notes,
        reused=reused,
        code=done.code,
    )


def _rows(
    images: ImageSet, source: SourceSettings, low: LowSettings, classes: ClassSettings
) -> tuple[TrainingRows, NDArray[np.int64]]:
    """Return the rows that are shown, and the real images that samples are compared with at ticks.

    The comparison chooses weights, so it may use no patient the source's setting forbids: validation patients, those
    of the low fraction for a source on the low patients, and a generator's own rows where it has a share of its own.
    """
    from radgen.features.rows import TrainingRows, source_rows

    rows = source_rows(images, source, low, classes)
    # A class-conditional generator can only be shown images whose class it may know.
    shown = TrainingRows(rows.labelled, rows.labelled, rows.few_labels)
    if source.train_on == "generator":
        reference = shown.pixels
    else:
        reference = images.rows_where(split="val")
        if source.train_on == "low":
            reference = _of_low_patients(images, reference, low)
    return shown, reference if len(reference) >= LEAST_REFERENCE_IMAGES else reference[:0]


def _of_low_patients(images: ImageSet, rows: NDArray[np.int64], low: LowSettings) -> NDArray[np.int64]:
    import numpy as np

    from radgen.cohort.fractions import low_patients

    patients = images.column("patient")[rows].tolist()
    few = low_patients(patients, low.fraction, low.seed)
    keep = np.array([patient in few for patient in patients], dtype=bool)
    return np.asarray(rows[keep])


def _pixels_only(rows: NDArray[np.int64]) -> TrainingRows:
    from radgen.features.rows import TrainingRows

    return TrainingRows(rows, rows[:0])


def _lesson(images: ImageSet, shown: TrainingRows, classes: ClassSettings, source: str) -> Lesson:
    import numpy as np

    from radgen.features.rows import class_ids
    from radgen.gan.run import Lesson

    ids = class_ids(images, shown.pixels, classes)
    for class_id, count in enumerate(np.bincount(ids, minlength=len(classes.names))):
        if count < LEAST_CLASS_IMAGES:
            msg = (
                f"source {source}: class {classes.names[class_id]} has {count} images to learn from, at least "
                f"{LEAST_CLASS_IMAGES} are needed; add images, merge classes, or take the class out"
            )
            raise CohortError(msg)
    return Lesson(images, shown.pixels, ids, classes.names, source)


def _guide(encoder: Path, device: torch.device) -> Guide | None:
    """Return the encoder's class logits as a differentiable function of images, where it saw labels of two classes."""
    from radgen.features.network import load_features

    network = load_features(encoder, device.type)
    if not network.shape.has_classes or len(network.class_names) < 2:
        return None
    module = network.module
    return lambda images: module.logits(module(images))


def _train(
    job: KeyedJob,
    lesson: Lesson,
    gan: GanSettings,
    device: str,
    *,
    encoder: Path,
    scorer: Callable[[], Evaluate | None],
) -> tuple[dict[str, Path], dict[str, Any]]:
    from radgen.gan.run import best_score, train_generator
    from radgen.training.devices import choose_device, set_threads

    chosen, why = choose_device(device)
    set_threads(gan.threads)
    _say(
        f"gan {lesson.source}: {len(lesson.rows)} real images, {len(lesson.class_names)} classes; "
        f"device {chosen} ({why}), {gan.threads} thread(s), {gan.precision}"
    )
    outcome = train_generator(
        job.folder, lesson, gan, chosen, evaluate=scorer(), guide=_guide(encoder, chosen), say=_say
    )
    score = best_score(outcome)
    _say(f"gan {lesson.source}: published the weights of {outcome.published_images} images, domain FID {score}")
    notes = {
        "device": chosen.type,
        "device_reason": why,
        "threads": gan.threads,
        "precision": gan.precision,
        "published_images": outcome.published_images,
        "domain_fid": score,
        "seen_images": outcome.result.seen_images,
        "resumed_images": outcome.result.resumed_images,
        "images_per_second": round(outcome.result.images_per_second, 1),
    }
    return outcome.files, notes


def _scorer(lesson: Lesson, reference: NDArray[np.int64], encoder: Path, gan: GanSettings) -> Evaluate | None:
    """Return the Frechet distance of samples, by the encoder, to the reference; classes in the shares of training."""
    if len(reference) == 0:
        _say(f"gan {lesson.source}: too few real images to compare with, the last weights are published")
        return None
    import numpy as np

    from radgen.features.network import load_features
    from radgen.gan.sampling import Sampler
    from radgen.metrics.frechet import frechet_distance, moments

    network = load_features(encoder)
    real = moments(network.features(lesson.images.images(reference)))
    shares = np.bincount(lesson.class_ids, minlength=len(lesson.class_names)) / len(lesson.class_ids)

    def evaluate(sampler: Sampler) -> dict[str, float]:
        parts = [
            sampler.images(class_id, range(round(share * gan.evaluate_images))) for class_id, share in enumerate(shares)
        ]
        features = network.features(np.concatenate(parts))
        return {"domain_fid": frechet_distance(*real, *moments(features))}

    return evaluate


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
