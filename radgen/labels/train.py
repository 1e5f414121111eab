"""Training the ensemble of label heads, and scoring it on held-out annotated images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.labels.annotated import Annotated
from radgen.labels.head import HeadShape, LabelHead
from radgen.labels.overlap import dice_cross_entropy, score_structures
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.steps import run_steps
from radgen.seeds import derive_seed, random_generator

VALIDATION_SCHEMA = pa.schema(
    [
        pa.field("member", pa.string(), nullable=False),  # "0", "1", ... or "ensemble"
        pa.field("structure", pa.string(), nullable=False),
        pa.field("dice", pa.float64()),  # mean over the held-out images that hold the structure
        pa.field("n", pa.int32()),
        pa.field("found", pa.float64()),  # share of those in which any of it was painted
        pa.field("n_without", pa.int32()),
        pa.field("false_alarms", pa.float64()),  # share of the others in which it was painted all the same
    ]
)
ENSEMBLE = "ensemble"
BLOCK = 16  # held-out images per forward pass


def train_heads(
    annotated: Annotated,
    rows: Sequence[int],
    shape: HeadShape,
    settings: LabelHeadSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> list[LabelHead]:
    """Train every member from its own initial weights on its own bootstrap of the rows.

    Parameters
    ----------
    annotated
        Features and masks.
    rows
        Rows that teach.
    shape
        Of every member.
    settings
        Budget.
    device
        Where they run.
    say
        Where progress lines go.
    """
    heads = []
    for member in range(settings.members):
        torch.manual_seed(derive_seed("labels", "weights", settings.seed, member))
        head = LabelHead(shape).to(device)
        drawn = bootstrap(annotated.class_ids[list(rows)].numpy(), settings.seed, member)
        run_steps(
            head,
            _loss(head, annotated, np.asarray(rows)[drawn], settings, member=member, device=device),
            steps=max(1, settings.images // settings.batch_size),
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            name=f"label head {member + 1} of {settings.members}",
            say=say,
        )
        heads.append(head)
    return heads


def _loss(
    head: LabelHead,
    annotated: Annotated,
    rows: NDArray[np.int64],
    settings: LabelHeadSettings,
    *,
    member: int,
    device: torch.device,
) -> Callable[[int], Tensor]:
    """Return step number to loss; a step's rows depend on seed, member and step alone."""

    def loss_at(step: int) -> Tensor:
        picked = random_generator("labels", "rows", settings.seed, member, step).choice(rows, settings.batch_size)
        batch = torch.from_numpy(picked)
        features = {name: maps[batch].to(device) for name, maps in annotated.features.items()}
        logits = head(features, annotated.class_ids[batch].to(device))
        return dice_cross_entropy(logits, annotated.masks[batch].to(device))

    return loss_at


def bootstrap(class_ids: NDArray[np.int64], seed: int, member: int) -> NDArray[np.int64]:
    """Draw as many rows as there are, with replacement, within each class: int64 [n], so that no class is lost."""
    random = random_generator("labels", "bootstrap", seed, member)
    parts = [
        random.choice(np.flatnonzero(class_ids == class_id), int((class_ids == class_id).sum()))
        for class_id in np.unique(class_ids)
    ]
    return np.concatenate(parts)


def member_probabilities(heads: Sequence[LabelHead], features: dict[str, Tensor], class_ids: Tensor) -> Tensor:
    """Return the members' probabilities: float32 [members, n, labels, H, W]."""
    with torch.no_grad():
        return torch.stack([head(features, class_ids).softmax(dim=1) for head in heads])


def validate(heads: Sequence[LabelHead], annotated: Annotated, rows: Sequence[int], device: torch.device) -> pa.Table:
    """Score every member and the ensemble on rows none of them has seen: a table of VALIDATION_SCHEMA."""
    painted: dict[str, list[Tensor]] = {name: [] for name in [*map(str, range(len(heads))), ENSEMBLE]}
    for start in range(0, len(rows), BLOCK):
        batch = torch.tensor(rows[start : start + BLOCK])
        features = {name: maps[batch].to(device) for name, maps in annotated.features.items()}
        probabilities = member_probabilities(heads, features, annotated.class_ids[batch].to(device))
        for member in range(len(heads)):
            painted[str(member)].append(probabilities[member].argmax(dim=1).cpu())
        painted[ENSEMBLE].append(probabilities.mean(dim=0).argmax(dim=1).cpu())
    truth = annotated.masks[list(rows)].numpy()
    structures = heads[0].shape.labels[1:]
    table = [
        {"member": name} | asdict(score)
        for name, masks in painted.items()
        for score in score_structures(torch.cat(masks).numpy(), truth, structures)
    ]
    return pa.Table.from_pylist(table, schema=VALIDATION_SCHEMA)
