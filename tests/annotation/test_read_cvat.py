"""CVAT: what datumaro and CVAT's own coder wrote comes back pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.annotation.importers import cvat
from radgen.annotation.importers.polygons import box_corners, fill_ellipse, fill_polygon
from radgen.annotation.returned import Returned
from radgen.errors import AnnotationError
from tests.annotation.drawn import FIXTURES, LABELS, SIZES, over, paint
from tests.annotation.fixtures.truth import BOX, HOLE, IMAGES, POLYGON, SHAPE, masks


def read(path: Path) -> list[Returned]:
    return list(cvat.read(path, SIZES, LABELS))


def test_masks_come_back_exactly_in_z_order() -> None:
    mask = masks()
    first, second, _, _ = read(FIXTURES / "cvat.xml")
    assert (first.image_id, first.annotator, first.seconds) == (IMAGES[0], "reader", None)
    assert [layer.label_id for layer in first.layers] == [1, 2]  # the file has them the other way round
    assert np.array_equal(first.layers[0].inside, mask["ring"])
    assert np.array_equal(first.layers[1].inside, mask["noise"])
    assert np.array_equal(paint(second), over((1, mask["all"]), (2, mask["corner"]), (0, mask["edge"])))


def test_ellipses_turn_and_the_tag_background_means_empty() -> None:
    _, _, third, fourth = read(FIXTURES / "cvat.xml")
    assert np.array_equal(third.layers[0].inside, fill_ellipse((10.0, 12.0), (6.0, 3.0), 30, SHAPE, ""))
    assert (fourth.image_id, fourth.layers) == (IMAGES[3], ())


def test_files_of_datumaro_come_back() -> None:
    mask = masks()
    first, second = read(FIXTURES / "cvat_datumaro.xml")  # nothing is drawn on the third image
    assert np.array_equal(paint(first), over((1, mask["ring"]), (2, mask["noise"])))
    left, top, right, bottom = BOX
    painted = over(
        (1, fill_polygon(np.array(POLYGON), SHAPE, "")),
        (2, fill_polygon(box_corners((left, top), right - left, bottom - top), SHAPE, "")),
        (0, fill_polygon(np.array(HOLE), SHAPE, "")),
        (1, fill_polygon(box_corners((8, 13), 8, 4, 30), SHAPE, "")),
    )
    assert (second.image_id, second.annotator) == (IMAGES[1], "")
    assert np.array_equal(paint(second), painted)
    assert {1, 2} == {layer.label_id for layer in second.layers}


def saved(folder: Path, shapes: str, image: str = "", meta: str = "") -> Path:
    path = folder / "annotations.xml"
    image = image or f'id="0" name="{IMAGES[0]}.png" width="20" height="24"'
    path.write_text(f"<annotations>{meta}<image {image}>{shapes}</image></annotations>")
    return path


POINTS = '<polygon label="liver" points="1,1;9,1;9,9" z_order="0"/>'


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            '<polygon label="spleen" points="1,1;9,1;9,9"/>',
            "unknown label 'spleen'; labels.json knows background, liver",
        ),
        ('<polygon points="1,1;9,1;9,9"/>', "image 'main_normal_000000.png', polygon has no label; export"),
        ('<polygon label="liver" points="1,1;9,1"/>', "polygon is an outline of 2 points"),
        ('<polygon label="liver" points="1,1;9,1;9"/>', "polygon has points '1,1;9,1;9', not x,y;x,y"),
        ('<polygon label="liver" points="1,1;9,1;9,x"/>', "polygon has points '1,1,9,1,9,x', no numbers"),
        ('<polygon label="liver" points="1,1;9,1;9,nan"/>', "polygon has points .*, not finite number"),
        ('<polygon label="liver" points="1,1;9,1;9,1e9"/>', r"a point at x 9, y 1e\+09, far outside a picture of 24"),
        (
            '<polyline label="liver" points="1,1;9,1"/>',
            "has a polyline, which has no area; draw it as one of box, ellipse",
        ),
        ('<box label="liver" xtl="1" ytl="1" xbr="2,3" ybr="4"/>', "box has xbr '2,3', not 1 number"),
        ('<box label="liver" xtl="1" ytl="1" xbr="inf" ybr="4"/>', "box has xbr 'inf', not 1 number"),
        (
            '<mask label="liver" rle="3, 4" left="1" top="1" width="4" height="2"/>',
            "mask counts add up to 7 pixels, but the picture has 2 x 4 = 8",
        ),
        (
            '<mask label="liver" rle="1, 1e300" left="1" top="1" width="4" height="2"/>',
            "mask has run lengths that are no",
        ),
        (
            '<mask label="liver" rle="0, 8" left="18" top="1" width="4" height="2"/>',
            "mask has a box at column 18, row 1 of 2 x 4, outside 24 rows x 20 columns",
        ),
        ('<mask label="liver" rle="" left="1" top="1" width="4" height="2"/>', "mask has rle '', no numbers"),
        (
            '<mask label="liver" rle="0, 8" left="1.5" top="1" width="4" height="2"/>',
            "mask has left 1.5, no whole number",
        ),
    ],
)
def test_each_fault_of_a_shape_is_named(tmp_path: Path, shapes: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=f"annotations.xml: .*{message}"):
        read(saved(tmp_path, shapes))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ('id="0" name="../../etc/passwd" width="20" height="24"', "no image of this pack is called passwd"),
        (
            f'id="0" name="{IMAGES[0]}.png" width="24" height="20"',
            "is 20 rows x 24 columns there, but 24 x 20 in the pack",
        ),
        (f'id="0" name="{IMAGES[0]}.png" width="20"', "image has no height"),
    ],
)
def test_each_fault_of_an_image_is_named(tmp_path: Path, image: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=f"annotations.xml: .*{message}"):
        read(saved(tmp_path, POINTS, image))


def test_videos_are_refused_and_tasks_of_a_project_keep_their_people(tmp_path: Path) -> None:
    path = tmp_path / "video.xml"
    path.write_text('<annotations><track id="0" label="liver"/></annotations>')
    with pytest.raises(AnnotationError, match=r"video\.xml: holds tracks of a video; export as CVAT for images 1.1"):
        read(path)
    tasks = "".join(
        f"<task><id>{number}</id><owner><username>owner</username></owner>{assignee}</task>"
        for number, assignee in ((1, ""), (2, "<assignee><username>second</username></assignee>"))
    )
    meta = f"<meta><project><tasks>{tasks}</tasks></project></meta>"
    for task, person in (("1", "owner"), ("2", "second"), ("3", "")):
        image = f'id="0" name="{IMAGES[0]}.png" task_id="{task}" width="20" height="24"'
        assert read(saved(tmp_path, POINTS, image, meta))[0].annotator == person
