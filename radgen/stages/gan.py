"""Train one source: the class-conditional generator that synthetic images come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import CohortError
from radgen.gan.settings import GanSettings
from radgen.keyed import KeyedJob
from radgen.provenance import SawPatients, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radgen.features.rows import TrainingRows
    from radgen.gan.run import Evaluate, Lesson
    from radgen.imageset.core import ImageSet

VERSION = 4
# Fewer real images than this say too little about which weights are better.
LEAST_REFERENCE_IMAGES = 50
LEAST_CLASS_IMAGES = 2
# The budget is not in the key, so that a larger one goes on; how often states are saved changes no byte.
NOT_IN_KEY = ("images", "save_every_images", "stages", "init_from")
UNKNOWN = "weights that training started from, without a manifest beside them"


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
    previous: Path | None = None,
    resolution: int = 0,
    device: str = "auto",
    dry_run: bool = False,
) -> None:
    """Train the generator of one source, or one stage of it; or go on where an earlier call stopped.

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
    previous
        Weights of the stage before, of a generator that grows; its manifest lies beside it.
    resolution
        Height and width in pixels of this stage; 0 for that of the images.
    device
        auto, cpu or cuda.
    dry_run
        Print parameters, operations, memory and the time to the budget, measured by a short probe; write nothing.

    Raises
    ------
    CohortError, ConfigError, CheckpointError, LeaseError, TrainingError, StorageError, Interrupted
        No images, an impossible size, weights that do not fit, another live writer, gradients that are not finite, a
        full disk, a signal.
    """
    from radgen.features.rows import TrainingRows, ancestry, pixel_digests
    from radgen.gan.task import Task
    from radgen.imageset.core import ImageSet
    from radgen.training.devices import choose_device, choose_precision, set_threads
    from radgen.training.ranks import join, leave

    chosen, why = choose_device(device)
    ranks = join(chosen)
    # Other arithmetic gives other weights, so the key holds what was chosen and not the word auto.
    gan = replace(gan, precision=choose_precision(gan.precision, chosen))
    set_threads(gan.threads)
    images = ImageSet(slices)
    shown, reference = _rows(images, source_settings, low, classes)
    lesson = _lesson(images, shown, classes, source, resolution)
    files = {"encoder": encoder, "previous": previous, "init_from": _init_from(gan)}
    inputs = pixel_digests(slices, "slices") | _digests(gan, files)
    settings = _in_key(gan) | {
        "source": source,
        "resolution": resolution,
        "train_on": source_settings.train_on,
        "few_labels": shown.few_labels,
        # The other sources do not depend on it.
        "low": as_plain(low) if source_settings.train_on == "low" or shown.few_labels else None,
        "classes": [classes.by, *classes.names],
    }
    what = what_part(stage="gan", version=VERSION, settings=settings, inputs=inputs, seed=gan.seed)
    outputs = {"weights": weights, "last": last, "history": history, "grid": grid}
    task = Task(
        lesson=lesson,
        settings=gan,
        encoder=encoder,
        previous=previous,
        scorer=lambda: _scorer(lesson, reference, encoder, gan.evaluate_images),
        ranks=ranks,
        device_reason=why,
    )
    if dry_run:
        task.probe()
    elif not ranks.is_first:
        task.follow(KeyedJob(work, "gan", what).folder)
    else:
        with KeyedJob(work, "gan", what) as job:
            done, reused = task.lead(job)
            job.publish(done, outputs)
        # The encoder guides and chooses, so what it saw reached the generator; choosing sees validation images.
        saw = ancestry(images, shown, classes) | ancestry(images, TrainingRows(reference, reference[:0]), classes)
        saw |= SawPatients(unknown=saw_patients_of(slices_manifest).unknown) | saw_patients_of(encoder_manifest)
        write_manifest(
            manifest,
            what=what | {"budget_images": gan.images},
            outputs=outputs,
            saw_patients=saw | _ancestry_of_start(previous, gan),
            device=str(done.notes["device"]),
            notes=done.notes,
            reused=reused,
            code=done.code,
        )
    leave()


def _in_key(gan: GanSettings) -> dict[str, Any]:
    """Return the settings that decide the bytes: not the budget, nor sections of parts that do not play."""
    plain = {name: value for name, value in as_plain(gan).items() if name not in NOT_IN_KEY}
    if gan.generator != "alias-free":
        del plain["alias_free"]
    if gan.discriminator == "projected":
        del plain["projected"]["weights"]  # a place: its digest is among the inputs
    else:
        del plain["projected"]
    return {"gan": plain}


def _digests(gan: GanSettings, files: dict[str, Path | None]) -> dict[str, str]:
    if gan.discriminator == "projected" and gan.projected.weights:
        files = files | {"projected": Path(gan.projected.weights)}
    return {name: input_digest(path) for name, path in files.items() if path is not None}


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


def _lesson(images: ImageSet, shown: TrainingRows, classes: ClassSettings, source: str, resolution: int) -> Lesson:
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
    return Lesson(images, shown.pixels, ids, classes.names, source, resolution)


def _init_from(gan: GanSettings) -> Path | None:
    return Path(gan.init_from) if gan.init_from else None


def _ancestry_of_start(previous: Path | None, gan: GanSettings) -> SawPatients:
    """Return who reached the weights that training started from, by the manifest beside them."""
    saw = SawPatients()
    for weights in (previous, _init_from(gan)):
        if weights is not None:
            beside = weights.parent / "manifest.json"
            saw |= saw_patients_of(beside) if beside.is_file() else SawPatients(unknown=frozenset({UNKNOWN}))
    return saw


def _scorer(lesson: Lesson, reference: NDArray[np.int64], encoder: Path, evaluate_images: int) -> Evaluate | None:
    """Return the score of samples against the reference; classes in the shares of training."""
    if len(reference) == 0:
        _say(f"gan {lesson.source}: too few real images to compare with, the last weights are published")
        return None
    import numpy as np

    from radgen.features.network import load_features
    from radgen.metrics.ticks import tick_scorer

    shares = np.bincount(lesson.class_ids, minlength=len(lesson.class_names)) / len(lesson.class_ids)
    network = load_features(encoder)

    def warn(sentence: str) -> None:
        _say(f"gan {lesson.source}: {sentence}")

    return tick_scorer(lesson.images, reference, shares, network, count=evaluate_images, warn=warn)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
