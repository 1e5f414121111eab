"""Figures: the same bytes anywhere, nothing empty, marks where they must be, absent ones named."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Made, make
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from report_archive import write_cohort, write_slices
from report_study import FACTS, PATIENTS, REPORT, SOURCE, Tree
from report_tree import build_tree

from radgen.errors import InputError
from radgen.report.album import Album, read_list
from radgen.report.figures.arms import draw_arms, draw_differences
from radgen.report.figures.catalogue import draw_all
from radgen.report.figures.cohort import draw_cohort
from radgen.report.figures.curves import draw_real_curve
from radgen.report.figures.judge import draw_judge
from radgen.report.figures.pairs import draw_pairs
from radgen.report.figures.quality import draw_closest
from radgen.report.figures.samples import draw_samples
from radgen.report.figures.training import draw_training
from radgen.report.page import write_page
from radgen.report.scores import METRIC_WORDS, shown_scores
from radgen.report.study import StudyResults
from radgen.report.style import WARN, figure_style

DRAW = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from report_study import FACTS, REPORT
from radgen.report.album import Album
from radgen.report.figures.arms import draw_arms, draw_differences
from radgen.report.figures.catalogue import draw_all
from radgen.report.study import StudyResults
album = Album(Path(sys.argv[3]), FACTS)
draw_all(StudyResults(Path(sys.argv[2]), REPORT, FACTS), album)
album.finish()
"""
HOSTILE_RC = "font.family: serif\nfont.size: 30\nsavefig.dpi: 40\npdf.fonttype: 3\ntext.usetex: False\nbackend: svg\n"


