"""Train and test every seed of one arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from radgen.benchmark.arms import ArmInputs
from radgen.benchmark.batches import BatchSource, Pool, class_ids
from radgen.benchmark.classification import Classification
from radgen.benchmark.segmentation import Segmentation
from radgen.benchmark.settings import CLASSIFICATION
from radgen.benchmark.tables import HISTORY_SCHEMA, SCORES_SCHEMA, table_of
from radgen.benchmark.train import Check, train
from radgen.errors import CohortError
from radgen.seeds import derive_seed


def run_arm(inputs: ArmInputs, device: torch.device, say: Callable[[str], None]) -> tuple[pa.Table, pa.Table]:
    """Train one network per seed and score the test patients.

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
    arm, task = inputs.arm, _task(inputs)
    _check_classes(inputs)
    scores: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    for seed in range(inputs.settings.seed, inputs.settings.seed + inputs.settings.seeds):
        # Seeds do not know the arm: networks of one seed start from the same weights in every arm.
        batches = _batches(inputs, task.batch_size, derive_seed("benchmark batches", arm.task, seed))
        weights_seed = derive_seed("benchmark weights", arm.task, seed)
        network, checks = train(task, batches, inputs.settings, weights_seed, device)
        rows = (
            task.test_rows(network, arm.test, device)
            if isinstance(task, Classification)
            else task.test_rows(network, arm.test, inputs.volumes, device)
        )
        scores += [row | {"seed": seed} for row in rows]
        history += [vars(check) | {"task": arm.task, "arm": arm.name, "seed": seed} for check in checks]
        say(f"benchmark: {arm.task} {arm.name}, seed {seed}: {_in_words(checks)}; {_tested(rows)}")
    facts = arm.facts() | inputs.budget.to_dict()
    scores.sort(key=lambda row: (row["seed"], row["series"], row.get("image_id") or "", row["metric"]))
    return table_of((facts | row for row in scores), SCORES_SCHEMA), table_of(history, HISTORY_SCHEMA)


def _task(inputs: ArmInputs) -> Classification | Segmentation:
    if inputs.arm.task == CLASSIFICATION:
        return Classification(inputs.real, inputs.arm.val, inputs.class_names, inputs.settings)
    return Segmentation(inputs.real, inputs.arm.val, inputs.structures, inputs.settings)


def _pools(inputs: ArmInputs) -> tuple[Pool | None, Pool | None]:
    real = Pool(inputs.real, inputs.arm.train) if len(inputs.arm.train) else None
    if inputs.synthetic is None:
        return real, None
    return real, Pool(inputs.synthetic, np.arange(len(inputs.synthetic), dtype=np.int64))


def _batches(inputs: ArmInputs, batch_size: int, seed: int) -> BatchSource:
    real, synthetic = _pools(inputs)
    with_masks = inputs.arm.task != CLASSIFICATION
    return BatchSource(
        real=real,
        synthetic=synthetic,
        settings=inputs.settings,
        batch_size=batch_size,
        seed=seed,
        with_masks=with_masks,
    )


def _check_classes(inputs: ArmInputs) -> None:
    """Refuse a classification arm that would never see one of its classes."""
    if inputs.arm.task != CLASSIFICATION:
        return
    ids = [class_ids(inputs.real)[inputs.arm.train]]
    if inputs.synthetic is not None:
        ids.append(class_ids(inputs.synthetic))
    counts = np.bincount(np.concatenate(ids), minlength=len(inputs.class_names))
    for name, count in zip(inputs.class_names, counts, strict=True):
        if count == 0:
            msg = (
                f"arm {inputs.arm.name}: class {name} has no training image among {int(counts.sum())}; "
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
