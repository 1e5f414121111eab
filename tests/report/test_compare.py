"""`radgen compare` and `radgen methods`: what differs is told, paired where patients are the same, and printed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Made
from report_study import SOURCE, Tree

from radgen.cli import main
from radgen.errors import InputError
from radgen.report.compare import as_page, as_text, compare

GAIN = 0.05


@pytest.fixture(scope="module")
def other(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The same study with another budget, another recall, and a segmenter that is better on every patient."""
    tree = Tree(tmp_path_factory.mktemp("compare") / "better")
    shutil.copytree(made.root, tree.root, ignore=shutil.ignore_patterns("report", "share"))
    tree.manifest("gan.manifest", "gan", {"gan": {"batch_size": 32}, "budget_images": 90_000}, source=SOURCE)
    path = tree.path("metrics.quality", source=SOURCE)
    quality = pd.read_parquet(path)
    quality.loc[(quality["metric"] == "recall") & (quality["role"] == "synthetic"), "value"] = 0.77
    quality.to_parquet(path)
    path = tree.path("benchmark.scores")
    scores = pd.read_parquet(path)
    chosen = (scores["metric"] == "dice") & (scores["arm"] == "real_low")
    scores.loc[chosen, "value"] += GAIN
    scores.to_parquet(path)
    return tree


def test_settings_and_scores_stand_side_by_side(made: Made, other: Tree) -> None:
    found = compare(made.root, other.root)
    assert ("gan", "gan.batch_size", "16", "32") in found.settings
    assert not [row for row in found.settings if row[0] == "slices"]
    assert (SOURCE, "recall", "synthetic", "0.550", "0.770") in found.metrics


def test_scores_are_paired_on_the_same_patients(made: Made, other: Tree) -> None:
    found = compare(made.root, other.root)
    rows = {row[:3]: row for row in found.scores}
    assert rows["segmentation", "dice", "real_low"][5] == "+0.050 [+0.050, +0.050]"
    assert rows["segmentation", "dice", "real_100"][5] == "+0.000 [+0.000, +0.000]"
    assert rows["segmentation", "dice", "real_low"][6] == "6"
    assert "segmentation: paired on 6 patients tested in both" in "\n".join(found.notes)
    summary = pd.read_parquet(Tree(made.root).path("benchmark.summary"))
    low = summary[(summary["task"] == "classification") & (summary["arm"] == "real_low") & summary["primary"]]
    assert rows["classification", "auc", "real_low"][3].startswith(f"{low['mean'].iloc[0]:.3f} ")


def test_other_patients_are_never_paired(made: Made, other: Tree, tmp_path: Path) -> None:
    root = tmp_path / "elsewhere"
    shutil.copytree(other.root, root)
    path = Tree(root).path("benchmark.scores")
    scores = pd.read_parquet(path)
    scores["patient"] = "x" + scores["patient"]
    scores.to_parquet(path)
    found = compare(made.root, root)
    assert {row[5] for row in found.scores} == {"–"}
    assert "no test patient is in both" in found.notes[0]
    assert np.all([row[6] == "6 and 6" for row in found.scores])


def test_text_and_page_hold_every_row(made: Made, other: Tree) -> None:
    found = compare(made.root, other.root)
    text, page = as_text(found), as_page(found)
    for row in (*found.settings, *found.metrics, *found.scores):
        assert row[1] in text
    assert page.count("<tr>") == len(found.settings) + len(found.metrics) + len(found.scores) + 3
    assert "<script" not in page


def test_the_commands_print(made: Made, other: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "beside.html"
    assert main(["compare", str(made.root), str(other.root), "--page", str(page)]) == 0
    assert "Settings that differ" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["methods", str(made.root)]) == 0
    told = capsys.readouterr().out
    assert "A phantom archive was simulated and its 26 patients were split" in told
    assert "In every arm 3 networks of one architecture were trained for 400 steps" in told
    assert "<" not in told


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no manifest of a stage lies here; give a study's folder"):
        compare(tmp_path, tmp_path)
    assert main(["methods", str(tmp_path)]) == 2
