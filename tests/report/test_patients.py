"""ROC curves and dots: their numbers are those of the summary, and no patient is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Made
from report_study import FACTS, PATIENTS, REPORT, Tree

from radgen.benchmark.measures import Level
from radgen.report.album import Album
from radgen.report.figures.patients import GRID, MOST_STRIPS, draw_patients, draw_roc, mean_roc
from radgen.report.study import StudyResults
from radgen.report.style import figure_style

ONE_CLASS = np.array([[False], [False], [True], [True]])


def level(*networks: list[float]) -> Level:
    """An arm of four patients and one class."""
    return Level("patient_", True, np.array(networks)[:, :, None], ONE_CLASS, np.arange(4), ("lesion",))


def figure_of(made: Made, name: str) -> pd.DataFrame:
    return pd.read_csv(made.figures / f"{name}.csv")


def test_a_roc_curve_by_hand() -> None:
    # Of the two without a lesion, one lies between the two with: half of each, then all.
    rates, area = mean_roc(level([0.1, 0.6, 0.5, 0.9]), 0)
    assert area == 0.75
    assert rates[GRID < 0.5] == pytest.approx(0.5)
    assert rates[GRID > 0.5] == pytest.approx(1.0)


def test_curves_of_networks_are_averaged_at_equal_false_positive_rates() -> None:
    perfect, inverted = [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1]
    rates, area = mean_roc(level(perfect, inverted), 0)
    assert area == 0.5
    assert rates[(GRID > 0) & (GRID < 1)] == pytest.approx(0.5)


def test_ties_are_one_threshold() -> None:
    rates, area = mean_roc(level([0.4, 0.4, 0.4, 0.4]), 0)
    assert area == 0.5
    assert rates == pytest.approx(GRID)


def test_the_areas_are_those_of_the_summary(made: Made) -> None:
    curves = figure_of(made, "roc_classification")
    summary = pd.read_parquet(Tree(made.root).path("benchmark.summary"))
    rows = summary[(summary["task"] == "classification") & summary["primary"]].set_index("arm")
    for (arm, _), one in curves.groupby(["arm", "class"]):
        assert one["auc"].iloc[0] == pytest.approx(rows.loc[arm, "mean"], rel=1e-5)
        drawn = np.trapezoid(one["sensitivity"], one["false_positive_rate"])
        assert drawn == pytest.approx(rows.loc[arm, "mean"], abs=0.01)
    assert {"real_low", "real_100", "low_synthetic"} <= set(curves["arm"])


def test_dots_are_the_patients_whose_mean_the_summary_gives(made: Made) -> None:
    dots = figure_of(made, "patients_segmentation")
    summary = pd.read_parquet(Tree(made.root).path("benchmark.summary"))
    rows = summary[(summary["task"] == "segmentation") & summary["primary"]].set_index("arm")
    for arm, one in dots.groupby("arm"):
        assert one["dice"].mean() == pytest.approx(rows.loc[arm, "mean"], rel=1e-5)
        assert len(one) == rows.loc[arm, "n_patients"]
        if arm != "real_low":
            assert one["to_low"].mean() == pytest.approx(rows.loc[arm, "to_low"], rel=1e-4)
    low = dots[dots["arm"] == "real_low"].sort_values("patient")
    assert low["dice"].is_monotonic_increasing  # numbers tell rank in the low arm and nothing else


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_no_patient_is_named(made: Made, task: str) -> None:
    words = (made.figures / f"patients_{task}.csv").read_text()
    assert [key for key, _ in PATIENTS if key in words] == []


def test_images_of_one_class_are_told_and_not_drawn(tree: Tree, tmp_path: Path) -> None:
    path = tree.path("benchmark.scores")
    scores = pd.read_parquet(path)
    scores.loc[scores["task"] == "classification", "truth"] = 1
    scores.to_parquet(path)
    album, study = Album(tmp_path / "figures", FACTS), StudyResults(tree.root, REPORT, FACTS)
    with figure_style():
        draw_roc(study, album, "classification")
        draw_patients(study, album, "classification")
    assert album.pictures == []
    assert album.absent == {
        "roc_classification": "all test images are of one class",
        "patients_classification": "all test images are of one class",
    }


def test_classes_that_are_not_drawn_are_named(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = pd.read_parquet(tree.path("benchmark.scores"))
    told = scores[scores["task"] == "classification"]
    further = told[told["structure"] == "normal"].assign(structure="rare", truth=0, probability=0.1)
    both = told.groupby(["arm", "seed", "patient"])["image_id"].transform("min")
    further.loc[further["image_id"] == both[further.index], "truth"] = 1
    pd.concat([scores, further]).to_parquet(tree.path("benchmark.scores"))
    monkeypatch.setattr("radgen.report.figures.patients.MOST_STRIPS", MOST_STRIPS - 2)
    monkeypatch.setattr(StudyResults, "class_names", ["normal", "liver_lesion", "rare"])
    album = Album(tmp_path / "figures", FACTS)
    with figure_style():
        draw_patients(StudyResults(tree.root, REPORT, FACTS), album, "classification")
    assert "Classes not drawn: " in album.pictures[0].caption