def drawn(root: Path, folder: Path, home: Path, **environment: str) -> dict[str, bytes]:
    """Draw all figures in a fresh process and return their bytes by name."""
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "MPL", "XDG"))}
    env = kept | {"HOME": str(home), "OMP_NUM_THREADS": "1"} | environment
    subprocess.run(
        [sys.executable, "-c", DRAW, str(Path(__file__).parent), str(root), str(folder)], env=env, check=True
    )
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_figures_are_the_same_bytes_in_another_process_place_and_time(made: Made, tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = {"TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "7"}
    rc = tmp_path / "matplotlibrc"
    rc.write_text(HOSTILE_RC)
    again = drawn(
        made.root,
        tmp_path / "again",
        home,
        SOURCE_DATE_EPOCH="86400",
        MATPLOTLIBRC=str(rc),
        MPLCONFIGDIR="",
        **settings,
    )
    first = {path.name: path.read_bytes() for path in made.figures.iterdir()}
    assert again.keys() == first.keys()
    assert [name for name in first if first[name] != again[name]] == []


def test_files_carry_no_dates_and_no_program_names(made: Made) -> None:
    for path in made.figures.glob("*.pdf"):
        data = path.read_bytes()
        assert not [word for word in (b"CreationDate", b"ModDate", b"/Creator", b"/Producer") if word in data], (
            path.name
        )
    for path in made.figures.glob("*.png"):
        assert not {"Software", "date", "Creation Time"} & set(Image.open(path).info), path.name


def test_the_bundled_font_alone_is_embedded(made: Made) -> None:
    for path in made.figures.glob("*.pdf"):
        fonts = {part.split(b"/")[0].split(b"\n")[0] for part in path.read_bytes().split(b"/BaseFont /")[1:]}
        assert all(b"DejaVuSans" in font for font in fonts), (path.name, fonts)


def test_every_figure_shows_something_and_fits(made: Made) -> None:
    pictures, absent = read_list(made.figures / "figures.json")
    assert len(pictures) >= 21
    assert absent == {}
    for picture in pictures:
        pixels = np.asarray(Image.open(made.figures / f"{picture.name}.png").convert("L"))
        assert pixels.shape == (picture.height_px, picture.width_px), picture.name
        assert pixels.shape[0] <= 1200, picture.name
        body = pixels[: int(0.9 * len(pixels))]  # without the line at the foot
        assert (body < 200).mean() > 0.002, picture.name
        assert (made.figures / f"{picture.name}.pdf").stat().st_size > 1000, picture.name


def test_every_figure_brings_its_numbers_and_names_nobody_in_them(made: Made) -> None:
    pictures, _ = read_list(made.figures / "figures.json")
    for picture in pictures:
        path = made.figures / f"{picture.name}.csv"
        assert len(pd.read_csv(path)) > 1, picture.name
        text = path.read_text(encoding="utf-8")
        assert picture.real_pixels or not [key for key, _ in PATIENTS if key in text], picture.name


def test_the_design_states_the_counts_of_the_tables(made: Made) -> None:
    told = pd.read_csv(made.figures / "design.csv").groupby("part")["count"].agg(list)
    assert told["Archive"] == ["phantom", "26 patients", "26 series", "104 images"]
    assert told["train"] == ["14 patients", "56 images"]
    assert told["Generator"] == [SOURCE, "(scarce-labels)", "saw 17 patients"]
    assert told["Samples"] == ["40 images"]
    assert told["Annotated"] == ["10 of them", "simulated"]
    assert {"4 arms", "6 test patients"} < set(told["Benchmark"])


def test_the_flow_counts_what_was_left_out(made: Made) -> None:
    told = pd.read_csv(made.figures / "flow.csv")
    aside = told.loc[told["outcome"] == "left out", "count"].tolist()
    assert aside == [
        *("4 files refused", "truncated: 3", "foreign: 1", "9 files set aside on purpose", "side file: 9"),
        *("3 slices not stored", "flat: 2", "almost empty: 1"),
    ]
    assert "26 series of 26 patients" in set(told["count"])


def test_the_film_goes_forth_and_back(made: Made) -> None:
    film = Image.open(made.figures / f"interpolation_{SOURCE}.gif")
    assert film.n_frames == 8  # five frames, and the three between on the way back
    frames = []
    for number in range(film.n_frames):
        film.seek(number)
        frames.append(np.asarray(film.convert("RGB")))
    assert all(np.array_equal(frames[at], frames[-at]) for at in range(1, 4))
    assert not np.array_equal(frames[0], frames[4])


def test_pairs_go_from_sure_to_uncertain(made: Made) -> None:
    shown = pd.read_csv(made.figures / f"pairs_{SOURCE}.csv")
    scores = pd.read_parquet(Tree(made.root).path("pairs.uncertainty", source=SOURCE)).set_index("image_id")[
        "expected_error"
    ]
    assert (shown["uncertainty"] - scores[shown["image_id"]].to_numpy()).abs().max() < 1e-6
    assert all(rows.is_monotonic_increasing for _, rows in shown.groupby("class_name")["uncertainty"])


def test_every_caption_states_archive_setting_and_annotator(made: Made) -> None:
    pictures, _ = read_list(made.figures / "figures.json")
    for picture in pictures:
        assert "PHANTOM archive" in picture.caption, picture.name
        if picture.source:
            assert "scarce-labels" in picture.caption, picture.name
        if picture.section in {"labels", "pairs"} or picture.name.endswith("differences_segmentation"):
            assert "simulated annotator, validation Dice 0.84" in picture.caption, picture.name


def share_of(path: Path, colour: str) -> float:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return float((np.abs(pixels - wanted).max(axis=2) < 8).mean())


def test_a_trial_is_marked_in_figure_and_caption(made: Made, tmp_path: Path) -> None:
    facts = dataclasses.replace(FACTS, trial=8)
    album = Album(tmp_path, facts)
    study = StudyResults(made.root, REPORT, facts)
    with figure_style():
        draw_cohort(study, album)
        draw_judge(study, album)
    for picture in album.pictures:
        assert "TRIAL: limited to 8 patients" in picture.caption
        assert share_of(tmp_path / f"{picture.name}.png", WARN) > 0.003
        assert share_of(made.figures / f"{picture.name}.png", WARN) == 0


def test_figures_without_tables_are_named_and_old_pictures_removed(tmp_path: Path) -> None:
    build_tree(tmp_path, parts=(write_cohort, write_slices))
    stale = tmp_path / "report" / "figures" / "arms_old.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    made = make(tmp_path)
    pictures, absent = read_list(made.figures / "figures.json")
    assert {picture.name for picture in pictures} == {"design", "flow", "cohort", "refused"}
    assert absent["judge"] == "judge/checks.parquet is not in this study"
    assert absent[f"pairs_{SOURCE}"] == f"pairs/{SOURCE}/index.parquet is not in this study"
    assert not stale.exists()


def test_pictures_of_real_patients_are_told_from_others(made: Made, tmp_path: Path) -> None:
    facts = dataclasses.replace(FACTS, is_phantom=False)
    album, study = Album(tmp_path, facts), StudyResults(made.root, REPORT, facts)
    with figure_style():
        draw_cohort(study, album)
        for draw in (draw_samples, draw_closest, draw_pairs):
            draw(study, album, SOURCE)
    shown = {picture.name for picture in album.pictures if picture.real_pixels}
    assert shown == {f"samples_{SOURCE}", f"closest_{SOURCE}"}
    assert not [picture for picture in album.pictures if "PHANTOM" in picture.caption]


def test_a_table_without_a_column_is_refused_with_its_name(tmp_path: Path) -> None:
    build_tree(tmp_path, parts=(write_cohort, write_slices))
    path = Tree(tmp_path).path("cohort.series")
    pd.read_parquet(path).drop(columns="patient_key").to_parquet(path)
    with pytest.raises(InputError, match=r"series.parquet: column 'patient_key' is missing, columns are .* again"):
        draw_all(StudyResults(tmp_path, REPORT, FACTS), Album(tmp_path / "out", FACTS))


def test_a_foreign_list_of_figures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"figures": [{"name": "x"}], "absent": {}}))
    with pytest.raises(InputError, match="not a list of figures"):
        read_list(path)


