"""Scores of the label heads on annotated images that they have not learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.labels.annotated import Annotated, fold_rows, held_out_rows
from radgen.labels.head import HeadShape, LabelHeads
from radgen.labels.masks import ensemble_masks, member_probabilities, most_likely
from radgen.labels.overlap import StructureScore, score_structures
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.train import BLOCK, train_heads

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


def paint_rows(heads: LabelHeads, annotated: Annotated, rows: Sequence[int]) -> Tensor:
    """Paint rows with the whole ensemble: uint8 [n, H, W]."""
    painted = [annotated.masks[:0]]
    for start in range(0, len(rows), BLOCK):
        batch = rows[start : start + BLOCK]
        class_ids = annotated.class_ids[list(batch)].to(heads.paint.device)
        painted.append(ensemble_masks(heads, annotated.features(batch), class_ids).cpu())
    return torch.cat(painted)


def validate(heads: LabelHeads, annotated: Annotated, held: NDArray[np.bool_]) -> pa.Table:
    """Score every member on the rows that it did not learn from: a table of VALIDATION_SCHEMA.

    The row of the ensemble has all rows that some member did not learn from, painted by those members alone.

    Parameters
    ----------
    heads, annotated
        As after training.
    held
        bool [members, n]: rows that a member did not learn from.
    """
    members = heads.shape.members
    painted = torch.zeros((members + 1, *annotated.masks.shape), dtype=torch.uint8)
    for start in range(0, len(annotated), BLOCK):
        batch = list(range(start, min(start + BLOCK, len(annotated))))
        class_ids = annotated.class_ids[batch].to(heads.paint.device)
        probabilities = member_probabilities(heads, annotated.features(batch), class_ids)
        counts = torch.from_numpy(held[:, batch]).to(probabilities)
        for number, one in enumerate([*probabilities, torch.einsum("mnlhw,mn->nlhw", probabilities, counts)]):
            painted[number, batch] = most_likely(one).cpu()
    parts = []
    for number, rows in enumerate([*held, held.any(axis=0)]):
        scores = score_structures(painted[number].numpy()[rows], annotated.masks.numpy()[rows], heads.shape.labels[1:])
        parts.append(_table(str(number) if number < members else ENSEMBLE, scores))
    return pa.concat_tables(parts)


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
        known = annotated.take(rest)
        held = held_out_rows(known.class_ids, settings.validation_fraction, shape.members, range(len(rest)))
        say(f"labels: fold {number} of {len(folds)}, {len(fold)} images left out")
        heads = train_heads(known, held, shape, settings, device=device, say=_quiet)
        painted[fold] = paint_rows(heads, annotated, fold)
    return _table(LEAVE_SOME_OUT, score_structures(painted.numpy(), annotated.masks.numpy(), shape.labels[1:]))


def _table(name: str, scores: Sequence[StructureScore]) -> pa.Table:
    return pa.Table.from_pylist([{"member": name} | asdict(score) for score in scores], schema=VALIDATION_SCHEMA)


def _quiet(_: str) -> None: ...
