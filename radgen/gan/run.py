"""A whole training run in its work folder: from saved state to published weights, history and grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.errors import ConfigError
from radgen.gan.aliasfree.presets import chain_shape
from radgen.gan.begin import Start, begin, freeze, shape_of_file
from radgen.gan.checkpoint import GeneratorCard, save_generator
from radgen.gan.generator import GeneratorShape
from radgen.gan.grid import sample_grid, write_png
from radgen.gan.kinds import Shape, kind_of
from radgen.gan.residual_game import Guide
from radgen.gan.sampling import Sampler, load_sampler
from radgen.gan.settings import GanSettings
from radgen.gan.train import GanSystem, gan_trainer
from radgen.imageset.core import ImageSet
from radgen.imageset.prefetch import reading_ahead
from radgen.imageset.torch import RowBatches
from radgen.seeds import derive_seed
from radgen.settings import as_plain
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.board import Board
from radgen.training.candidates import SCORE, Candidates
from radgen.training.compiling import compile_or_fall_back
from radgen.training.loop import History, Plan, Result, train
from radgen.training.publishing import publish
from radgen.training.ranks import Ranks
from radgen.training.state import StateStore

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
    resolution
        Height and width in pixels of what is learnt: that of the images, or a part of it for a stage of a growing
        generator; 0 for theirs.
    """

    images: ImageSet
    rows: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    class_names: tuple[str, ...]
    source: str
    resolution: int = 0


@dataclass(frozen=True)
class Outcome:
    """Files of a finished run, and how it went."""

    files: dict[str, Path]
    published_images: int
    result: Result


def generator_shape(
    images: ImageSet, classes: int, settings: GanSettings, *, resolution: int = 0, embedding_dim: int = 64
) -> Shape:
    """Return the generator that fits an image set.

    Parameters
    ----------
    images
        The real image set.
    classes
        Number of classes.
    settings
        Of the training.
    resolution
        Height and width of a stage's images in pixels; 0 for the image set's.
    embedding_dim
        Length of a class embedding of the alias-free generator.

    Raises
    ------
    ConfigError
        The images are not square, or their size is not a power of two.
    """
    channels, height, width = images.image_shape
    if height != width:
        msg = f"images of {height} x {width} pixels: generators make square ones; set slices.size_px to one number"
        raise ConfigError(msg)
    if settings.init_from is not None:
        return shape_of_file(
            Path(settings.init_from), classes=classes, resolution=resolution or height, image_channels=channels
        )
    if settings.generator == "alias-free":
        return chain_shape(
            settings.alias_free.preset,
            resolution or height,
            image_channels=channels,
            classes=classes,
            filters=settings.alias_free.filters,
            embedding_dim=embedding_dim if classes > 1 else 0,
            z_dim=settings.z_dim,
            w_dim=settings.w_dim,
        )
    return GeneratorShape(
        resolution=resolution or height,
        image_channels=channels,
        classes=classes,
        z_dim=settings.z_dim,
        w_dim=settings.w_dim,
        mapping_layers=settings.mapping_layers,
        channels=settings.generator_channels,
        noise=settings.noise,
    )


@dataclass(frozen=True)
class Means:
    """With what a run is carried out.

    Attributes
    ----------
    device
        Where it runs.
    evaluate
        Scores at ticks; `domain_fid` chooses the best weights. None publishes the last.
    guide
        See `gan_trainer`.
    start
        Whose weights training starts from, and what the encoder says of the classes.
    ranks
        The processes that train together; the first one alone publishes.
    say
        Prints one line.
    """

    device: torch.device
    evaluate: Evaluate | None
    guide: Guide | None
    start: Start
    ranks: Ranks
    say: Callable[[str], None]


