"""A whole training of semantic synthesis in its work folder: from saved state to published weights and history."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.errors import CheckpointError
from radgen.gan.grid import write_png
from radgen.imageset.prefetch import Batches, reading_ahead
from radgen.semantic.checkpoint import SemanticCard, load_semantic, save_semantic
from radgen.semantic.generator import SemanticShape
from radgen.semantic.maps.batches import PairBatches, UnpairedBatches
from radgen.semantic.maps.counts import LabelCounts, rarest_classes
from radgen.semantic.maps.lenders import Lenders
from radgen.semantic.maps.schema import MapSchema
from radgen.semantic.maps.sheet import multimodal_sheet
from radgen.semantic.maps.surroundings import MapReader, Surroundings, label_count
from radgen.semantic.rows import Sides
from radgen.semantic.sampling import SemanticSampler
from radgen.semantic.settings import SemanticSettings
from radgen.semantic.system import SemanticSystem, semantic_trainer
from radgen.settings import as_plain
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.board import Board
from radgen.training.candidates import Candidates
from radgen.training.loop import History, Plan, Result, train
from radgen.training.publishing import publish
from radgen.training.ranks import Ranks
from radgen.training.state import StateStore

SHEET_MAPS, SHEET_SAMPLES = 8, 4
Evaluate = Callable[[SemanticSampler], Mapping[str, float]]


@dataclass(frozen=True)
class Lesson:
    """What a generator learns from.

    Attributes
    ----------
    source
        The study's name for it.
    schema
        Of the maps.
    sides
        Maps and images.
    counts
        Of the labels of these maps.
    shown
        Validation maps, a few of which are painted at ticks.
    left_out
        Maps of background alone, which teach nothing.
    surroundings
        How background of all these maps is told apart, found on those that are learnt from.
    position_classes
        Whether classes of slices are their place, which nobody labels.
    """

    source: str
    schema: MapSchema
    sides: Sides
    counts: LabelCounts
    shown: Sides
    left_out: int = 0
    surroundings: Surroundings | None = None
    position_classes: bool = False

    def batches(self, settings: SemanticSettings) -> Batches:
        """Return maps and images in the order of training."""
        sides = self.sides
        if settings.mode == "paired":
            balance = rarest_classes(self.counts, self.schema) if settings.balance else None
            return PairBatches(
                *(sides.images, sides.image_rows, self.schema),
                seed=settings.seed,
                balance=balance,
                surroundings=self.surroundings,
            )
        # Maps as they are: images come so, and a discriminator would learn from rare labels alone what was generated.
        here, there = (sides.maps, sides.map_rows), (sides.images, sides.image_rows)
        return UnpairedBatches(
            *(*here, *there, self.schema),
            seed=settings.seed,
            surroundings=self.surroundings,
            lenders=self._lenders() if settings.surroundings_from == "images" else None,
        )

    def _lenders(self) -> Lenders:
        return Lenders(self.sides.images, self.sides.image_rows, by_class=self.position_classes)

    def shape(self, settings: SemanticSettings) -> SemanticShape:
        """Return the shape of the networks."""
        channels, height, width = self.sides.images.image_shape
        return SemanticShape(height, width, channels, self.labels, settings.networks)

    @property
    def labels(self) -> int:
        """How many labels the networks are told of."""
        return label_count(self.schema, self.surroundings)

    def sheet(self, sampler: SemanticSampler) -> NDArray[np.uint8]:
        """Paint a few validation maps, see `sheet`."""
        return sheet(sampler, MapReader(self.shown.maps, self.schema, self.surroundings), self.shown)


@dataclass(frozen=True)
class Means:
    """With what a training is carried out.

    Attributes
    ----------
    device
        Where it runs.
    evaluate
        Scores at ticks, one of which chooses the best weights; None publishes the last.
    start
        Weights of a generator to go on from, or None.
    ranks
        The processes that train together; the first one alone publishes.
    say
        Prints one line.
    """

    device: torch.device
    evaluate: Evaluate | None
    start: Path | None
    ranks: Ranks
    say: Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """Files of a finished training, and how it went."""

    files: dict[str, Path]
    published_images: int
    result: Result


def build_trainer(lesson: Lesson, settings: SemanticSettings, means: Means) -> AdversarialTrainer[SemanticSystem]:
    """Build the networks with the weights they start from, and the trainer that moves them.

    Raises
    ------
    ConfigError, InputError, CohortError
        A side is no multiple of 32, grids of the sides differ, a side is empty.
    CheckpointError
        Weights to start from are another generator's.
    """
    batches = lesson.batches(settings)
    trainer = semantic_trainer(lesson.shape(settings), settings, batches, means.device, means.ranks)
    if means.start is not None:
        card = _go_on(trainer.system, means.start, lesson)
        means.say(
            f"semantic {lesson.source}: goes on from {means.start.name}; its judges are learnt anew"
            + _parted_anew(card.surroundings, lesson.surroundings)
        )
    return trainer


def _go_on(system: SemanticSystem, start: Path, lesson: Lesson) -> SemanticCard:
    known, card = load_semantic(start, torch.device("cpu"))
    if (known.shape, card.label_names) != (system.shape, lesson.schema.names):
        theirs, ours = (
            f"{shape.height} x {shape.width} pixels, {shape.image_channels} channel(s), labels {', '.join(names)}"
            for shape, names in ((known.shape, card.label_names), (system.shape, lesson.schema.names))
        )
        same = "; networks differ too" if theirs == ours else ""
        msg = f"init_from {start.name}: a generator of {theirs}, but {ours} are to be learnt{same}; leave it out"
        raise CheckpointError(msg)
    kinds = [
        "none" if one is None else f"{len(one.thresholds) + 1} groups{' and padding' if one.padding else ''}"
        for one in (card.surroundings, lesson.surroundings)
    ]
    if kinds[0] != kinds[1]:
        msg = (
            f"init_from {start.name}: its surroundings are {kinds[0]}, but {kinds[1]} are to be learnt: labels would "
            "mean something else; set surroundings and surroundings_padding as they were there, or leave it out"
        )
        raise CheckpointError(msg)
    for network in (system.generator, system.average):
        network.load_state_dict(known.state_dict())
    return card


def _parted_anew(theirs: Surroundings | None, ours: Surroundings | None) -> str:
    """Say where the grey levels that part surroundings were others in the weights that training goes on from."""
    if theirs is None or ours is None or theirs.thresholds == ours.thresholds:
        return ""
    levels = [", ".join(f"{level:.0f}" for level in one.thresholds) for one in (theirs, ours)]
    return f"; its surroundings were parted at {levels[0]} of 255, those learnt now at {levels[1]}"


def train_semantic(folder: Path, lesson: Lesson, settings: SemanticSettings, means: Means) -> Outcome | None:
    """Train until the budget, from the newest saved state, and choose the weights to publish.

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
    plain = {name: value for name, value in as_plain(settings).items() if name not in {"init_from", "maps"}}
    card = SemanticCard(
        average.shape, lesson.schema.names, lesson.source, 0, plain, lesson.surroundings, lesson.position_classes
    )

    def save(path: Path, seen_images: int) -> None:
        save_semantic(path, average.state_dict(), dataclasses.replace(card, seen_images=seen_images))

    candidates = Candidates(folder, save, score=settings.best, highest=settings.best == "dice")
    board = Board(folder / "tensorboard") if means.ranks.is_first else None

    def on_tick(seen_images: int, history: History) -> Mapping[str, float]:
        candidates.keep(seen_images)
        average.eval()
        sampler = SemanticSampler(average, source=lesson.source, seed=settings.seed)
        write_png(folder / "samples.png", lesson.sheet(sampler))
        scores = means.evaluate(sampler) if means.evaluate is not None else {}
        if board is not None:
            board.add(seen_images, {**history.latest(), **scores})
        return scores

    part, ranks = settings.part_size or settings.batch_size, means.ranks
    with reading_ahead(trainer.system, means.device, part, rank=ranks.rank, ranks=ranks.count):
        result = train(
            trainer,
            Plan(settings.images, settings.tick_images, settings.save_every_images),
            StateStore(folder, means.say),
            label=f"semantic {lesson.source}",
            on_tick=on_tick,
            on_save=candidates.drop_beaten,
            ranks=ranks,
        )
    return _publish(folder, candidates, lesson, settings, result) if ranks.is_first else None


