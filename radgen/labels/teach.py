"""Teaching the simulated annotator: which rows, which batches, which score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.labels.augment import augment
from radgen.labels.overlap import StructureScore, dice_cross_entropy, score_structures
from radgen.labels.segmenter import Segmenter, SegmenterShape, predict, to_network
from radgen.labels.settings import AnnotatorSettings
from radgen.labels.steps import run_steps
from radgen.seeds import derive_seed, random_generator, stable_unit

SPLIT = "annotator"
SCORES_SCHEMA = pa.schema(
    [
        pa.field("structure", pa.string(), nullable=False),
        pa.field("dice", pa.float64()),  # mean over the held-out images that hold the structure
        pa.field("n", pa.int32()),
        pa.field("found", pa.float64()),  # share of those in which any of it was painted
        pa.field("n_without", pa.int32()),
        pa.field("false_alarms", pa.float64()),  # share of the others in which it was painted all the same
    ]
)
UNIFORM_SHARE = 0.5  # half of the draws ignore content, so that images without structures are seen too
CHUNK = 256  # masks looked at together


class Labelled(Protocol):
    """Images with label masks: an image set, or arrays in memory."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""

    def images(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images uint8 [n, C, H, W]."""

    def masks(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return label ids uint8 [n, H, W]."""


@dataclass(frozen=True)
class AnnotatorRows:
    """Rows of the patients set apart: positions int64 that teach, and positions held out to score."""

    teaching: NDArray[np.int64]
    held_out: NDArray[np.int64]


def annotator_rows(images: ImageSet, settings: AnnotatorSettings) -> AnnotatorRows:
    """Split the rows of split `annotator` by patient.

    Raises
    ------
    CohortError
        Fewer than two patients are set apart, or the image set has no masks.
    """
    rows = images.rows_where(split=SPLIT)
    patients = images.column("patient")[rows]
    everyone = set(patients.tolist())
    if len(everyone) < 2 or not images.has_masks:
        msg = (
            f"the simulated annotator needs masks of at least 2 patients of split {SPLIT}, one to learn from and one "
            f"to check with; there are {len(everyone)} patients {'with' if images.has_masks else 'without'} masks: "
            "raise cohort.annotator"
        )
        raise CohortError(msg)
    held = held_out_patients(everyone, settings.validation_fraction, settings.seed)
    is_held = np.array([patient in held for patient in patients], dtype=bool)
    return AnnotatorRows(rows[~is_held], rows[is_held])


def held_out_patients(patients: Iterable[str], fraction: float, seed: int) -> frozenset[str]:
    """Return the share of patients that is held out, by stable rank: at least one, never all.

    >>> len(held_out_patients("abcdefghij", 0.2, seed=1))
    2
    """
    ranked = sorted(set(patients), key=lambda patient: (stable_unit("annotator", seed, patient), patient))
    return frozenset(ranked[: min(len(ranked) - 1, max(1, round(fraction * len(ranked))))])


def draw_shares(images: Labelled, rows: NDArray[np.int64], labels: int) -> NDArray[np.float64]:
    """Return how often each row is drawn: rows with a rare structure more often. Float64 [n], summing to 1."""
    present = np.zeros((len(rows), labels), dtype=bool)
    for start in range(0, len(rows), CHUNK):
        masks = images.masks(rows[start : start + CHUNK])
        for label in range(1, labels):
            present[start : start + CHUNK, label] = (masks == label).any(axis=(1, 2))
    holders = present.sum(axis=0)
    weights = (present / np.maximum(holders, 1)).sum(axis=1)
    shares = np.full(len(rows), 1 / len(rows))
    if weights.sum() > 0:
        shares = UNIFORM_SHARE * shares + (1 - UNIFORM_SHARE) * weights / weights.sum()
    return shares


def teach_segmenter(
    images: Labelled,
    rows: NDArray[np.int64],
    structures: Sequence[str],
    settings: AnnotatorSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = dice_cross_entropy,
    name: str = "annotator",
) -> Segmenter:
    """Teach a segmenter on rows of an image set with masks.

    Parameters
    ----------
    images, rows
        The image set and the positions that teach.
    structures
        Names of label ids 1..K.
    settings
        Network, budget and augmentation.
    device
        Where it runs.
    say
        Where progress lines go.
    loss
        Logits [n, labels, H, W] and masks int64 [n, H, W] to loss.
    name
        Named in progress lines and errors.
    """
    torch.manual_seed(derive_seed("annotator", "weights", settings.seed))
    shape = SegmenterShape(images.image_shape[0], settings.channels, ("background", *structures))
    segmenter = Segmenter(shape).to(device).to(memory_format=torch.channels_last)
    shares = draw_shares(images, rows, len(shape.labels))

    def loss_at(step: int) -> torch.Tensor:
        drawn = random_generator("annotator", "rows", settings.seed, step).choice(rows, settings.batch_size, p=shares)
        random = torch.Generator().manual_seed(derive_seed("annotator", "changes", settings.seed, step))
        masks = torch.from_numpy(images.masks(drawn)).long()
        pictures, painted = augment(to_network(images.images(drawn)), masks, settings, random)
        return loss(segmenter(pictures.to(device, memory_format=torch.channels_last)), painted.to(device))

    steps = max(1, settings.images // settings.batch_size)
    run_steps(
        segmenter,
        loss_at,
        steps=steps,
        learning_rate=settings.learning_rate,
        weight_decay=1e-4,
        name=name,
        say=say,
    )
    return segmenter


def score_segmenter(
    segmenter: Segmenter, images: ImageSet, rows: NDArray[np.int64], structures: Sequence[str], device: torch.device
) -> list[StructureScore]:
    """Score a segmenter on rows it has not seen."""
    painted = np.concatenate(
        [predict(segmenter, images.images(rows[start : start + CHUNK]), device) for start in range(0, len(rows), CHUNK)]
    )
    return score_structures(painted, images.masks(rows), structures)


def scores_table(scores: Iterable[StructureScore]) -> pa.Table:
    """Return scores as a table of SCORES_SCHEMA."""
    return pa.Table.from_pylist([asdict(score) for score in scores], schema=SCORES_SCHEMA)
