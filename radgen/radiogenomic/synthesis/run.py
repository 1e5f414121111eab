"""A whole training run in its work folder: from saved state to published weights, history and grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from radgen.gan.grid import write_png
from radgen.imageset.core import ImageSet, write_table
from radgen.imageset.prefetch import reading_ahead
from radgen.provenance import SawPatients
from radgen.radiogenomic.expression import Expression
from radgen.radiogenomic.synthesis.batches import PairedPatches
from radgen.radiogenomic.synthesis.checkpoint import RadiogenomicCard, load_radiogenomic, save_radiogenomic
from radgen.radiogenomic.synthesis.grids import grid
from radgen.radiogenomic.synthesis.networks import RadiogenomicShape
from radgen.radiogenomic.synthesis.sampling import RadiogenomicSampler
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings
from radgen.radiogenomic.synthesis.system import RadiogenomicSystem, radiogenomic_trainer
from radgen.settings import as_plain
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.board import Board
from radgen.training.loop import History, Plan, Result, train
from radgen.training.publishing import HISTORY_SCHEMA
from radgen.training.state import StateStore

GRID_PATIENTS = 6


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a generator learns from.

    Parameters
    ----------
    nodules, backgrounds
        Image sets of one channel; see `PairedPatches`.
    nodule_rows, background_rows
        Positions int64 of the patches shown and drawn into.
    expression
        Of all patients of the nodule rows.
    source
        The study's name for the generator.
    saw
        The patients behind all of it.
    """

    nodules: ImageSet
    nodule_rows: NDArray[np.int64]
    backgrounds: ImageSet
    background_rows: NDArray[np.int64]
    expression: Expression
    source: str
    saw: SawPatients

    def shape(self, settings: RadiogenomicSettings) -> RadiogenomicShape:
        """Return the sizes of the networks.

        Raises
        ------
        ConfigError
            No network draws patches of this size.
        """
        return RadiogenomicShape(
            resolution=self.nodules.image_shape[1],
            genes=len(self.expression.genes),
            hidden=settings.hidden,
            embed_dim=settings.embed_dim,
            g_ls=settings.g_ls,
            g_n_feat=settings.g_n_feat,
            d_n_feat=settings.d_n_feat,
            code_kernel=settings.code_kernel,
        )

    def card(self, settings: RadiogenomicSettings) -> RadiogenomicCard:
        """Return the card of weights that have seen nothing yet."""
        plain = as_plain(settings)
        del plain["device"], plain["workers"], plain["cr"]  # they change no bytes
        saw = {
            aspect: {"patients": len(self.saw.patients(aspect)), "digest": self.saw.to_json()[aspect]["digest"]}
            for aspect in ("pixels", "labels", "masks")
        }
        return RadiogenomicCard(
            shape=self.shape(settings),
            genes=self.expression.genes,
            caption=self.expression.caption,
            source=self.source,
            seen_images=0,
            settings=plain,
            saw_patients=saw,
        )

    def batches(self, settings: RadiogenomicSettings) -> PairedPatches:
        """Return what is shown; see `PairedPatches`."""
        return PairedPatches(
            self.nodules,
            self.nodule_rows,
            self.backgrounds,
            self.background_rows,
            self.expression,
            seed=settings.seed,
            turn=settings.turn,
            kept=settings.cr,
        )

    def grid_of_genes(self, sampler: RadiogenomicSampler) -> NDArray[np.uint8]:
        """Draw the grid of genes of the first few patients on their backgrounds: [rows, columns, 3]."""
        patients = sorted(set(self.nodules.column("patient")[self.nodule_rows].tolist()))
        chosen = patients[:GRID_PATIENTS]
        rows = np.resize(self.background_rows, len(chosen))
        return grid(sampler, "gene", self.expression.of(chosen), self.backgrounds.images(rows)[:, 0])


@dataclass(frozen=True)
class Outcome:
    """Files of a finished run, and how it went."""

    files: dict[str, Path]
    result: Result


def budget_images(lesson: Lesson, settings: RadiogenomicSettings) -> int:
    """Return the patches that `ep` epochs show."""
    return settings.ep * len(lesson.nodule_rows)


def build_trainer(
    lesson: Lesson, settings: RadiogenomicSettings, device: torch.device
) -> AdversarialTrainer[RadiogenomicSystem]:
    """Build networks with their initial weights and the trainer that moves them."""
    profiles = torch.tensor(lesson.expression.values)
    return radiogenomic_trainer(lesson.shape(settings), settings, lesson.batches(settings), profiles, device)


def train_radiogenomic(
    folder: Path, lesson: Lesson, settings: RadiogenomicSettings, device: torch.device, say: Callable[[str], None]
) -> Outcome:
    """Train until the budget, from the newest saved state, and write what is published.

    Parameters
    ----------
    folder
        Work folder, held by this process.
    lesson, settings
        What is learnt, and how.
    device
        Where it runs.
    say
        Prints one line.

    Raises
    ------
    TrainingError, Interrupted, StorageError
        A loss is not finite, a signal came, the disk refused.
    """
    trainer = build_trainer(lesson, settings, device)
    card, board = lesson.card(settings), Board(folder / "tensorboard")

    def on_tick(seen_images: int, history: History) -> Mapping[str, float]:
        sampler = RadiogenomicSampler(trainer.system.average, card, seed=settings.seed)
        write_png(folder / "samples.png", lesson.grid_of_genes(sampler))
        board.add(seen_images, history.latest())
        return {}

    every = settings.save_interval * len(lesson.nodule_rows)
    with reading_ahead(trainer.system, device, settings.part_size or settings.bs, depth=settings.workers):
        result = train(
            trainer,
            Plan(budget_images(lesson, settings), every, every),
            StateStore(folder, say),
            label=f"radiogenomic {lesson.source}",
            on_tick=on_tick,
            on_save=lambda *_: None,
        )
    return _publish(folder, trainer.system, lesson, settings, result)


def _publish(
    folder: Path, system: RadiogenomicSystem, lesson: Lesson, settings: RadiogenomicSettings, result: Result
) -> Outcome:
    # A folder of their own: a larger budget later goes on from here and must not touch what this one published.
    published = folder / f"budget-{budget_images(lesson, settings):010d}"
    files = {
        "weights": published / "generator.safetensors",
        "history": published / "history.parquet",
        "grid": published / "samples.png",
    }
    card = dataclasses.replace(lesson.card(settings), seen_images=result.seen_images)
    save_radiogenomic(files["weights"], system.average.state_dict(), card)
    write_table(files["history"], pa.Table.from_pylist(result.history.rows, schema=HISTORY_SCHEMA))
    generator, card = load_radiogenomic(files["weights"], torch.device("cpu"))
    write_png(files["grid"], lesson.grid_of_genes(RadiogenomicSampler(generator, card, seed=settings.seed)))
    return Outcome(files, result)


def notes_of(outcome: Outcome) -> dict[str, Any]:
    """Return how a run went, for its manifest."""
    result = outcome.result
    return {
        "seen_images": result.seen_images,
        "resumed_images": result.resumed_images,
        "images_per_second": round(result.images_per_second, 1),
    }
