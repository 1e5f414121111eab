"""Training the ensemble of label heads, all members at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.labels.annotated import Annotated
from radgen.labels.head import HeadShape, LabelHeads
from radgen.labels.loss import distillation_loss, ensemble_loss, label_weights_of
from radgen.labels.members import copy_members, start_members
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.steps import MAX_GRADIENT_NORM, run_steps
from radgen.labels.teacher import Teachers, teach_teachers
from radgen.labels.vary import vary_styles
from radgen.seeds import derive_seed, random_generator

BLOCK = 16  # images per forward pass where nothing is learnt
LEAST_DEVIATION = 1e-4  # a feature channel that never changes stays small instead of dividing by nothing


def train_heads(
    annotated: Annotated,
    held: NDArray[np.bool_],
    shape: HeadShape,
    settings: LabelHeadSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> LabelHeads:
    """Train all members together; each has its own initial weights and holds out other rows.

    All look at the same images at a step, some of which do not count for some: the generator draws each but once.
    A member's gradient, its bound and its end depend on no other member. Images that a member holds out count in the
    mean and variance of its channels, which ask for no mask.

    Parameters
    ----------
    annotated
        Images, masks and where the features come from.
    held
        bool [members, n]: rows that a member does not learn from, but whose loss says which of its weights are kept,
        and when to stop. The last are kept of a member that holds out none.
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
    standardise(heads, annotated)
    if settings.teacher_images:
        teachers = teach_teachers(annotated, held, shape.labels, settings, device=device, say=say)
        loss = _loss_of_lessons(heads, teachers, settings)
    else:
        loss = _loss_of_masks(heads, annotated, held, settings)
    steps = max(1, settings.images // settings.batch_size)
    stop = EarlyStop(heads, annotated, held, settings.patience, max(1, steps // settings.checks))
    run_steps(
        heads,
        loss,
        steps=steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        name="label heads",
        say=say,
        clip=clip_members,
        is_done=stop,
    )
    return stop.finish().eval()


def _loss_of_masks(
    heads: LabelHeads, annotated: Annotated, held: NDArray[np.bool_], settings: LabelHeadSettings
) -> Callable[[int], Tensor]:
    """Return step number to loss by the masks themselves; a step's rows and styles depend on seed and step alone."""
    rows = np.arange(len(annotated))
    device = heads.paint.device
    balance = _label_weights(annotated, held, len(heads.shape.labels), settings.balance).to(device)

    def loss_at(step: int) -> Tensor:
        batch = rows_at(step, rows, settings)
        random = torch.Generator().manual_seed(derive_seed("labels", "vary", settings.seed, step))
        class_ids = annotated.class_ids[batch].to(device)
        styles = annotated.w[batch].to(device)
        if settings.fine_layers:
            styles = vary_styles(annotated.sampler, styles, class_ids, settings, random)
        features = drop(annotated.features(batch, styles), settings.dropout, random)
        member_weights = torch.from_numpy(~held[:, batch]).float().to(device)
        return ensemble_loss(
            heads(features, class_ids),
            annotated.targets(batch).to(device),
            member_weights,
            label_weights=balance if settings.balance else None,
            focus=settings.focus,
        ).sum()

    return loss_at


def _loss_of_lessons(heads: LabelHeads, teachers: Teachers, settings: LabelHeadSettings) -> Callable[[int], Tensor]:
    """Return step number to loss by what each member's teacher paints on samples of that step."""

    def loss_at(step: int) -> Tensor:
        lesson = teachers.lesson(step)
        random = torch.Generator().manual_seed(derive_seed("labels", "vary", settings.seed, step))
        logits = heads(drop(lesson.features, settings.dropout, random), lesson.class_ids)
        return distillation_loss(logits, lesson.probabilities).sum()

    return loss_at


def _label_weights(annotated: Annotated, held: NDArray[np.bool_], labels: int, balance: float) -> Tensor:
    """Return what a pixel of each label weighs for each member, by the masks it learns from: [members, labels]."""
    counts = torch.stack([torch.bincount(mask.flatten(), minlength=labels) for mask in annotated.masks])
    return label_weights_of(torch.from_numpy(~held).float() @ counts.float(), balance)


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


@torch.no_grad()
def standardise(heads: LabelHeads, annotated: Annotated) -> None:
    """Measure mean and deviation of every feature channel, so that all scales speak equally loud at first."""
    sums = {name: torch.zeros(2, count, dtype=torch.float64) for name, count in heads.shape.scales}
    pixels = dict.fromkeys(sums, 0)
    for start in range(0, len(annotated), BLOCK):
        for name, maps in annotated.features(range(start, min(start + BLOCK, len(annotated)))).items():
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
    """Keep each member's weights of the lowest loss on the rows it holds out; all done when none has improved for long.

    Parameters
    ----------
    heads
        In training.
    annotated
        All rows.
    held
        bool [members, n]; a member that holds out nothing never stops, and its last weights are kept.
    patience
        Checks without a lower loss after which a member's weights are kept for good.
    every
        Steps between checks.
    """

    def __init__(
        self, heads: LabelHeads, annotated: Annotated, held: NDArray[np.bool_], patience: int, every: int
    ) -> None:
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
            if self._waited[number] >= self._patience or math.isinf(loss):
                continue
            self._waited[number] += 1
            if loss < self._lowest[number]:
                self._lowest[number], self._waited[number] = loss, 0
                copy_members(self._heads, [number], self.best, [number])
        return min(self._waited) >= self._patience

    def finish(self) -> LabelHeads:
        """Return each member with the weights that are kept."""
        last = np.flatnonzero(~self._held.any(axis=1)).tolist()
        copy_members(self._heads, last, self.best, last)
        return self.best


@torch.no_grad()
def held_out_loss(heads: LabelHeads, annotated: Annotated, held: NDArray[np.bool_]) -> Tensor:
    """Return each member's mean loss on the rows that it holds out, [members]; infinite where there are none."""
    was_training = heads.training
    heads.eval()  # what is kept is judged as it will paint
    total = torch.zeros(heads.shape.members)
    rows = np.flatnonzero(held.any(axis=0)).tolist()
    for start in range(0, len(rows), BLOCK):
        batch = rows[start : start + BLOCK]
        logits = heads(annotated.features(batch), annotated.class_ids[batch].to(heads.paint.device))
        weights = torch.from_numpy(held[:, batch]).float()
        losses = ensemble_loss(logits, annotated.targets(batch).to(logits.device), weights.to(logits.device)).cpu()
        total += weights.sum(dim=1) * losses
    heads.train(was_training)
    counts = torch.from_numpy(held.sum(axis=1))
    return torch.where(counts > 0, total / counts.clamp_min(1), math.inf)
