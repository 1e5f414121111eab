"""One point of the annotation curve: masks and a downstream segmenter of so many annotations, real ones beside."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from radgen.errors import AnnotationError
from radgen.gan.sampling import Sampler
from radgen.imageset.core import ImageSet
from radgen.labels.annotated import Annotated, held_out_rows
from radgen.labels.drafts import write_draft
from radgen.labels.head import HeadShape, LabelHeads
from radgen.labels.painting import Painter
from radgen.labels.pairs import join_pairs
from radgen.labels.plan import PairsPlan
from radgen.labels.segmenter import Segmenter, predict
from radgen.labels.settings import AnnotationCurveSettings, AnnotatorSettings, LabelHeadSettings, PairsSettings
from radgen.labels.train import train_heads
from radgen.labels.validate import paint_rows
from radgen.seeds import derive_seed, random_generator

MASKS, DOWNSTREAM = "masks", "downstream"
SYNTHETIC, REAL = "synthetic", "real"
CEILING = "ceiling"  # the arm of all real training masks: what the other two rise to
TEACHING_SPLIT = "train"  # of the real masks
ROWS_PER_SHARD = 1024
POINT_SCHEMA = pa.schema(
    [
        pa.field("measure", pa.string(), nullable=False),  # "masks" or "downstream"
        pa.field(
            "arm", pa.string(), nullable=False
        ),  # "synthetic" or "real": what was annotated; "ceiling": all real masks
        pa.field("count", pa.int32(), nullable=False),  # annotated images
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("minutes", pa.float64()),  # of annotation; null where nobody knows
        pa.field("unit", pa.string(), nullable=False),  # a held-out annotated image (masks), a patient (downstream)
        pa.field("structure", pa.string(), nullable=False),
        pa.field("dice", pa.float64(), nullable=False),
    ]
)
Row = dict[str, Any]


@dataclass(frozen=True)
class CurvePoint:
    """Annotated images, which repetition, and the minutes they took; None where nobody knows."""

    count: int
    seed: int
    minutes: float | None


@dataclass(frozen=True)
class Budgets:
    """Settings of a point; those of the study, with the curve's own budgets in place of theirs."""

    curve: AnnotationCurveSettings
    labels: LabelHeadSettings
    annotator: AnnotatorSettings
    pairs: PairsSettings

    def heads(self, seed: int) -> LabelHeadSettings:
        """Return the settings of the label heads of one repetition."""
        own = derive_seed("annotation curve", "heads", seed)
        return dataclasses.replace(self.labels, images=self.curve.head_images, seed=own)

    def segmenter(self, seed: int) -> AnnotatorSettings:
        """Return the settings of the segmenters of one repetition, which do not know what they learn from."""
        own = derive_seed("annotation curve", "segmenter", seed)
        curve = self.curve
        return dataclasses.replace(
            self.annotator, images=curve.segmenter_images, channels=curve.segmenter_channels, seed=own
        )


def nested_rows(class_ids: Sequence[int], owners: Sequence[str], count: int, *seed: str | int) -> list[int]:
    """Choose rows at random: classes take turns, and within a class the owner with the fewest so far comes first.

    Parameters
    ----------
    class_ids, owners
        Class and patient (or image) of each row.
    count
        How many; a larger number of the same seed adds to a smaller one.
    seed
        Of the order.

    >>> sorted(nested_rows([0, 0, 0, 1], ["a", "a", "b", "b"], 2, "any"))[1]
    3
    """
    shuffled = random_generator(*seed).permutation(len(class_ids)).tolist()
    waiting: dict[int, list[int]] = {}
    for row in shuffled:
        waiting.setdefault(class_ids[row], []).append(row)
    taken: Counter[str] = Counter()
    chosen: list[int] = []
    while len(chosen) < min(count, len(shuffled)):
        for rows in filter(None, waiting.values()):
            row = min(rows, key=lambda candidate: taken[owners[candidate]])
            rows.remove(row)
            taken[owners[row]] += 1
            chosen.append(row)
    return chosen[:count]


def split_annotated(
    annotated: Annotated, count: int, seed: int, curve: AnnotationCurveSettings
) -> tuple[list[int], list[int]]:
    """Return the rows that a point learns from, and those held out: the same ones for every number of one seed.

    Raises
    ------
    AnnotationError
        Fewer images are annotated than the curve needs.
    """
    if len(annotated) < curve.images:
        msg = (
            f"annotation_curve: {curve.counts[-1]} images to learn from and {curve.held_out} held out are "
            f"{curve.images}, but {len(annotated)} are annotated; leave out large counts, lower held_out or annotate "
            "more"
        )
        raise AnnotationError(msg)
    order = nested_rows(
        annotated.class_ids.tolist(), annotated.image_ids, curve.images, "annotation curve", "annotated", seed
    )
    return order[curve.held_out :][:count], order[: curve.held_out]


