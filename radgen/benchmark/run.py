"""Train and test every network of one arm."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from radgen.benchmark.arms import Arm, ArmInputs
from radgen.benchmark.augmentation import Augmentation
from radgen.benchmark.batches import BatchSource, Pool, Source, StreamPool, Unlabelled, class_ids
from radgen.benchmark.classification import Classification
from radgen.benchmark.methods import MeanTeacher, Method
from radgen.benchmark.schedule import phases
from radgen.benchmark.segmentation import Segmentation
from radgen.benchmark.settings import CLASSIFICATION
from radgen.benchmark.tables import HISTORY_SCHEMA, SCORES_SCHEMA, table_of
from radgen.benchmark.train import Check, train
from radgen.errors import CohortError
from radgen.seeds import derive_seed

Task = Classification | Segmentation
CHUNKS_PER_NETWORK = 10_000  # of online pairs: no two networks see one


@dataclass(frozen=True)
class Choice:
    """What the small search may choose: steps in all, and how strong augmentation is."""

    steps: int
    strength: float


def run_arm(inputs: ArmInputs, device: torch.device, say: Callable[[str], None]) -> tuple[pa.Table, pa.Table]:
    """Train one network per seed and score the test patients, or the patients of its development fold.

    Parameters
    ----------
    inputs
        The arm.
    device
        Where to compute.
    say
        Takes progress lines.

    Returns
    -------
    scores, history
        Tables of SCORES_SCHEMA and HISTORY_SCHEMA.

    Raises
    ------
    CohortError
        A class has no training image in this arm.
    """
    name, task_name = inputs.arm.name, inputs.arm.task
    scores: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    for arm, seed in zip(inputs.arms, inputs.seeds, strict=True):
        _check_classes(inputs, arm, seed)
        network = _Network(inputs, arm, seed, device)
        choice, trained, checks = network.best(say)
        rows = network.test(trained)
        scores += [row | {"seed": seed, "generator": inputs.source_of(seed)} for row in rows]
        told = {"task": task_name, "arm": name, "seed": seed}
        told |= {"planned_steps": choice.steps, "strength": choice.strength}
        history += [vars(check) | told for check in checks]
        say(f"benchmark: {task_name} {name}, seed {seed}: {_in_words(checks)}; {_tested(rows)}")
    facts = inputs.arm.facts() | inputs.budget.to_dict()
    scores.sort(key=lambda row: (row["seed"], row["series"], row.get("image_id") or "", row["metric"]))
    return table_of((facts | row for row in scores), SCORES_SCHEMA), table_of(history, HISTORY_SCHEMA)


class _Network:
    """One network of an arm on its way from images to scores.

    Parameters
    ----------
    inputs, arm, seed
        What it is made of; `arm` is this network's own.
    device
        Where to compute.
    """

    def __init__(self, inputs: ArmInputs, arm: Arm, seed: int, device: torch.device) -> None:
        self._inputs, self._arm, self._seed, self._device = inputs, arm, seed, device
        names = inputs.class_names if arm.task == CLASSIFICATION else inputs.structures
        kind = Classification if arm.task == CLASSIFICATION else Segmentation
        self._task: Task = kind(inputs.real, arm.val, names, inputs.settings)
        self._real = _real_pool(inputs, arm, device)

    def best(self, say: Callable[[str], None]) -> tuple[Choice, nn.Module, list[Check]]:
        """Train with every setting of the small search and keep the best by the arm's own validation patients.

        The same few settings are tried in every arm; without a search there is one.
        """
        settings = self._inputs.settings
        tried = itertools.product(
            settings.search_steps or (settings.max_steps,), settings.search_augmentation or (1.0,)
        )
        found: tuple[tuple[float, float], Choice, nn.Module, list[Check]] | None = None
        for choice in itertools.starmap(Choice, tried):
            network, checks = self.train(choice)
            chosen = next(check for check in checks if check.chosen)
            rank = (chosen.val_score if math.isfinite(chosen.val_score) else -math.inf, -chosen.val_loss)
            if found is None or rank > found[0]:
                found = rank, choice, network, checks
            say(f"benchmark: {self._arm.name}, seed {self._seed}: {choice}: validation {chosen.val_score:.3f}")
        assert found is not None  # noqa: S101 - there is at least one setting
        return found[1:]

    def train(self, choice: Choice) -> tuple[nn.Module, list[Check]]:
        """Train with one setting; the same one gives the same network."""
        arm, settings, seed = self._arm, self._inputs.settings, self._seed
        # Seeds do not know the arm: networks of one seed start from the same weights in every arm.
        weights_seed = derive_seed("benchmark weights", arm.task, seed)
        unlabelled = self._unlabelled(choice)
        method: Method | None = None
        if unlabelled is not None and arm.settings.method == "mean_teacher":
            decay, weight = settings.teacher_decay, settings.teacher_weight
            method = MeanTeacher(
                self._task, unlabelled, decay=decay, weight=weight, steps=choice.steps, device=self._device
            )
        pretext = None if unlabelled is None else self._task.pretext(unlabelled, seed, self._device)
        return train(
            self._task,
            self._batches(choice),
            settings,
            weights_seed,
            self._device,
            phases=phases(arm.settings, settings, choice.steps),
            method=method,
            pretext=pretext,
        )

    def test(self, network: nn.Module) -> list[dict[str, Any]]:
        """Score the arm's test rows."""
        if isinstance(self._task, Classification):
            return self._task.test_rows(network, self._arm.test, self._device)
        # Patches of a structure come from no whole reference volume: they are scored as they are stored.
        if self._arm.evaluation == "development" or self._inputs.real.has_covers:
            return self._task.slice_rows(network, self._arm.test, self._device)
        return self._task.test_rows(network, self._arm.test, self._inputs.volumes, self._device)

    def _batches(self, choice: Choice) -> BatchSource:
        arm, settings = self._arm, self._inputs.settings
        own = arm.settings.synthetic_share
        return BatchSource(
            real=self._real,
            synthetic=self._synthetic(),
            synthetic_share=settings.synthetic_share if own is None else own,
            augmentation=Augmentation.of(settings, arm.settings.augmentation, choice.strength),
            batch_size=self._task.batch_size,
            seed=derive_seed("benchmark batches", arm.task, self._seed),
            with_masks=arm.task != CLASSIFICATION,
        )

    def _synthetic(self) -> Source | None:
        name = self._inputs.source_of(self._seed)
        if name is None:
            return None
        if self._arm.settings.online:
            from radgen.labels.stream import PairStream

            weights, head, manifest, *encoder = self._inputs.stream
            pairs = PairStream(
                weights,
                head,
                manifest,
                encoder=encoder[0] if encoder else None,
                first_chunk=CHUNKS_PER_NETWORK * self._seed,
                device=self._device.type,
            )
            return StreamPool(name, pairs)
        images = self._inputs.synthetic[name]
        return Pool(images, np.arange(len(images), dtype=np.int64))

    def _unlabelled(self, choice: Choice) -> Unlabelled | None:
        arm = self._arm
        if len(arm.unlabelled) == 0:
            return None
        pool = Pool(self._inputs.real, arm.unlabelled, by_class=False)
        # Views must differ for agreement to teach anything.
        views = Augmentation.of(self._inputs.settings, "strong", choice.strength)
        seed = derive_seed("benchmark unlabelled", arm.task, self._seed)
        return Unlabelled(pool, views, self._task.batch_size, seed)


