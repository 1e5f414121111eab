"""The training loop of encoder and judge: a fixed number of images, one objective, one network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.cohort.settings import ClassSettings
from radgen.errors import TrainingError
from radgen.features.embed import accuracies, features_of, fit_probe, probabilities_of
from radgen.features.grades import degrade
from radgen.features.network import ConvEncoder, FeatureNetwork, NetworkShape, to_network
from radgen.features.objectives import CLASSES, Expander, graded_views
from radgen.features.rows import TrainingRows, class_ids
from radgen.features.settings import EncoderSettings, JudgeSettings
from radgen.features.views import random_views
from radgen.imageset.core import ImageSet
from radgen.seeds import derive_seed, random_generator

WARM_UP_SHARE = 0.05
STANDARDISE_IMAGES = 20_000

HISTORY_SCHEMA = pa.schema(
    [
        pa.field("seen_images", pa.int64()),
        pa.field("split", pa.string()),  # train | val
        pa.field("metric", pa.string()),  # loss | accuracy | balanced_accuracy
        pa.field("value", pa.float64()),
    ]
)
HistoryRow = tuple[int, str, str, float]
Settings = EncoderSettings | JudgeSettings


@dataclass(frozen=True)
class Lesson:
    """What one network learns from.

    Attributes
    ----------
    images
        The real image set.
    rows
        Which images are shown, and whose class may be used.
    classes
        The study's classes.
    objective
        "classes", "views" or "both".
    """

    images: ImageSet
    rows: TrainingRows
    classes: ClassSettings
    objective: str

    @property
    def shown(self) -> NDArray[np.int64]:
        """Positions of the images that enter the loss."""
        return self.rows.pixels if self.objective == "views" else self.rows.labelled


def choose_objective(wanted: str, rows: TrainingRows, images: ImageSet, classes: ClassSettings) -> tuple[str, str]:
    """Decide between class labels, views, and both.

    Returns
    -------
    objective, reason
        The reason is a phrase for one printed line.

    Raises
    ------
    TrainingError
        Classes are asked for where fewer than two have labelled images.
    """
    present = len(np.unique(class_ids(images, rows.labelled, classes)))
    if wanted == "classes" and present < 2:
        msg = f"objective is classes, but labelled images are of {present} class(es); set objective: auto or views"
        raise TrainingError(msg)
    if wanted in {"views", "classes"}:
        return wanted, "asked for"
    if present < 2:
        return "views", f"{wanted}: labelled images are of {present} class(es)"
    if wanted == "both":
        return "both", f"{present} classes"
    if rows.few_labels:
        return "views", "auto: the setting withholds class labels of most images"
    return "classes", f"auto: {present} classes"


def train_network(
    lesson: Lesson, settings: Settings, device: torch.device, say: Callable[[str], None]
) -> tuple[ConvEncoder, list[HistoryRow]]:
    """Train a network, standardise its features, and give it a class head where labels are allowed.

    Parameters
    ----------
    lesson
        Images, rows and objective.
    settings
        Budget, rates, seed.
    device
        Where to train.
    say
        Prints one progress line.

    Returns
    -------
    network, history
        The network on the CPU; rows of (seen images, split, metric, value).

    Raises
    ------
    TrainingError
        The loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("features", settings.seed, "weights"))
        channels, height, width = lesson.images.image_shape
        names = lesson.classes.names
        shape = NetworkShape(
            channels, height, width, settings.dimension, settings.width, names, _has_classes(lesson), lesson.objective
        )
        network = ConvEncoder(shape)
        expander = Expander(settings.dimension)
    history = _fit(network.to(device), expander.to(device), _Draw(lesson, settings), device, say)
    _standardise(network, lesson, settings, device)
    if len(names) > 1 and lesson.objective == "views" and shape.has_classes:
        labelled = features_of(FeatureNetwork(network, "", device), lesson.images, lesson.rows.labelled)
        probe = fit_probe(labelled, class_ids(lesson.images, lesson.rows.labelled, lesson.classes), len(names))
        network.classify.load_state_dict(probe.state_dict())
    history += _accuracy_rows(network, lesson, settings.images, device)
    return network.cpu(), history


def history_table(rows: list[HistoryRow]) -> pa.Table:
    """Return the history as a table of HISTORY_SCHEMA."""
    names = HISTORY_SCHEMA.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=HISTORY_SCHEMA)


def _has_classes(lesson: Lesson) -> bool:
    return len(lesson.classes.names) == 1 or len(lesson.rows.labelled) > 0


