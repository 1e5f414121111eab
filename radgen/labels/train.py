"""Training the ensemble of label heads, all members at once, and what they paint."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.labels.annotated import Annotated
from radgen.labels.head import HeadShape, LabelHeads, copy_members, start_members
from radgen.labels.loss import ensemble_loss, label_weights_of
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.steps import MAX_GRADIENT_NORM, run_steps
from radgen.labels.vary import vary_styles
from radgen.seeds import derive_seed, random_generator

BLOCK = 16  # images per forward pass where nothing is learnt
LEAST_DEVIATION = 1e-4  # a feature channel that never changes stays small instead of dividing by nothing
CACHED_PIXELS = 16_384  # pixels painted together: their maps stay in the processor's cache


def train_heads(
    annotated: Annotated,
    teaching: Sequence[int],
    held: Sequence[int],
    shape: HeadShape,
    settings: LabelHeadSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> LabelHeads:
    """Train all members together; each has its own initial weights and its own bootstrap of the rows.

    All look at the same images at a step, which their bootstraps weigh differently: the generator draws each but once.
    A member's gradient, its bound and its end depend on no other member.

    Parameters
    ----------
    annotated
        Images, masks and where the features come from.
    teaching, held
        Rows that teach; rows whose loss says which weights are kept, and when to stop. Without, the last are kept.
    shape
        Of the ensemble.
    settings
        Budget.
    device
        Where it runs.
    say
        Where progress lines go.
    """
    seeds = [derive_seed("labels", "weights", settings.seed, number) for number in range(shape.members)]
    heads = start_members(shape, seeds).to(device)
    standardise(heads, annotated, teaching)
    steps = max(1, settings.images // settings.batch_size)
    stop = EarlyStop(heads, annotated, held, settings.patience, max(1, steps // settings.checks))
    run_steps(
        heads,
        _loss(heads, annotated, teaching, settings),
        steps=steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        name="label heads",
        say=say,
        clip=clip_members,
        is_done=stop if held else lambda _: False,
    )
    return (stop.best if held else heads).eval()


def _loss(
    heads: LabelHeads, annotated: Annotated, teaching: Sequence[int], settings: LabelHeadSettings
) -> Callable[[int], Tensor]:
    """Return step number to loss; a step's rows and styles depend on seed and step alone."""
    rows = np.asarray(teaching)
    device = heads.paint.device
    weights = np.zeros((heads.shape.members, len(annotated)), dtype=np.float32)
    for number in range(heads.shape.members):
        drawn = bootstrap(annotated.class_ids[list(teaching)].numpy(), settings.seed, number)
        weights[number] = np.bincount(rows[drawn], minlength=len(annotated))
    counts = torch.bincount(annotated.masks[list(teaching)].flatten().long(), minlength=len(heads.shape.labels))
    balance = label_weights_of(counts, settings.balance).to(device) if settings.balance else None

    def loss_at(step: int) -> Tensor:
        batch = rows_at(step, rows, settings)
        random = torch.Generator().manual_seed(derive_seed("labels", "vary", settings.seed, step))
        class_ids = annotated.class_ids[batch].to(device)
        styles = annotated.w[batch].to(device)
        if settings.fine_layers:
            styles = vary_styles(annotated.sampler, styles, class_ids, settings, random)
        features = drop(annotated.features(batch, styles), settings.dropout, random)
        member_weights = torch.from_numpy(weights[:, batch]).to(device)
        return ensemble_loss(
            heads(features, class_ids),
            annotated.targets(batch).to(device),
            member_weights,
            label_weights=balance,
            focus=settings.focus,
        ).sum()

    return loss_at


def rows_at(step: int, rows: NDArray[np.int64], settings: LabelHeadSettings) -> list[int]:
    """Return the rows of a step: every row is seen once before any is seen again."""
    first = step * settings.batch_size
    found = []
    for place in range(first, first + settings.batch_size):
        turn, number = divmod(place, len(rows))
        found.append(int(random_generator("labels", "order", settings.seed, turn).permutation(rows)[number]))
    return found


def drop(features: dict[str, Tensor], share: float, random: torch.Generator) -> dict[str, Tensor]:
    """Set a share of channels to zero, other ones of each image, and stretch the rest to the same mean."""
    if share == 0:
        return features
    dropped = {}
    for name, maps in features.items():
        kept = (torch.rand(maps.shape[:2], generator=random) >= share).to(maps) / (1 - share)
        dropped[name] = maps * kept[:, :, None, None]
    return dropped


def bootstrap(class_ids: NDArray[np.int64], seed: int, member: int) -> NDArray[np.int64]:
    """Draw as many rows as there are, with replacement, within each class: int64 [n], so that no class is lost."""
    random = random_generator("labels", "bootstrap", seed, member)
    parts = [
        random.choice(np.flatnonzero(class_ids == class_id), int((class_ids == class_id).sum()))
        for class_id in np.unique(class_ids)
    ]
    return np.concatenate(parts)