def _real_pool(inputs: ArmInputs, arm: Arm, device: torch.device) -> Pool | None:
    if len(arm.train) == 0:
        return None
    painted = {}
    if len(arm.painted) and inputs.annotator is not None:
        from radgen.labels.segmenter import check_segmenter, load_segmenter, predict

        segmenter = load_segmenter(inputs.annotator, device)
        check_segmenter(segmenter.shape, ("background", *inputs.structures))
        masks = predict(segmenter, inputs.real.images(arm.painted), device)
        painted = dict(zip(arm.painted.tolist(), masks, strict=True))
    return Pool(inputs.real, arm.train, painted=painted)


def _check_classes(inputs: ArmInputs, arm: Arm, seed: int) -> None:
    """Refuse a classification arm that would never see one of its classes."""
    if arm.task != CLASSIFICATION:
        return
    ids = [class_ids(inputs.real)[arm.train]]
    source = inputs.source_of(seed)
    if source is not None:
        ids.append(class_ids(inputs.synthetic[source]))
    together = np.concatenate(ids)
    counts = np.bincount(together[together >= 0], minlength=len(inputs.class_names))
    for name, count in zip(inputs.class_names, counts, strict=True):
        if count == 0:
            msg = (
                f"arm {arm.name}: class {name} has no training image among {int(counts.sum())}; "
                "raise the arm's fraction or choose another low.seed"
            )
            raise CohortError(msg)


def _tested(rows: Sequence[Mapping[str, Any]]) -> str:
    empty = Counter(row["reason"] for row in rows if row.get("reason") and row["metric"] == "dice")
    absent = {row["series"]: row["n_missing_slices"] for row in rows if row.get("n_missing_slices")}
    told = [f"{count} {reason}" for reason, count in sorted(empty.items())]
    told += [f"{sum(absent.values())} slices absent"] if absent else []
    return ", ".join([f"{len(rows)} test rows", *told])


def _in_words(checks: Sequence[Check]) -> str:
    best = next(check for check in checks if check.chosen)
    return f"best state at step {best.step} of {checks[-1].step}, validation {best.val_score:.3f}"