def _fit(
    network: ConvEncoder, expander: Expander, draw: _Draw, device: torch.device, say: Callable[[str], None]
) -> list[HistoryRow]:
    settings, size = draw.settings, draw.settings.batch_size
    parts = nn.ModuleList([network, expander])
    optimiser = torch.optim.AdamW(parts.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    history: list[HistoryRow] = []
    losses: list[float] = []
    due = settings.report_every_images
    network.train()
    for seen in range(0, settings.images, size):
        rate = settings.learning_rate * _schedule(seen / settings.images)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = _loss(network, expander, draw, seen, device)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            msg = f"the loss is {losses[-1]} after {seen} images at rate {rate:.2g}; lower learning_rate and run again"
            raise TrainingError(msg)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if seen + size >= min(due, settings.images):
            history.append((seen + size, "train", "loss", float(np.mean(losses))))
            say(f"{seen + size:>7} images  {draw.lesson.objective} loss {history[-1][3]:.4f}")
            due, losses = due + settings.report_every_images, []
    return history


def _schedule(progress: float) -> float:
    """Rise linearly, then fall to zero along a cosine."""
    if progress < WARM_UP_SHARE:
        return max(progress / WARM_UP_SHARE, 0.02)
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))


def _loss(network: ConvEncoder, expander: Expander, draw: _Draw, seen: int, device: torch.device) -> Tensor:
    images, ids, generator = draw(seen)
    batch = to_network(images, device)
    views = draw.settings.views
    one = random_views(batch, views, generator)
    if draw.lesson.objective == "classes":
        return F.cross_entropy(network.logits(network.embed(one)), torch.from_numpy(ids).to(device))
    both, grades = degrade(torch.cat([one, random_views(batch, views, generator)]), views, generator)
    features = network.embed(both)
    loss = graded_views(features, grades, expander)
    if draw.lesson.objective == "both":
        loss = loss + CLASSES * F.cross_entropy(network.logits(features), torch.from_numpy(ids).to(device).repeat(2))
    return loss


class _Draw:
    """Batches as a pure function of the images seen so far; classes weigh the same where they are the objective."""

    def __init__(self, lesson: Lesson, settings: Settings) -> None:
        self.lesson, self.settings = lesson, settings
        if lesson.objective != "views":
            ids = class_ids(lesson.images, lesson.shown, lesson.classes)
            self._groups = [(int(number), lesson.shown[ids == number]) for number in np.unique(ids)]
        else:
            self._groups = [(0, lesson.shown)]

    def __call__(self, seen: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], torch.Generator]:
        rng = random_generator("features", self.settings.seed, "batch", seen)
        count = self.settings.batch_size
        groups = rng.integers(len(self._groups), size=count)
        places = rng.random(count)
        chosen = [self._groups[group] for group in groups]
        positions = [rows[int(place * len(rows))] for place, (_, rows) in zip(places, chosen, strict=True)]
        ids = np.array([number for number, _ in chosen], dtype=np.int64)
        views = torch.Generator().manual_seed(derive_seed("features", self.settings.seed, "views", seen))
        return self.lesson.images.images(np.array(positions)), ids, views


def _standardise(network: ConvEncoder, lesson: Lesson, settings: Settings, device: torch.device) -> None:
    """Give every feature mean 0 and variance 1 on the training images; the class head stays the same function."""
    rows = lesson.rows.pixels
    if len(rows) > STANDARDISE_IMAGES:
        rng = random_generator("features", settings.seed, "standardise")
        rows = np.sort(rng.choice(rows, STANDARDISE_IMAGES, replace=False))
    values = features_of(FeatureNetwork(network, "", device), lesson.images, rows).astype(np.float64)
    centre = torch.from_numpy(values.mean(axis=0)).float().to(device)
    scale = torch.from_numpy(values.std(axis=0).clip(min=1e-4)).float().to(device)
    network.centre.copy_(centre)
    network.scale.copy_(scale)
    head = network.classify
    head.bias.copy_(head.bias + head.weight @ centre)
    head.weight.copy_(head.weight * scale)


def _accuracy_rows(network: ConvEncoder, lesson: Lesson, seen: int, device: torch.device) -> list[HistoryRow]:
    """Report class accuracy on training and validation images; nothing is chosen by it."""
    if not network.shape.has_classes or len(lesson.classes.names) == 1:
        return []
    frozen = FeatureNetwork(network, "", device)
    rows: list[HistoryRow] = []
    for split in ("train", "val"):
        val = lesson.images.rows_where(split="val", class_name=lesson.classes.names)
        wanted = lesson.rows.labelled if split == "train" else val
        if len(wanted) == 0:
            continue
        ids = class_ids(lesson.images, wanted, lesson.classes)
        accuracy, balanced = accuracies(probabilities_of(frozen, lesson.images, wanted), ids)
        rows += [(seen, split, "accuracy", accuracy), (seen, split, "balanced_accuracy", balanced)]
    return rows