def build_trainer(lesson: Lesson, settings: GanSettings, means: Means) -> AdversarialTrainer[GanSystem]:
    """Build the networks with the weights they start from, and the trainer that moves them.

    Raises
    ------
    CheckpointError, ConfigError
        Weights to start from do not fit; the file or network of a projected discriminator is missing.
    """
    batches = RowBatches(
        lesson.images, lesson.rows, lesson.class_ids, seed=settings.seed, balanced=settings.balance_classes
    )
    shape = generator_shape(
        lesson.images,
        len(lesson.class_names),
        settings,
        resolution=lesson.resolution,
        embedding_dim=means.start.encoder.dimension,
    )
    torch.manual_seed(derive_seed("gan", settings.seed, "weights"))
    generator: Any = kind_of(shape).build(shape)
    sentence = begin(generator, means.start)
    if sentence:
        means.say(f"gan {lesson.source}: {sentence}")
    freeze(generator, settings.freeze)
    trainer = gan_trainer(
        generator,
        settings,
        batches,
        means.device,
        guide=means.guide,
        encoder=means.start.encoder,
        class_means=means.start.class_means() if settings.discriminator == "projected" else None,
        ranks=means.ranks,
    )
    if settings.compile:
        compile_or_fall_back(trainer.system.generator, means.say)
    return trainer


def train_generator(folder: Path, lesson: Lesson, settings: GanSettings, means: Means) -> Outcome | None:
    """Train until the budget, from the newest saved state, and choose the weights to publish.

    Parameters
    ----------
    folder
        Work folder, held by the first process alone.
    lesson
        Real images and classes.
    settings
        Of the training.
    means
        Device, scores, starting point and processes.

    Returns
    -------
    Outcome or None
        None in all processes but the first.

    Raises
    ------
    TrainingError, Interrupted, StorageError
        A loss is not finite, a signal came, the disk refused.
    """
    trainer = build_trainer(lesson, settings, means)
    average = trainer.system.average
    card = GeneratorCard(average.shape, lesson.class_names, lesson.source, 0, card_settings(settings))

    def save(path: Path, seen_images: int) -> None:
        save_generator(path, average.state_dict(), dataclasses.replace(card, seen_images=seen_images))

    candidates = Candidates(folder, save)
    board = Board(folder / "tensorboard") if means.ranks.is_first else None

    def on_tick(seen_images: int, history: History) -> Mapping[str, float]:
        candidates.keep(seen_images)
        sampler = Sampler(average, lesson.class_names, source=lesson.source, seed=settings.seed, truncation=1.0)
        write_png(folder / "samples.png", sample_grid(sampler))
        scores = means.evaluate(sampler) if means.evaluate is not None else {}
        if board is not None:
            board.add(seen_images, {**history.latest(), **scores})
        return scores

    plan = Plan(settings.images, settings.tick_images, settings.save_every_images)
    part, ranks = settings.part_size or settings.batch_size, means.ranks
    with reading_ahead(trainer.system, means.device, part, rank=ranks.rank, ranks=ranks.count):
        result = train(
            trainer,
            plan,
            StateStore(folder, means.say),
            label=f"gan {lesson.source}",
            on_tick=on_tick,
            on_save=candidates.drop_beaten,
            ranks=ranks,
        )
    return _publish(folder, candidates, settings, result) if ranks.is_first else None


def card_settings(settings: GanSettings) -> dict[str, Any]:
    """Return the settings as plain data without places of files: weights are named by digest in the manifest."""
    plain = as_plain(settings)
    del plain["projected"]["weights"], plain["init_from"]
    return dict(plain)


def _publish(folder: Path, candidates: Candidates, settings: GanSettings, result: Result) -> Outcome:
    chosen = candidates.choose(
        result.history, publish=settings.publish, budget_images=settings.images, seen_images=result.seen_images
    )
    named = {"weights": chosen, "last": result.seen_images}
    files = publish(folder, settings.images, candidates, named, result.history)
    sampler = load_sampler(files["weights"], seed=settings.seed, truncation=1.0, device="cpu")
    write_png(files["grid"], sample_grid(sampler))
    return Outcome(files, chosen, result)


def best_score(outcome: Outcome) -> float | None:
    """Return the score of the published weights, if there is one."""
    return outcome.result.history.of(SCORE).get(outcome.published_images)
