"""Scores of the label heads on annotated images that they have not learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import pyarrow as pa
import torch
from torch import Tensor

from radgen.labels.annotated import Annotated, fold_rows, held_out_rows
from radgen.labels.head import HeadShape, LabelHeads
from radgen.labels.overlap import StructureScore, score_structures
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.train import BLOCK, member_probabilities, most_likely, train_heads

ENSEMBLE = "ensemble"
LEAVE_SOME_OUT = "leave-some-out"
VALIDATION_SCHEMA = pa.schema(
    [
        pa.field("member", pa.string(), nullable=False),  # "0", "1", ..., "ensemble" or "leave-some-out"
        pa.field("structure", pa.string(), nullable=False),
        pa.field("dice", pa.float64()),  # mean over the held-out images that hold the structure
        pa.field("n", pa.int32()),
        pa.field("found", pa.float64()),  # share of those in which any of it was painted
        pa.field("n_without", pa.int32()),
        pa.field("false_alarms", pa.float64()),  # share of the others in which it was painted all the same
    ]
)


def paint_rows(heads: LabelHeads, annotated: Annotated, rows: Sequence[int]) -> dict[str, Tensor]:
    """Paint rows with every member and the ensemble: masks uint8 [n, H, W] by "0", "1", ... and "ensemble"."""
    painted: dict[str, list[Tensor]] = {name: [] for name in [*map(str, range(heads.shape.members)), ENSEMBLE]}
    for start in range(0, len(rows), BLOCK):
        batch = rows[start : start + BLOCK]
        class_ids = annotated.class_ids[list(batch)].to(heads.paint.device)
        probabilities = member_probabilities(heads, annotated.features(batch), class_ids)
        for number, one in enumerate(probabilities):
            painted[str(number)].append(most_likely(one).cpu())
        painted[ENSEMBLE].append(most_likely(probabilities.mean(dim=0)).cpu())
    nothing = annotated.masks[:0]
    return {name: torch.cat([nothing, *masks]) for name, masks in painted.items()}


def validate(heads: LabelHeads, annotated: Annotated, rows: Sequence[int]) -> pa.Table:
    """Score every member and the ensemble on rows that taught none of them: a table of VALIDATION_SCHEMA."""
    truth = annotated.masks[list(rows)].numpy()
    structures = heads.shape.labels[1:]
    return pa.concat_tables(
        _table(name, score_structures(masks.numpy(), truth, structures))
        for name, masks in paint_rows(heads, annotated, rows).items()
    )


def leave_some_out(
    annotated: Annotated,
    order: Sequence[int],
    shape: HeadShape,
    settings: LabelHeadSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> pa.Table:
    """Score ensembles on the images that none of their training knew, neither to learn from nor to stop by.

    The annotated images are shared out over folds; for each, an ensemble is trained on the others as the published one
    is on all. A table of VALIDATION_SCHEMA whose member is "leave-some-out": one row per structure, all folds together.

    Parameters
    ----------
    annotated
        All annotated images.
    order
        All rows in a random order.
    shape, settings, device, say
        See `train_heads`.
    """
    folds = fold_rows(annotated.class_ids, settings.folds, order) if settings.folds else []
    if len(folds) < 2:
        return VALIDATION_SCHEMA.empty_table()
    painted = torch.zeros_like(annotated.masks)
    for number, fold in enumerate(folds, start=1):
        rest = [row for row in order if row not in fold]
        teaching, held = held_out_rows(annotated.class_ids, settings.validation_fraction, rest)
        say(f"labels: fold {number} of {len(folds)}, {len(fold)} images left out")
        heads = train_heads(annotated, teaching, held, shape, settings, device=device, say=_quiet)
        painted[fold] = paint_rows(heads, annotated, fold)[ENSEMBLE]
    return _table(LEAVE_SOME_OUT, score_structures(painted.numpy(), annotated.masks.numpy(), shape.labels[1:]))


def _table(name: str, scores: Sequence[StructureScore]) -> pa.Table:
    return pa.Table.from_pylist([{"member": name} | asdict(score) for score in scores], schema=VALIDATION_SCHEMA)


def _quiet(_: str) -> None: ...