@torch.no_grad()
def standardise(heads: LabelHeads, annotated: Annotated, rows: Sequence[int]) -> None:
    """Measure mean and deviation of every feature channel on rows, so that all scales speak equally loud at first."""
    sums = {name: torch.zeros(2, count, dtype=torch.float64) for name, count in heads.shape.scales}
    pixels = dict.fromkeys(sums, 0)
    for start in range(0, len(rows), BLOCK):
        for name, maps in annotated.features(rows[start : start + BLOCK]).items():
            flat = maps.double().cpu().transpose(0, 1).flatten(1)
            sums[name] += torch.stack([flat.sum(dim=1), flat.square().sum(dim=1)])
            pixels[name] += flat.shape[1]
    for name, (total, squares) in sums.items():
        mean = total / pixels[name]
        heads.centre[name].copy_(mean)
        heads.deviation[name].copy_(
            (squares / pixels[name] - mean.square()).clamp_min(0).sqrt().clamp_min(LEAST_DEVIATION)
        )


@torch.no_grad()
def clip_members(heads: nn.Module) -> None:
    """Bound the gradient's norm of each member by itself: parameters are [members, ...]."""
    grads = [parameter.grad for parameter in heads.parameters() if parameter.grad is not None]
    norms = torch.stack([grad.flatten(1).norm(dim=1) for grad in grads]).norm(dim=0)
    factors = (MAX_GRADIENT_NORM / (norms + 1e-6)).clamp_max(1)
    for grad in grads:
        grad.mul_(factors.view(-1, *[1] * (grad.dim() - 1)))


class EarlyStop:
    """Keep each member's weights of the lowest loss on held-out rows; all done when none has improved for long.

    Parameters
    ----------
    heads
        In training.
    annotated, held
        The rows held out.
    patience
        Checks without a lower loss after which a member's weights are kept for good.
    every
        Steps between checks.
    """

    def __init__(self, heads: LabelHeads, annotated: Annotated, held: Sequence[int], patience: int, every: int) -> None:
        self.best = copy.deepcopy(heads)
        self._heads, self._annotated, self._held = heads, annotated, held
        self._patience, self._every = patience, every
        self._lowest = [math.inf] * heads.shape.members
        self._waited = [0] * heads.shape.members

    def __call__(self, step: int) -> bool:
        """Look after a step, if it is time; true when training shall end."""
        if step % self._every:
            return False
        for number, loss in enumerate(held_out_loss(self._heads, self._annotated, self._held).tolist()):
            if self._waited[number] >= self._patience:
                continue
            self._waited[number] += 1
            if loss < self._lowest[number]:
                self._lowest[number], self._waited[number] = loss, 0
                copy_members(self._heads, [number], self.best, [number])
        return min(self._waited) >= self._patience


@torch.no_grad()
def held_out_loss(heads: LabelHeads, annotated: Annotated, rows: Sequence[int]) -> Tensor:
    """Return each member's mean loss on rows, [members]."""
    total = torch.zeros(heads.shape.members)
    for start in range(0, len(rows), BLOCK):
        batch = rows[start : start + BLOCK]
        logits = heads(annotated.features(batch), annotated.class_ids[list(batch)].to(heads.paint.device))
        weights = torch.ones(heads.shape.members, len(batch), device=logits.device)
        total += len(batch) * ensemble_loss(logits, annotated.targets(batch).to(logits.device), weights).cpu()
    return total / len(rows)


@torch.no_grad()
def member_probabilities(heads: LabelHeads, features: dict[str, Tensor], class_ids: Tensor) -> Tensor:
    """Return the members' probabilities: float32 [members, n, labels, H, W]."""
    height, width = features[heads.shape.scales[-1][0]].shape[-2:]
    together = max(1, CACHED_PIXELS // (height * width))
    parts = []
    for start in range(0, len(class_ids), together):
        part = slice(start, start + together)
        logits = heads({name: maps[part] for name, maps in features.items()}, class_ids[part])
        parts.append(logits.softmax(dim=2))
    return torch.cat(parts, dim=1)


def most_likely(probabilities: Tensor) -> Tensor:
    """Return the label of the highest probability, [n, labels, H, W] to uint8 [n, H, W]: a faster argmax."""
    best = probabilities.amax(dim=1, keepdim=True)
    labels = torch.arange(probabilities.shape[1], 0, -1, dtype=torch.uint8, device=probabilities.device)
    # The first of equals wins: labels are counted from the end, and the largest count is taken.
    counted = (probabilities == best) * labels.view(1, -1, 1, 1)
    return probabilities.shape[1] - counted.amax(dim=1)
