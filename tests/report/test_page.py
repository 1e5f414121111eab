"""The page: escaped, without identifiers, honest about claims, whole from disk, the same bytes for the same tables."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from conftest import Made, make
from report_archive import write_cohort, write_slices
from report_study import FACTS, PATIENTS, REPORT, SOURCE, Tree
from report_tree import build_tree

from radgen.report.album import Album
from radgen.report.figures.cohort import draw_refused
from radgen.report.figures.curves import draw_real_curve
from radgen.report.figures.labels import draw_labels
from radgen.report.page import write_page
from radgen.report.study import StudyResults
from radgen.report.style import figure_style

HOSTILE = "<script>alert('x')</script> & \"quoted\" $x^2$"
VOID = {"img", "meta", "br", "hr", "link"}


class Checker(HTMLParser):
    """Collects links and texts, and fails where elements do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"} and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def test_the_page_is_whole_and_every_link_lies_beside_it(made: Made) -> None:
    checker = parsed(made.page)
    anchors = {link for link in checker.links if link.startswith("#")}
    files = {link for link in checker.links if not link.startswith(("#", "data:"))}
    assert sum(link.startswith("data:image/") for link in checker.links) >= 20  # pictures stand in the page itself
    assert all(f'id="{anchor[1:]}"' in made.page for anchor in anchors)
    assert files
    assert all((made.root / "report" / link).is_file() for link in files)
    assert not checker.tags & {"script", "link", "iframe"}


def test_the_page_is_the_same_bytes_for_the_same_tables(made: Made) -> None:
    listing, page = made.figures / "figures.json", made.root / "report" / "index.html"
    assert write_page(StudyResults(made.root, REPORT, FACTS), listing, page) == made.page


def test_text_of_others_is_escaped(tree: Tree) -> None:
    facts = dataclasses.replace(
        FACTS,
        title=HOSTILE,
        awaiting=HOSTILE,
        absent={HOSTILE: HOSTILE},
        arms=dict.fromkeys(FACTS.arms, HOSTILE),
        structures=(HOSTILE, "spleen", "lesion"),
        command=HOSTILE,
        sources={SOURCE: HOSTILE},
    )
    for key, wildcards in (("labels.validation", {"source": SOURCE}), ("annotator.scores", {})):
        path = tree.path(key, **wildcards)
        pd.read_parquet(path).replace("liver", HOSTILE).to_parquet(path)
    path = tree.path("cohort.rejects")
    pd.read_parquet(path).replace("truncated", HOSTILE).to_parquet(path)
    study, album = StudyResults(tree.root, REPORT, facts), Album(tree.root / "report", facts)
    with figure_style():
        draw_refused(study, album)
        draw_labels(study, album, SOURCE)
    album.finish()
    checker = parsed(write_page(study, album.folder / "figures.json", album.folder / "index.html"))
    assert "script" not in checker.tags
    assert checker.text.count(HOSTILE) > 10


def test_nobody_can_be_named(made: Made) -> None:
    listing = (made.figures / "figures.json").read_text()
    for key, _ in PATIENTS:
        assert key not in made.page
        assert key not in listing
    assert "private" not in made.page


def test_absent_stages_and_awaited_masks_are_named(tmp_path: Path) -> None:
    build_tree(tmp_path, parts=(write_cohort, write_slices))
    facts = dataclasses.replace(
        FACTS, absent={"classification": "the study has a single image class"}, awaiting="a/pack"
    )
    page = parsed(make(tmp_path, facts).page).text
    assert "Not in this study: classification, because the study has a single image class." in page
    assert "Masks are awaited in a/pack" in page
    assert "No figure judge: judge/checks.parquet is not in this study." in page
    assert "No benchmark was run" in page


def test_a_study_without_masks_has_no_pairs_section(made: Made) -> None:
    facts = dataclasses.replace(FACTS, structures=(), simulated_annotator=False)
    page = write_page(
        StudyResults(made.root, REPORT, facts), made.figures / "figures.json", made.root / "report/x.html"
    )
    assert "Pairs of image and mask" in made.page
    assert "Pairs of image and mask" not in page
    assert "SIMULATED ANNOTATOR" not in page


