"""TDID: outlines of nodules as points in XML, for the pictures of a case."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from radgen.annotation.importers import tdid
from radgen.annotation.importers.polygons import fill_polygon
from radgen.annotation.schema import label_schema
from radgen.cohort.outlines import fill, read_case
from radgen.errors import AnnotationError
from tests.annotation.drawn import FIXTURES, LABELS, SIZES, far_from_outline, paint
from tests.annotation.fixtures.truth import HOLE, IMAGES, POLYGON, SHAPE

NODULES = label_schema(("nodule",))


def saved(
    folder: Path, marks: dict[int, tuple[tuple[tuple[float, float], ...], ...]], name: str = "main_normal"
) -> Path:
    """Write a case as the archive's own files are: JSON of points in each mark."""
    path = folder / f"{name}.xml"
    drawn = "".join(
        f"<mark><image>{number}</image><svg>"
        + json.dumps(
            [{"points": [{"x": x, "y": y} for x, y in outline], "regionType": "freehand"} for outline in outlines]
        )
        + "</svg></mark>"
        for number, outlines in marks.items()
    )
    path.write_text(f"<?xml version='1.0'?><case><number>12</number><tirads>4a</tirads>{drawn}</case>")
    return path


def test_outlines_come_back_for_each_picture_of_the_case(tmp_path: Path) -> None:
    path = saved(tmp_path, {1: (POLYGON, HOLE), 3: (HOLE,), 2: ()})
    first, third = tdid.read(path, SIZES, NODULES)
    assert [(item.image_id, item.seconds, item.annotator) for item in (first, third)] == [
        (IMAGES[1], None, ""),
        (IMAGES[3], None, ""),
    ]
    filled = fill_polygon(np.array(POLYGON), SHAPE, ""), fill_polygon(np.array(HOLE), SHAPE, "")
    assert np.array_equal(paint(first), (filled[0] | filled[1]).astype(np.uint8))
    assert np.array_equal(paint(third), filled[1].astype(np.uint8))


def test_the_archives_own_reader_differs_only_beside_the_outline(tmp_path: Path) -> None:
    path = saved(tmp_path, {1: (POLYGON,)})
    (found,) = tdid.read(path, SIZES, NODULES)
    own = fill(read_case(path).outlines[1], *SHAPE)
    far = far_from_outline(np.array(POLYGON), SHAPE, 1.25)
    assert np.array_equal(paint(found)[far], own[far])


def test_a_file_may_be_named_after_its_image(tmp_path: Path) -> None:
    (found,) = tdid.read(saved(tmp_path, {7: (HOLE,)}, IMAGES[2]), SIZES, NODULES)
    assert found.image_id == IMAGES[2]
    with pytest.raises(AnnotationError, match="marks the pictures 1, 2, but is named after one; name it as its case"):
        list(tdid.read(saved(tmp_path, {1: (HOLE,), 2: (HOLE,)}, IMAGES[2]), SIZES, NODULES))


def test_nodules_need_a_label_of_that_name_where_there_are_several(tmp_path: Path) -> None:
    path = saved(tmp_path, {1: (HOLE,)})
    with pytest.raises(
        AnnotationError, match=r"main_normal\.xml: unknown label 'nodule'; labels.json knows background, liver"
    ):
        list(tdid.read(path, SIZES, LABELS))
    (found,) = tdid.read(path, SIZES, label_schema(("gland", "nodule")))
    assert found.layers[0].label_id == 2


def test_each_fault_is_named(tmp_path: Path) -> None:
    def refused(path: Path, message: str) -> None:
        with pytest.raises(AnnotationError, match=message):
            list(tdid.read(path, SIZES, NODULES))

    refused(saved(tmp_path, {9: (HOLE,)}), "marks picture 9, but no image of this pack is called main_normal_9; name")
    refused(
        saved(tmp_path, {1: (((1, 1), (2, 2), (25, 3)),)}), "mark 1 has a point at x 25, y 3, far outside a picture of"
    )
    path = tmp_path / "main_normal.xml"
    path.write_text("<case><mark><image>1</image><svg>[{]</svg></mark></case>")
    refused(path, "main_normal.xml: an outline is no list of points")
    path.write_bytes((FIXTURES / "cvat.xml").read_bytes()[:300])
    refused(path, "main_normal.xml: the XML is damaged")
