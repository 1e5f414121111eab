"""Images painted on label maps, as figures and page show them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from report_archive import write_cohort, write_slices
from report_generator import write_metrics, write_synthetic
from report_study import FACTS, REPORT, SOURCE, Tree
from report_tree import build_tree

from radgen.report.album import Album
from radgen.report.figures.semantic import SCORES, draw_semantic_curves, draw_semantic_sheet
from radgen.report.parts import Pictures
from radgen.report.sections.semantic import semantic_block
from radgen.report.study import StudyResults
from radgen.report.style import figure_style

METRICS = (*SCORES, "dice_liver", "dice_lesion", "loss_generator", "loss_mask")


def write_semantic(tree: Tree) -> None:
    history = [
        {"seen_images": seen, "metric": name, "value": seen / 1000 + place}
        for seen in (1000, 2000, 3000)
        for place, name in enumerate(METRICS)
    ]
    tree.table("semantic.history", history, source=SOURCE)
    notes = {"published_images": 2000, "surroundings": [41.5, 120.0]}
    tree.manifest("semantic.manifest", "semantic", {}, notes, source=SOURCE)
    rows = [
        ("judge_fd", "", "synthetic", 2.5, 36, None),
        ("judge_fd", "", "floor", 1.25, 90, None),
        ("dice", "liver", "synthetic", 0.875, 36, None),
        ("dice", "liver", "real", 0.9375, 36, None),
        ("dice", "liver", "outline", 0.625, 36, None),
        ("ms_ssim", "", "synthetic", 0.75, 16, None),
        ("body_distance_px", "", "synthetic", None, 0, "no image with a body in both"),
    ]
    names = ("metric", "label", "role", "value", "n", "reason")
    tree.table(
        "semantic.scores", [{"source": SOURCE} | dict(zip(names, row, strict=True)) for row in rows], source=SOURCE
    )
    write_synthetic(tree, "sample.part_index", noise=3.0, with_masks=True)


def write_lent(tree: Tree) -> None:
    notes = {"published_images": 2000, "surroundings": [41.5], "padding_apart": True}
    tree.manifest("semantic.manifest", "semantic", {}, notes, source=SOURCE)
    lent = {"semantic_sample": {"surroundings_from": "images"}}
    tree.manifest("sample.part_manifest", "semantic_sample", lent, source=SOURCE)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyResults, Pictures, Path]:
    root = tmp_path_factory.mktemp("semantic")
    tree = build_tree(root / "study", parts=(write_cohort, write_slices, write_metrics, write_semantic))
    study, folder = StudyResults(tree, REPORT, FACTS), root / "figures"
    album = Album(folder, FACTS)
    with figure_style():
        draw_semantic_curves(study, album, SOURCE)
        draw_semantic_sheet(study, album, SOURCE)
    album.finish()
    return study, Pictures(folder / "figures.json", root / "index.html"), folder


def test_every_metric_has_its_curve(drawn: tuple[StudyResults, Pictures, Path]) -> None:
    points = pd.read_csv(drawn[2] / f"semantic_curves_{SOURCE}.csv")
    assert set(points["metric"]) == set(METRICS)
    assert len(points) == 3 * len(METRICS)


def test_a_sheet_shows_maps_and_their_images(drawn: tuple[StudyResults, Pictures, Path]) -> None:
    picture = next(one for one in drawn[1].pictures if one.name == f"semantic_sheet_{SOURCE}")
    assert picture.section == "semantic"
    assert "differ in their noise alone" in picture.caption


def test_scores_stand_beside_those_of_real_images(drawn: tuple[StudyResults, Pictures, Path]) -> None:
    study, pictures, _ = drawn
    block = semantic_block(study, pictures)
    assert block is not None
    text = str(block.body)
    for row in (
        '<td>Frechet distance (judge)</td><td></td><td class="n">2.500</td><td class="n">1.250</td>',
        '<td>liver</td><td class="n">0.875</td><td class="n">0.938</td><td class="n">0.625</td>',
        "no image with a body in both",
        "told apart automatically, into 3 groups of grey levels",
        "(parted at 42, 120 of 255)",
        "Its images follow the anatomy of the patients whose maps they were painted on; their masks hold drawn",
    ):
        assert row in text.replace("\n", ""), row


def test_lent_surroundings_are_said_beside_the_pictures_and_in_the_words(tmp_path: Path) -> None:
    tree = build_tree(tmp_path / "study", parts=(write_cohort, write_slices, write_metrics, write_semantic, write_lent))
    study, album = StudyResults(tree, REPORT, FACTS), Album(tmp_path / "figures", FACTS)
    with figure_style():
        draw_semantic_sheet(study, album, SOURCE)
    album.finish()
    pictures = Pictures(tmp_path / "figures" / "figures.json", tmp_path / "index.html")
    assert "in what surrounds the labels, which other images lent" in pictures.pictures[0].caption
    block = semantic_block(study, pictures)
    assert block is not None
    text = str(block.body).replace("\n", "")
    assert "(parted at 42 of 255) and the black around crops" in text
    assert "is the anatomy of other patients, whose images lent it (surroundings.parquet" in text
