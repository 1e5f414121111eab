"""The benchmark's tables as figures and page read them: primary rows, arms in words, what must be said of masks."""

from __future__ import annotations

import pandas as pd

from radgen.report.study import StudyResults

METRIC_WORDS = {
    "auc": "AUC",
    "ap": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "ece": "calibration error",
    "patient_auc": "AUC of patients",
    "patient_ap": "average precision of patients",
    "patient_balanced_accuracy": "balanced accuracy of patients",
    "patient_brier": "Brier score of patients",
    "patient_ece": "calibration error of patients",
    "dice": "Dice",
    "hd95_mm": "95 % Hausdorff distance, mm",
    "surface_dice": "surface Dice",
}
SUMMARY = (
    "task", "arm", "setting", "synthetic", "headline", "n_train_patients", "n_train_images", "n_synthetic_images",
    "n_val_patients", "n_annotator_patients", "n_borrowed_patients", "metric", "structure", "primary", "mean",
    "mean_lower", "mean_upper", "seed_sd", "n_seeds", "n_patients", "n_scored", "to_low", "to_low_lower",
    "to_low_upper", "to_budget", "to_budget_lower", "to_budget_upper", "gap_share", "n_both_empty", "n_missed",
    "n_invented", "evaluation",
)  # fmt: skip


def whom(rows: pd.DataFrame) -> str:
    """Return who was scored, in words."""
    development = (rows["evaluation"] == "development").any()
    return "patients of development folds" if development else "real test patients"


VERDICTS = ("task", "arm", "kind", "sentence")


def verdict_sentences(study: StudyResults, task: str) -> list[str]:
    """Return what a task's benchmark says in sentences: what it could tell first, then arm by arm."""
    if not study.has("benchmark.verdicts"):
        return []
    table = study.table("benchmark.verdicts", VERDICTS)
    return [str(one).removeprefix(f"{task}: ") for one in table[table["task"] == task]["sentence"]]


def tasks(study: StudyResults) -> list[str]:
    """Return the tasks that were scored."""
    return sorted(set(study.table("benchmark.summary", SUMMARY)["task"]))


def primary_rows(study: StudyResults, task: str) -> pd.DataFrame:
    """Return the summary rows that headlines go by, one per arm, in the order of the summary."""
    summary = study.table("benchmark.summary", SUMMARY)
    return summary[(summary["task"] == task) & summary["primary"] & summary["structure"].isna()]


def metric_of(rows: pd.DataFrame) -> str:
    """Return the metric of primary rows in words."""
    name = str(rows["metric"].iloc[0])
    return METRIC_WORDS.get(name, name)


def arm_words(study: StudyResults, arm: str) -> str:
    """Return what an arm trains on, in words."""
    return study.facts.arms.get(arm, arm.replace("_", " "))


def masks_words(study: StudyResults, task: str) -> list[str]:
    """Return what must be said of masks: synthetic arms of segmentation rest on the annotator's."""
    rests_on_masks = task == "segmentation" and primary_rows(study, task)["synthetic"].notna().any()
    return study.annotator_words() if rests_on_masks else []