def test_shared_is_never_a_headline(made: Made, tree: Tree) -> None:
    assert "No headline claim is made" not in made.page
    path = tree.path("benchmark.summary")
    table = pd.read_parquet(path)
    synthetic = table["synthetic"].notna()
    table.loc[synthetic, "setting"], table.loc[synthetic, "headline"] = "shared", False
    table.to_parquet(path)
    study = StudyResults(tree.root, REPORT, FACTS)
    page = parsed(write_page(study, made.figures / "figures.json", made.root / "report" / "x.html")).text
    assert page.count("No headline claim is made.") == 2
    assert "No headline claim is made: no synthetic arm of a headline setting was scored." in page
    assert "Better than the low arm" not in page


def test_plain_words_say_what_the_numbers_say(made: Made, tree: Tree) -> None:
    told = parsed(made.page).text
    assert "A program learnt from images of 17 of 26 simulated patients to make new ones that look alike: 40" in told
    assert "Segmentation: synthetic images helped where real ones were few: Dice went from 0.73 to 0.84 in" in told
    assert "Of 100 images of main, 1.5 lie closer to a training image" in told
    assert "about what chance resemblance gives" in told
    path = tree.path("benchmark.summary")
    table = pd.read_parquet(path)
    made_with = table["synthetic"].notna()
    table.loc[made_with, ["to_low", "to_low_lower", "to_low_upper"]] = [-0.1, -0.2, -0.05]
    table.to_parquet(path)
    path = tree.path("metrics.quality", source=SOURCE)
    quality = pd.read_parquet(path)
    quality.loc[(quality["metric"] == "near_copies_pixels") & (quality["role"] == "synthetic"), "value"] = 0.2
    quality.to_parquet(path)
    study = StudyResults(tree.root, REPORT, FACTS)
    told = parsed(write_page(study, made.figures / "figures.json", made.root / "report" / "x.html")).text
    assert "synthetic images did harm" in told
    assert "more than chance resemblance" in told


def test_a_trial_and_missing_patients_are_told_at_the_head(made: Made) -> None:
    facts = dataclasses.replace(FACTS, trial=8, patient_claim=False, patients_from="none")
    study = StudyResults(made.root, REPORT, facts)
    page = write_page(study, made.figures / "figures.json", made.root / "report" / "x.html")
    head = parsed(page).text.split("Does it help?")[0]
    assert "TRIAL" in head
    assert "Limited to 8 patients" in head
    assert "No patient-level claim" in head
    assert "TRIAL" not in made.page


def test_the_verdict_of_the_release_policy_is_told(made: Made) -> None:
    text = parsed(made.page).text
    assert "This set must not leave: membership inference reaches an area of up to 0.64 by pixels" in text
    assert "0.580 [0.530, 0.640]" in text
    assert "90.0 %" in text


def test_near_duplicates_across_splits_are_told(made: Made, tree: Tree) -> None:
    assert "Nearly the same images in different splits" not in made.page
    tree.manifest("slices.manifest", "slices_gather", notes={"near_duplicates_across_splits": 3})
    study = StudyResults(tree.root, REPORT, FACTS)
    page = parsed(write_page(study, made.figures / "figures.json", made.root / "report" / "x.html")).text
    assert "Nearly the same images in different splits: 3 pairs, see slices/near_duplicates.parquet." in page


def test_the_rule_intervals_ancestry_and_provenance_are_there(made: Made) -> None:
    text = parsed(made.page).text
    for words in (
        "at the low fraction of 10 % the gap is",
        "simulated annotator, validation Dice 0.84",
        "14 train, 3 val",
        "gan/main",
        "2024-02-03T04:05:06+00:00",
        "CT: centre 40 HU, width 400 HU",
        "non-saturating loss with lazy R1",
        "radgen regenerate main_normal_000000 --study ",
    ):
        assert words in text, words


@pytest.mark.parametrize("holds", ["holds", "does NOT hold"])
def test_the_rule_is_told_as_it_is(holds: str, tree: Tree) -> None:
    path = tree.path("benchmark.curve")
    table = pd.read_parquet(path)
    table["holds"] = table["configured"] & (holds == "holds")
    table.to_parquet(path)
    album = Album(tree.root / "report", FACTS)
    with figure_style():
        draw_real_curve(StudyResults(tree.root, REPORT, FACTS), album)
    assert album.pictures[0].caption.count(f"so the rule {holds} there") == 2