def _publish(
    folder: Path, candidates: Candidates, lesson: Lesson, settings: SemanticSettings, result: Result
) -> Outcome:
    chosen = {
        which: candidates.choose(
            result.history, publish=which, budget_images=settings.images, seen_images=result.seen_images
        )
        for which in ("best", "last")
    }
    named = chosen | {"weights": chosen[settings.publish]}
    files = publish(folder, settings.images, candidates, named, result.history)
    generator, card = load_semantic(files["weights"], torch.device("cpu"))
    sampler = SemanticSampler(generator, source=card.source, seed=settings.seed)
    write_png(files["grid"], lesson.sheet(sampler))
    return Outcome(files, chosen[settings.publish], result)


def sheet(sampler: SemanticSampler, reader: MapReader, shown: Sides) -> NDArray[np.uint8]:
    """Paint a few maps: rows are maps, columns the map, its image where there is one, and images of other noise."""
    rows = spread(shown.map_rows, SHEET_MAPS)
    maps = reader.classes(rows)
    names = shown.maps.column("image_id")[rows]
    made = [sampler.images(one, name, range(SHEET_SAMPLES)) for one, name in zip(maps, names, strict=True)]
    real = shown.images.images(rows) if shown.paired else None
    return multimodal_sheet(reader.paint(maps), np.stack(made), real)


def spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most so many rows, spread evenly over all.

    >>> spread(np.arange(10), 3)
    array([1, 5, 8])
    """
    if len(rows) <= count:
        return rows
    return rows[((np.arange(count) + 0.5) * len(rows) / count).astype(np.int64)]


def best_scores(outcome: Outcome) -> dict[str, float]:
    """Return the scores of the published weights, by name."""
    rows: list[dict[str, Any]] = outcome.result.history.rows
    at = outcome.published_images
    return {
        row["metric"]: row["value"]
        for row in rows
        if row["seen_images"] == at and not row["metric"].startswith("loss_")
    }