def minutes_of(seconds: Sequence[float | None], assumed: float | None) -> float | None:
    """Return the minutes that images took: as noted for all of them, else as assumed, else None.

    >>> minutes_of([60.0, 30.0], None), minutes_of([60.0, None], 90.0), minutes_of([None], None)
    (1.5, 3.0, None)
    """
    known = [value for value in seconds if value is not None]
    if len(known) == len(seconds):
        return sum(known) / 60
    return None if assumed is None else len(seconds) * assumed / 60


def teach_heads(
    annotated: Annotated,
    rows: Sequence[int],
    shape: HeadShape,
    settings: LabelHeadSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> LabelHeads:
    """Train heads on some annotated images alone; what ends a member's training counts among them."""
    known = annotated.take(rows)
    held = held_out_rows(known.class_ids, settings.validation_fraction, shape.members, range(len(known)))
    return train_heads(known, held, shape, settings, device=device, say=say)


def mask_scores(heads: LabelHeads, annotated: Annotated, rows: Sequence[int]) -> list[Row]:
    """Return the Dice of the ensemble's masks with the annotator's: one row per image and structure that it holds."""
    painted, truth = paint_rows(heads, annotated, rows).numpy(), annotated.masks[list(rows)].numpy()
    return [
        {
            "unit": annotated.image_ids[row],
            "structure": name,
            "dice": dice_of(painted[place] == label, truth[place] == label),
        }
        for place, row in enumerate(rows)
        for label, name in enumerate(heads.shape.labels[1:], start=1)
        if (truth[place] == label).any()
    ]


def make_pairs(heads: LabelHeads, sampler: Sampler, folder: Path, budgets: Budgets) -> ImageSet:
    """Write the pairs of a point as the stages of pairs do, the most uncertain of each class left out."""
    plan = PairsPlan(
        counts=dict.fromkeys(sampler.class_names, budgets.curve.pairs_per_class),
        drop_fraction=budgets.pairs.drop_fraction,
        source=sampler.source,
        checkpoint=heads.shape.generator,
        rows_per_shard=ROWS_PER_SHARD,
    )
    write_draft(Painter(sampler, heads), plan, folder / "draft", 0, 1)
    join_pairs([folder / "draft"], plan, folder / "pairs" / "index.parquet")
    return ImageSet(folder / "pairs" / "index.parquet")


def real_rows(real: ImageSet, count: int, seed: int) -> NDArray[np.int64]:
    """Choose real training images to be annotated: classes take turns, and so do patients; at most all of them."""
    rows = real.rows_where(split=TEACHING_SPLIT)
    class_ids = real.table.column("class_id").combine_chunks().fill_null(-1).to_numpy()[rows].tolist()
    patients = real.column("patient")[rows].tolist()
    return rows[nested_rows(class_ids, patients, count, "annotation curve", "real", seed)]


def patient_scores(segmenter: Segmenter, real: ImageSet, rows: NDArray[np.int64], device: torch.device) -> list[Row]:
    """Return the Dice of each patient and structure, all slices pooled; a structure that both masks lack scores 1."""
    patients = real.column("patient")[rows]
    found: list[Row] = []
    for patient in sorted(set(patients.tolist())):
        own = rows[patients == patient]
        painted, truth = predict(segmenter, real.images(own), device), real.masks(own)
        found += [
            {"unit": patient, "structure": name, "dice": dice_of(painted == label, truth == label)}
            for label, name in enumerate(segmenter.shape.labels[1:], start=1)
        ]
    return found


def dice_of(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Twice the overlap over the sum of both sizes; 1 when both are empty."""
    total = int(one.sum()) + int(two.sum())
    return 2 * int((one & two).sum()) / total if total else 1.0


def point_table(rows: Sequence[Row], measure: str, arm: str, point: CurvePoint) -> pa.Table:
    """Return scores as a table of POINT_SCHEMA."""
    facts = {"measure": measure, "arm": arm} | dataclasses.asdict(point)
    return pa.Table.from_pylist([facts | row for row in rows], schema=POINT_SCHEMA)
