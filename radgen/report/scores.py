"""Scores of samples as they may be shown: a Frechet distance never stands without recall and the audit of copies."""

from __future__ import annotations

import pandas as pd

from radgen.report.study import StudyResults

QUALITY = ("source", "class_name", "metric", "role", "value", "low", "high", "n_real", "n_synthetic", "reason")
NEAREST = (
    "image_id", "kind", "class_name", "distance_features", "distance_pixels", "nearest_pixels_image_id",
)  # fmt: skip
FRECHET = "judge_fd"
COMPANIONS = ("recall", "near_copies_features", "near_copies_pixels")
SYNTHETIC, FLOOR = "synthetic", "floor"
EVERY_CLASS = "all"
METRIC_WORDS = {
    "judge_fd": "Frechet distance (judge)",
    "kid": "KID (judge)",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "fid": "FID (Inception)",
    "radiomics_fd": "Frechet distance (radiomics)",
    "class_accuracy": "class seen by the judge",
    "near_copies_features": "near copies, by features",
    "near_copies_pixels": "near copies, by pixels",
    "nearest_features": "median distance, features",
    "nearest_pixels": "median distance, pixels",
}
BETTER = {
    "judge_fd": "lower",
    "kid": "lower",
    "precision": "higher",
    "recall": "higher",
    "density": "near 1",
    "coverage": "higher",
}


def shown_scores(study: StudyResults, source: str) -> pd.DataFrame:
    """Return the rows of a source's quality table that may be shown.

    A Frechet distance is left out for a class whose recall or whose share of near copies is missing, and everywhere
    when the table of nearest training images is.
    """
    rows = study.table("metrics.quality", QUALITY, source=source)
    audited = study.has("metrics.nearest", source=source)
    complete = {
        name for name, group in rows[rows["role"] == SYNTHETIC].groupby("class_name") if audited and _complete(group)
    }
    return rows[(rows["metric"] != FRECHET) | rows["class_name"].isin(complete)]


def _complete(group: pd.DataFrame) -> bool:
    return set(COMPANIONS) <= set(group.loc[group["value"].notna(), "metric"])


def may_show_frechet(study: StudyResults, source: str) -> bool:
    """Tell whether recall and the audit of all classes together are there to stand beside a Frechet distance."""
    if not (study.has("metrics.quality", source=source) and study.has("metrics.nearest", source=source)):
        return False
    rows = study.table("metrics.quality", QUALITY, source=source)
    return _complete(rows[(rows["role"] == SYNTHETIC) & (rows["class_name"] == EVERY_CLASS)])


def withheld_classes(study: StudyResults, source: str) -> list[str]:
    """Return the classes whose Frechet distance is left out although the table holds one."""
    rows = study.table("metrics.quality", QUALITY, source=source)
    there = rows[(rows["metric"] == FRECHET) & rows["value"].notna()]["class_name"]
    shown = shown_scores(study, source)
    return sorted(set(there) - set(shown.loc[shown["metric"] == FRECHET, "class_name"]))


def score(rows: pd.DataFrame, metric: str, role: str, class_name: str = EVERY_CLASS) -> float | None:
    """Return one score, or None where it is missing."""
    found = rows[(rows["metric"] == metric) & (rows["role"] == role) & (rows["class_name"] == class_name)][
        "value"
    ].dropna()
    return float(found.iloc[0]) if len(found) else None


def companions_in_words(rows: pd.DataFrame) -> str:
    """Return recall and the audit of all classes together in one sentence, for captions that name a distance."""
    recall, floor = score(rows, "recall", SYNTHETIC), score(rows, "recall", FLOOR)
    copies, usual = score(rows, "near_copies_pixels", SYNTHETIC), score(rows, "near_copies_pixels", FLOOR)
    if recall is None or copies is None:
        return "Recall or the audit of copies is missing, so no Frechet distance is shown."
    told_floor = "" if floor is None else f" (floor {floor:.2f})"
    told_usual = "" if usual is None else f" (held-out real images: {100 * usual:.1f} %)"
    return f"Recall is {recall:.2f}{told_floor}; near copies by pixels: {100 * copies:.1f} % of samples{told_usual}."