# ---------------------------------------------------------------- a Frechet distance never stands alone


def without(path: Path, metric: str) -> None:
    table = pd.read_parquet(path)
    table[table["metric"] != metric].to_parquet(path)


@pytest.mark.parametrize("missing", ["recall", "near_copies_pixels", "nearest"])
def test_no_frechet_distance_without_recall_and_audit(missing: str, made: Made, tree: Tree, tmp_path: Path) -> None:
    if missing == "nearest":
        tree.path("metrics.nearest", source=SOURCE).unlink()
    else:
        without(tree.path("metrics.quality", source=SOURCE), missing)
    study, album = StudyResults(tree.root, REPORT, FACTS), Album(tmp_path / "figures", FACTS)
    page = write_page(study, made.figures / "figures.json", made.root / "report" / "x.html")
    assert "Frechet distance (judge)" in made.page
    assert "Frechet distance (judge)" not in page
    assert "Frechet distance of all, liver_lesion, normal is withheld" in page
    with figure_style():
        draw_training(study, album, SOURCE)
    assert "withheld" in album.pictures[0].caption
    assert "Frechet distance (judge)" not in set(shown_scores(study, SOURCE)["metric"].map(METRIC_WORDS))


def test_a_distance_in_the_training_figure_brings_recall_and_audit(made: Made, tmp_path: Path) -> None:
    album = Album(tmp_path, FACTS)
    with figure_style():
        draw_training(StudyResults(made.root, REPORT, FACTS), album, SOURCE)
    caption = album.pictures[0].caption
    assert "recall is 0.55 (floor 0.84)" in caption
    assert "near copies by pixels: 1.5 %" in caption


# ---------------------------------------------------------------- tables at their edges


def test_scores_that_were_not_measured_are_told_and_not_drawn(tree: Tree, tmp_path: Path) -> None:
    for key in ("benchmark.summary", "benchmark.curve"):
        table = pd.read_parquet(tree.path(key))
        numbers = [name for name in table.columns if name.startswith(("mean", "to_low", "gap", "standard_error"))]
        table[numbers] = table[numbers].where(table["task"] != "classification")
        table.to_parquet(tree.path(key))
    album, study = Album(tmp_path / "figures", FACTS), StudyResults(tree.root, REPORT, FACTS)
    with figure_style():
        draw_arms(study, album, "classification")
        draw_differences(study, album, "classification")
        draw_real_curve(study, album)
    assert [picture.name for picture in album.pictures] == ["arms_classification", "real_curve"]
    assert album.absent == {"differences_classification": "no arm besides the low arm was scored"}
    assert "the gap is – with a standard error of –" in album.pictures[1].caption
    album.finish()
    page = write_page(study, album.folder / "figures.json", tmp_path / "index.html")
    assert not re.search(r"\bnan\b", page)


def test_long_names_of_arms_cut_nothing_off(tree: Tree, tmp_path: Path) -> None:
    long = {
        arm: f"{words} + synthetic (disjoint), pretrained on synthetic, then real" for arm, words in FACTS.arms.items()
    }
    facts = dataclasses.replace(FACTS, arms=long)
    album, figures = Album(tmp_path / "figures", facts), []
    new = album.new

    def kept(height_in: float) -> Figure:
        figures.append(new(height_in))
        return figures[-1]

    album.new = kept  # type: ignore[method-assign]
    study = StudyResults(tree.root, REPORT, facts)
    with figure_style():
        draw_arms(study, album, "classification")
        draw_differences(study, album, "classification")
    for figure in figures:
        for text in figure.findobj(Text):
            place = text.get_window_extent()
            assert not text.get_text() or (place.x0 >= 0 and place.x1 <= figure.bbox.x1), text.get_text()


def test_images_without_a_class_are_counted(tree: Tree, tmp_path: Path) -> None:
    path = tree.path("slices.index")
    table = pd.read_parquet(path)
    table.loc[:5, "class_name"] = None
    table.to_parquet(path)
    album = Album(tmp_path / "figures", FACTS)
    with figure_style():
        draw_cohort(StudyResults(tree.root, REPORT, FACTS), album)
    assert "104 images" in album.pictures[0].caption
