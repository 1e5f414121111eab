"""COCO: what pycocotools coded comes back pixel by pixel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from radgen.annotation.importers import coco
from radgen.annotation.importers.polygons import fill_polygon
from radgen.errors import AnnotationError
from tests.annotation.drawn import LABELS, SIZES, over, paint
from tests.annotation.fixtures.truth import HOLE, IMAGES, POLYGON, SHAPE, masks


def compressed(mask: NDArray[np.bool_]) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(SHAPE), "counts": code["counts"].decode()}


def counted(mask: NDArray[np.bool_]) -> dict[str, Any]:
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, flat.size]).tolist()
    return {"size": list(SHAPE), "counts": [0, *counts] if flat[0] else counts}


def flat(points: tuple[tuple[float, float], ...]) -> list[float]:
    return [number for point in points for number in point]


def document() -> dict[str, Any]:
    mask = masks()
    drawn = [
        (11, 5, compressed(mask["ring"]), 0),
        (11, 7, compressed(mask["noise"]), 1),
        (12, 5, counted(mask["all"]), 1),
        (12, 7, counted(mask["corner"]), 0),
        (13, 5, [flat(POLYGON), [12, 16, 19, 16, 19, 23, 12, 23]], 0),
        (13, 3, [flat(HOLE)], 0),
        (12, 7, counted(mask["edge"]), 0),
    ]
    return {
        "info": {},
        "images": [
            {"id": number, "file_name": f"images/{image_id}.png", "height": SHAPE[0], "width": SHAPE[1]}
            for number, image_id in enumerate(IMAGES, start=11)
        ],
        "categories": [{"id": 3, "name": "background"}, {"id": 7, "name": "Lesion "}, {"id": 5, "name": "liver"}],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, "segmentation": code, "iscrowd": crowd}
            for number, (image, category, code, crowd) in enumerate(drawn, start=1)
        ],
    }


def saved(folder: Path, content: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def test_codes_come_back_exactly_and_polygons_with_their_holes(tmp_path: Path) -> None:
    mask = masks()
    first, second, third = coco.read(saved(tmp_path, document()), SIZES, LABELS)
    assert [item.image_id for item in (first, second, third)] == list(IMAGES[:3])  # nothing is drawn on the fourth
    assert (first.annotator, first.seconds) == ("", None)
    assert np.array_equal(paint(first), over((1, mask["ring"]), (2, mask["noise"])))
    assert np.array_equal(paint(second), over((1, mask["all"]), (2, mask["corner"]), (2, mask["edge"])))
    square = np.zeros(SHAPE, np.bool_)
    square[16:23, 12:19] = True
    joined = (fill_polygon(np.array(POLYGON), SHAPE, "") | square) & ~fill_polygon(np.array(HOLE), SHAPE, "")
    assert [layer.label_id for layer in third.layers] == [1]
    assert np.array_equal(third.layers[0].inside, joined)


def test_pycocotools_reads_the_same_codes_the_same_way(tmp_path: Path) -> None:
    path = saved(tmp_path, document())
    theirs = COCO(str(path))
    for item, coded in zip(coco.read(path, SIZES, LABELS), (theirs.imgToAnns[11], theirs.imgToAnns[12]), strict=False):
        for layer, annotation in zip(item.layers, coded, strict=True):
            assert np.array_equal(layer.inside, theirs.annToMask(annotation).astype(bool))


def test_a_background_annotation_says_that_an_image_is_empty(tmp_path: Path) -> None:
    content = document()
    content["annotations"] = [{"image_id": 14, "category_id": 3, "segmentation": [flat(HOLE)]}]
    (empty,) = coco.read(saved(tmp_path, content), SIZES, LABELS)
    assert (empty.image_id, empty.layers) == (IMAGES[3], ())


def _annotation(**values: Any) -> Callable[[Any], None]:
    return lambda content: content["annotations"][0].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_annotation(category_id=4), r"annotations\[0\].category_id is 4, but categories have no such id"),
        (_annotation(image_id=99), r"annotations\[0\].image_id is 99, but images have no such id"),
        (_annotation(image_id=[1]), r"image_id is \[1\], not a number or text"),
        (_annotation(image_id=True), r"image_id is True, not a number or text"),
        (_annotation(segmentation=[]), r"annotations\[0\] has no segmentation, only a box at most; draw its outline"),
        (_annotation(segmentation=[[1, 2, 3]]), r"segmentation\[0\] is \[1, 2, 3\], not a list of x and y in turn"),
        (_annotation(segmentation=[[1, 2, 3, 4]]), r"segmentation\[0\] is an outline of 2 points"),
        (_annotation(segmentation=[[1, 2, 3, 4, 5, "6"]]), r"not a list of finite numbers"),
        (_annotation(segmentation={"size": [20, 24], "counts": "0"}), r"size is \[20, 24\], not \[24, 20\], the rows"),
        (_annotation(segmentation={"size": [24, 20], "counts": [1, 2]}), "counts add up to 3 pixels, but .* = 480"),
        (_annotation(segmentation={"size": [24, 20], "counts": "~"}), r"counts has '~' as character 1"),
        (lambda content: content["categories"][2].update(name="spleen"), "unknown label 'spleen'; labels.json knows"),
        (lambda content: content["categories"][2].update(id=7), r"categories\[2\] has the id 7 of categories\[1\]"),
        (
            lambda content: content["images"][0].update(width=21),
            "is 24 rows x 21 columns there, but 24 x 20 in the pack",
        ),
        (lambda content: content["images"][0].pop("height"), r"images\[0\] has no height"),
        (
            lambda content: content["images"][0].update(file_name="/etc/passwd"),
            "no image of this pack is called passwd",
        ),
    ],
)
def test_each_fault_is_named(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    content = document()
    change(content)
    with pytest.raises(AnnotationError, match=f"instances.json: .*{message}"):
        list(coco.read(saved(tmp_path, content), SIZES, LABELS))
