"""Label Studio: what its own library wrote comes back pixel by pixel, with who painted and how long."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radgen.annotation.importers import coco, label_studio
from radgen.annotation.importers.polygons import fill_ellipse, fill_polygon
from radgen.errors import AnnotationError
from tests.annotation.drawn import FIXTURES, LABELS, SIZES, over, paint
from tests.annotation.fixtures.truth import BOX, IMAGES, POLYGON, SHAPE, masks

FILE = FIXTURES / "label_studio.json"
CORNERS = np.array(json.loads((FIXTURES / "label_studio_corners.json").read_text()))


def read(path: Path) -> list[Any]:
    return list(label_studio.read(path, SIZES, LABELS))


def changed(folder: Path, change: Callable[[Any], Any]) -> Path:
    tasks = json.loads(FILE.read_text())
    path = folder / "export.json"
    path.write_text(json.dumps(change(tasks) or tasks))
    return path


def test_each_annotator_comes_back_with_image_time_and_name() -> None:
    found = read(FILE)
    assert [(item.image_id, item.annotator, item.seconds) for item in found] == [
        (IMAGES[0], "1", 41.5),
        (IMAGES[0], "reader2@example.org", 12.25),
        (IMAGES[1], "1", 8.0),
        (IMAGES[2], "1", 9.5),
        (IMAGES[3], "reader2@example.org", 1.5),
    ]  # the third annotator skipped the first task
    assert {(item.file, item.shape) for item in found} == {("label_studio.json", SHAPE)}
    assert found[-1].layers == ()


def test_brushes_come_back_exactly() -> None:
    mask = masks()
    first, _, extremes, *_ = read(FILE)
    assert [layer.label_id for layer in first.layers] == [1, 2]
    assert np.array_equal(first.layers[0].inside, mask["ring"])
    assert np.array_equal(first.layers[1].inside, mask["noise"])
    assert np.array_equal(paint(extremes), over((1, mask["all"]), (2, mask["corner"])))


def test_brush_ellipse_and_polygon_mix_in_one_task() -> None:
    mixed = read(FILE)[1]
    ellipse = fill_ellipse((10.0, 12.0), (6.0, 4.8), 30, SHAPE, "")
    polygon = fill_polygon(np.array(POLYGON), SHAPE, "")
    assert np.array_equal(paint(mixed), over((1, masks()["edge"]), (2, ellipse), (1, polygon)))


def test_outlines_agree_with_the_tools_own_exports() -> None:
    polygon, box, turned = read(FILE)[3].layers
    (as_coco,) = coco.read(FIXTURES / "label_studio_as_coco.json", SIZES, LABELS)
    assert as_coco.image_id == IMAGES[2]
    assert np.array_equal(polygon.inside, as_coco.layers[0].inside)
    assert np.array_equal(turned.inside, fill_polygon(CORNERS, SHAPE, ""))
    left, top, right, bottom = (int(edge) for edge in BOX)
    expected = np.zeros(SHAPE, np.bool_)
    expected[top:bottom, left:right] = True
    assert np.array_equal(box.inside, expected)


def _separate(tasks: Any) -> None:
    """Say shape and label in two results of one id, as `<Brush>` with `<Labels>` does."""
    results = tasks[0]["annotations"][0]["result"]
    brush = results[0]
    value = {key: brush["value"][key] for key in ("format", "rle")}
    results[:1] = [
        brush | {"type": "brush", "value": value},
        brush | {"type": "labels", "value": value | {"labels": ["liver"]}},
    ]


def _both_labels(tasks: Any) -> None:
    tasks[0]["annotations"][0]["result"][0]["value"]["brushlabels"] = ["liver", "lesion"]


def test_labels_may_stand_apart_from_shapes_or_be_two(tmp_path: Path) -> None:
    assert np.array_equal(paint(read(changed(tmp_path, _separate))[0]), paint(read(FILE)[0]))
    both = read(changed(tmp_path, _both_labels))[0].layers
    assert [layer.label_id for layer in both] == [1, 2, 2]
    assert np.array_equal(both[0].inside, both[1].inside)


@pytest.mark.parametrize(
    "address",
    [
        "/data/local-files/?d=images/main_normal_000000.png",
        "/data/local-files/?d=images%2Fmain_normal_000000.png",
        "https://example.org/a%20b/main_normal_000000.png?token=x=y&z=1",
        "s3://bucket/main_normal_000000.png",
        "C:\\pack\\images\\main_normal_000000.png",
        "../../../etc/main_normal_000000.png",
    ],
)
def test_images_are_known_by_the_end_of_any_address(tmp_path: Path, address: str) -> None:
    def change(tasks: Any) -> None:
        tasks[0]["data"] = {"note": "seen", "image": address}

    assert read(changed(tmp_path, change))[0].image_id == IMAGES[0]


def _set(path: str, value: Any) -> Callable[[Any], None]:
    """Set one value of the first annotation's first result: keys joined by dots."""

    def change(tasks: Any) -> None:
        place = tasks[0]["annotations"][0]["result"][0]
        *keys, last = path.split(".")
        for key in keys:
            place = place[key]
        place[last] = value

    return change


FIRST = r"export.json: \[0\].annotations\[0\]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _set("value.brushlabels", ["spleen"]),
            "export.json: unknown label 'spleen'; labels.json knows background, liver",
        ),
        (_set("value.brushlabels", []), FIRST + r".result\[0\] has no label; choose one"),
        (_set("original_width", 40), "main_normal_000000 is 24 rows x 40 columns there, but 24 x 20 in the pack"),
        (_set("image_rotation", 90), FIRST + r".result\[0\].image_rotation is 90, not 0"),
        (_set("type", "keypointlabels"), "is a keypoint, which says nothing of an area; use a tool of brush, ellipse"),
        (_set("value.rle", [0, 256]), r"rle is \[0, 256\], not a list of bytes 0 to 255"),
        (_set("value.rle", [0.5]), r"rle is \[0.5\], not a list of whole numbers"),
        (_set("value.rle", [10**400]), r"rle is \[1000+, not a list of whole numbers"),
        (_set("value.rle", [0, 0, 7, 128]), r"rle stops after 4 bytes"),
        (_set("value.rle", None), "value has no rle; export the file again"),
        (_set("value", []), r"value is \[\], not an object"),
        (lambda tasks: tasks[0].update(data={"image": "other.png"}), "no image of this pack is called other.png; keep"),
        (lambda tasks: tasks[0].update(data={}), "export.json: no image of this pack is called "),
        (
            lambda tasks: tasks[0]["data"].update(image_id=IMAGES[1]),
            "data names the images main_normal_000000, main_normal_000001; give each task one",
        ),
        (
            lambda tasks: tasks[0].pop("annotations") and None,
            r"\[0\] has no annotations; export as JSON, not as JSON-MIN",
        ),
        (lambda tasks: {"tasks": tasks}, "export.json: the file is .* not a list"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        read(changed(tmp_path, change))
    assert "\n" not in str(caught.value)
