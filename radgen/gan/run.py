"""A whole training run in its work folder: from saved state to published weights, history and grid."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from radgen.gan.candidates import SCORE, Candidates
from radgen.gan.checkpoint import GeneratorCard
from radgen.gan.generator import GeneratorShape
from radgen.gan.grid import sample_grid, write_png
from radgen.gan.residual_game import Guide
from radgen.gan.sampling import Sampler, load_sampler
from radgen.gan.settings import GanSettings
from radgen.gan.train import gan_trainer
from radgen.imageset.core import ImageSet, write_table
from radgen.imageset.torch import RowBatches
from radgen.provenance import atomic_path
from radgen.settings import as_plain
from radgen.training.board import Board
from radgen.training.loop import History, Plan, Result, train
from radgen.training.ranks import Ranks
from radgen.training.state import StateStore

HISTORY_SCHEMA = pa.schema(
    [
        pa.field("seen_images", pa.int64()),
        pa.field("metric", pa.string()),  # loss_discriminator | loss_generator | loss_penalty | domain_fid | ...
        pa.field("value", pa.float64()),
    ]
)
Evaluate = Callable[[Sampler], Mapping[str, float]]


@dataclass(frozen=True)
class Lesson:
    """What a generator learns from.

    Attributes
    ----------
    images
        The real image set.
    rows
        Positions int64 [n] of the images shown.
    class_ids
        Class of each, int64 [n].
    class_names
        Names by class id.
    source
        The study's name for the generator.
    """

    images: ImageSet
    rows: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    class_names: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Outcome:
    """Files of a finished run, and how it went."""

    files: dict[str, Path]
    published_images: int
    result: Result


def generator_shape(images: ImageSet, classes: int, settings: GanSettings) -> GeneratorShape:
    """Return the generator that fits an image set.

    Raises
    ------
    ConfigError
        The images' size is not a power of two.
    """
    channels, height, _ = images.image_shape
    return GeneratorShape(
        resolution=height,
        image_channels=channels,
        classes=classes,
        z_dim=settings.z_dim,
        w_dim=settings.w_dim,
        mapping_layers=settings.mapping_layers,
        channels=settings.generator_channels,
        noise=settings.noise,
    )


def train_generator(
    folder: Path,
    lesson: Lesson,
    settings: GanSettings,
    device: torch.device,
    *,
    evaluate: Evaluate | None,
    guide: Guide | None = None,
    ranks: Ranks | None = None,
    say: Callable[[str], None],
) -> Outcome:
    """Train until the budget, from the newest saved state, and choose the weights to publish.

    Parameters
    ----------
    folder
        Work folder, held by this process alone.
    lesson
        Real images and classes.
    settings
        Of the training.
    device
        Where it runs.
    evaluate
        Scores at ticks; `domain_fid` chooses the best weights. None publishes the last.
    guide
        See `gan_trainer`.
    ranks
        The processes that train together; the first one alone publishes.
    say
        Prints one line.

    Raises
    ------
    TrainingError, Interrupted, StorageError
        A loss is not finite, a signal came, the disk refused.
    """
    batches = RowBatches(
        lesson.images, lesson.rows, lesson.class_ids, seed=settings.seed, balanced=settings.balance_classes
    )
    shape = generator_shape(lesson.images, len(lesson.class_names), settings)
    trainer = gan_trainer(shape, settings, batches, device, guide=guide, ranks=ranks)
    average = trainer.system.average
    card = GeneratorCard(shape, lesson.class_names, lesson.source, 0, as_plain(settings))
    candidates = Candidates(folder, card)
    board = Board(folder / "tensorboard")

    def on_tick(seen_images: int, history: History) -> Mapping[str, float]:
        candidates.keep(seen_images, average)
        sampler = Sampler(average, lesson.class_names, source=lesson.source, seed=settings.seed, truncation=1.0)
        write_png(folder / "samples.png", sample_grid(sampler))
        scores = evaluate(sampler) if evaluate is not None else {}
        board.add(seen_images, {**history.latest(), **scores})
        return scores

    plan = Plan(settings.images, settings.tick_images, settings.save_every_images)
    result = train(
        trainer,
        plan,
        StateStore(folder, say),
        label=f"gan {lesson.source}",
        on_tick=on_tick,
        on_save=candidates.drop_beaten,
        ranks=ranks,
    )
    return _publish(folder, candidates, settings, result)


def _publish(folder: Path, candidates: Candidates, settings: GanSettings, result: Result) -> Outcome:
    chosen = candidates.choose(
        result.history, publish=settings.publish, budget_images=settings.images, seen_images=result.seen_images
    )
    # A folder of their own: a larger budget later goes on from here and must not touch what this one published.
    published = folder / f"budget-{settings.images:010d}"
    files = {
        "weights": published / "generator.safetensors",
        "last": published / "last.safetensors",
        "history": published / "history.parquet",
        "grid": published / "samples.png",
    }
    for name, seen_images in (("weights", chosen), ("last", result.seen_images)):
        with atomic_path(files[name]) as temporary:
            shutil.copyfile(candidates.path(seen_images), temporary)
    write_table(files["history"], pa.Table.from_pylist(result.history.rows, schema=HISTORY_SCHEMA))
    sampler = load_sampler(files["weights"], seed=settings.seed, truncation=1.0, device="cpu")
    write_png(files["grid"], sample_grid(sampler))
    return Outcome(files, chosen, result)


def best_score(outcome: Outcome) -> float | None:
    """Return the score of the published weights, if there is one."""
    return outcome.result.history.of(SCORE).get(outcome.published_images)
