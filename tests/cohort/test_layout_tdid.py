"""TDID in miniature: cases as XML with outlines, several pictures a case, TI-RADS classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from radgen.cohort.settings import StructureSettings
from radgen.imageset.core import ImageSet
from tests.cohort.layout_study import LayoutStudy, texture
from tests.cohort.toys import write_picture

SQUARE = [(4, 6), (15, 6), (15, 13), (4, 13)]  # x, y of the corners: columns 4 to 15, rows 6 to 13
OTHER = [(18, 18), (21, 18), (21, 21), (18, 21)]
CLASSES = ("US/thyroid/tirads-2", "US/thyroid/tirads-4a")


def case(number: int, tirads: str, marks: dict[int, list[list[tuple[float, float]]]]) -> str:
    drawn = "".join(
        f"<mark><image>{image}</image><svg>{svg(outlines) if outlines else ''}</svg></mark>"
        for image, outlines in marks.items()
    )
    return f"<?xml version='1.0'?><case><number>{number}</number><tirads>{tirads}</tirads>{drawn}</case>"


def svg(outlines: list[list[tuple[float, float]]]) -> str:
    return json.dumps([{"points": [{"x": x, "y": y} for x, y in points]} for points in outlines])


@pytest.fixture
def study(tmp_path: Path) -> LayoutStudy:
    made = LayoutStudy(tmp_path, "tdid", CLASSES)
    made.archive.mkdir()
    cases = {
        1: case(1, "4a", {1: [SQUARE], 2: [SQUARE, OTHER]}),
        2: case(2, "2", {1: [OTHER], 2: []}),
        3: case(3, "", {1: [SQUARE]}),
        4: "<case><tirads>2</tirads><mark>",
    }
    for number, text in cases.items():
        (made.archive / f"{number}.xml").write_text(text)
    for seed, name in enumerate(("1_1", "1_2", "2_1", "2_2", "3_1", "4_1")):
        write_picture(made.archive / f"{name}.jpg", texture(seed))
    return made


def test_a_case_is_a_patient_and_its_category_the_class(study: LayoutStudy) -> None:
    study.assemble()
    found = {path: row["class_name"] for path, row in study.series().items()}
    assert found == {"1_1.jpg": CLASSES[1], "1_2.jpg": CLASSES[1], "2_1.jpg": CLASSES[0], "2_2.jpg": CLASSES[0]}
    assert {"1_1", "1_2"} in study.patients().values()
    assert {(row["modality"], row["anatomy"]) for row in study.series().values()} == {("US", "thyroid")}
    rejects = study.rejects()
    assert rejects["3_1.jpg"][0] == rejects["4_1.jpg"][0] == "no-class"
    assert rejects["4.xml"] == ("undecodable", "the XML is damaged (ParseError)")


def test_the_number_of_a_picture_selects_its_outlines(study: LayoutStudy) -> None:
    study.structures = StructureSettings(names=("nodule",))
    images = study.slice()
    masks = stored_masks(study, images)
    area = {path: int(mask.sum()) for path, mask in masks.items()}
    assert area == {"1_1.jpg": 12 * 8, "1_2.jpg": 12 * 8 + 16, "2_1.jpg": 16}
    assert masks["1_1.jpg"][6:14, 4:16].all()
    assert study.rejects()["2_2.jpg"][0] == "no-mask"


def stored_masks(study: LayoutStudy, images: ImageSet) -> dict[str, np.ndarray]:
    path_of = {row["series_key"]: path for path, row in study.series().items()}
    masks = images.masks(range(len(images)))
    return {path_of[key]: mask for key, mask in zip(images.column("series"), masks, strict=True)}


def test_an_outline_of_another_picture_is_refused_with_how_far_it_leaves(study: LayoutStudy) -> None:
    study.structures = StructureSettings(names=("nodule",))
    (study.archive / "2.xml").write_text(case(2, "2", {1: [[(5, 5), (60, 5), (60, 30)]]}))
    study.slice()
    reason, sentence = study.slice_rejects()["2_1.jpg"]
    assert reason == "mask-on-another-grid"
    assert sentence == "an outline reaches 37 pixels beyond a picture of 24x24; it is of another one"
