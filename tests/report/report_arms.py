"""What the benchmark of the invented study would leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from report_study import ARM_SKILL, ARMS, CLASSES, PATIENTS, SLICES_PER_PATIENT, STRUCTURES, Tree

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings, SummarySettings
from radgen.benchmark.tables import HISTORY_SCHEMA, SCORES_SCHEMA, table_of
from radgen.cohort.settings import LowSettings
from radgen.imageset.core import write_table
from radgen.seeds import random_generator
from radgen.stages import benchmark_summary


def write_benchmark(tree: Tree) -> None:
    scores, manifests = [], []
    for task in ("classification", "segmentation"):
        for arm, settings in ARMS.items():
            place = {"task": task, "arm": arm}
            facts = _arm_facts(task, arm, settings)
            write_table(tree.path("benchmark.arm_scores", **place), table_of(_scores(task, arm, facts), SCORES_SCHEMA))
            write_table(tree.path("benchmark.arm_history", **place), table_of(_history(task, arm), HISTORY_SCHEMA))
            training = {"seeds": 3, "max_steps": 400, "batch_size": 16}
            tree.manifest("benchmark.arm_manifest", "benchmark", {"training": training}, **place)
            scores.append(tree.path("benchmark.arm_scores", **place))
            manifests.append(tree.path("benchmark.arm_manifest", **place))
    benchmark_summary.run(
        scores=tuple(scores),
        manifests=tuple(manifests),
        table=tree.path("benchmark.scores"),
        summary=tree.path("benchmark.summary"),
        curve=tree.path("benchmark.curve"),
        verdicts=tree.path("benchmark.verdicts"),
        manifest=tree.path("benchmark.manifest"),
        benchmark=BenchmarkSettings(summary=SummarySettings(bootstrap_samples=100)),
        arms=ARMS,
        low=LowSettings(fraction=0.1),
    )
    summary = {
        "bootstrap_samples": 100,
        "permutations": 100,
        "confidence": 0.95,
        "rule_gap": 0.05,
        "rule_standard_errors": 4.0,
    }
    tree.manifest("benchmark.manifest", "benchmark_summary", {"summary": summary})


def _arm_facts(task: str, arm: str, settings: ArmSettings) -> dict[str, Any]:
    fraction = 0.1 if settings.real_fraction == "low" else float(settings.real_fraction)
    patients = round(14 * fraction)
    return {
        "task": task,
        "arm": arm,
        "setting": settings.setting,
        "synthetic": settings.synthetic,
        "headline": settings.synthetic is not None,
        "real_fraction": fraction,
        "n_train_patients": patients,
        "n_train_images": 4 * patients,
        "n_synthetic_images": 40 if settings.synthetic else 0,
        "n_val_patients": max(1, patients // 5),
        "n_annotator_patients": 3 if settings.synthetic else 0,
        "n_borrowed_patients": 0,
    }


def _scores(task: str, arm: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    tested = [key for key, split in PATIENTS if split == "test"]
    for seed in range(3):
        for patient in tested:
            random = random_generator("tree", task, arm, seed, patient)
            base = dict(facts) | {"seed": seed, "patient": patient, "series": f"{patient}s"}
            if task == "segmentation":
                level = random_generator("tree", patient).normal(0, 0.03)
                for name in STRUCTURES:
                    value = float(np.clip(ARM_SKILL[arm] + level + random.normal(0, 0.015), 0, 1))
                    rows += [
                        base
                        | {"structure": name, "metric": "dice", "value": value, "reason": "", "n_missing_slices": 0}
                    ]
                    rows += [
                        base
                        | {
                            "structure": name,
                            "metric": "hd95_mm",
                            "value": 12 * (1 - value),
                            "reason": "",
                            "n_missing_slices": 0,
                        }
                    ]
            else:
                for number in range(SLICES_PER_PATIENT):
                    truth = number % 2
                    chance = 1 / (1 + np.exp(-4 * (ARM_SKILL[arm] - 0.5) * (2 * truth - 1) - random.normal(0, 1)))
                    for class_id, name in enumerate(CLASSES):
                        share = float(chance if class_id else 1 - chance)
                        rows += [base | {"image_id": f"{patient}_{number:03d}", "structure": name, "metric": "probability", "probability": share, "truth": int(truth == class_id)}]  # noqa: E501  # fmt: skip
    return rows


def _history(task: str, arm: str) -> list[dict[str, Any]]:
    rows = []
    for seed in range(3):
        random = random_generator("tree", "history", task, arm, seed)
        for step in range(50, 401, 50):
            score = ARM_SKILL[arm] * (1 - np.exp(-step / 90)) + random.normal(0, 0.01)
            rows.append({"task": task, "arm": arm, "seed": seed, "step": step, "seen_images": 16 * step, "train_loss": 0.5, "val_loss": 0.6, "val_score": float(score), "chosen": step == 350})  # noqa: E501  # fmt: skip
    return rows
