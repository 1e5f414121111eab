"""LabelMe: what its own library wrote comes back pixel by pixel."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from radgen.annotation.importers import labelme
from radgen.annotation.importers.polygons import fill_ellipse, fill_polygon
from radgen.annotation.returned import Returned
from radgen.errors import AnnotationError
from tests.annotation.drawn import FIXTURES, LABELS, SIZES, far_from_outline, over, paint
from tests.annotation.fixtures.truth import BOX, HOLE, IMAGES, POLYGON, SHAPE, masks

ORIENTED = ((10.0, 2.0), (16.0, 6.0), (14.0, 9.0), (8.0, 5.0))


def read(path: Path) -> Returned:
    (found,) = labelme.read(path, SIZES, LABELS)
    return found


def test_masks_come_back_exactly() -> None:
    mask = masks()
    found = read(FIXTURES / "labelme_0.json")
    assert (found.image_id, found.annotator, found.seconds) == (IMAGES[0], "", None)
    for layer, (label_id, name) in zip(found.layers, ((1, "ring"), (2, "noise"), (1, "corner")), strict=True):
        assert layer.label_id == label_id
        assert np.array_equal(layer.inside, mask[name])


def test_outlines_hold_pixel_centres_and_background_cuts_holes() -> None:
    left, top, right, bottom = (int(edge) for edge in BOX)
    box = np.zeros(SHAPE, np.bool_)
    box[top:bottom, left:right] = True
    painted = over(
        (1, fill_polygon(np.array(POLYGON), SHAPE, "")),
        (2, box),
        (1, fill_ellipse((12.0, 14.0), (4.5, 4.5), 0, SHAPE, "")),
        (0, fill_polygon(np.array(HOLE), SHAPE, "")),
        (2, fill_polygon(np.array(ORIENTED), SHAPE, "")),
    )
    found = paint(read(FIXTURES / "labelme_1.json"))
    assert np.array_equal(found, painted)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    circle = np.array([12, 14]) + 4.5 * np.stack(
        [np.cos(np.arange(0, 6.3, 0.1)), np.sin(np.arange(0, 6.3, 0.1))], axis=1
    )
    far = np.ones(SHAPE, np.bool_)
    for outline in (np.array(POLYGON), corners, circle, np.array(HOLE), np.array(ORIENTED)):
        far &= far_from_outline(outline, SHAPE, 1.25)
    own = np.array(json.loads((FIXTURES / "labelme_own.json").read_text()))
    assert far.sum() > 100
    assert np.array_equal(found[far], own[far])


def test_a_file_without_shapes_is_an_image_left_empty() -> None:
    found = read(FIXTURES / "labelme_2.json")
    assert (found.image_id, found.layers) == (IMAGES[2], ())


def png(mask: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def bomb(side: int) -> str:
    """Return a PNG of a few bytes that says it has side x side pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(1 << 20), 9)
    chunks = b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, body, b"IEND")
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def _shape(**values: Any) -> Callable[[Any], None]:
    return lambda content: content["shapes"][0].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_shape(label="spleen"), "unknown label 'spleen'; labels.json knows background, liver, lesion"),
        (_shape(shape_type="linestrip"), r"shapes\[0\] is a linestrip, which has no area; draw it as one of circle"),
        (_shape(shape_type="circle", points=[[1, 2]]), r"points is \[\[1, 2\]\], not two points"),
        (_shape(shape_type="polygon", points=[[1, 2], [3]]), r"points is .* not a list of points \[x, y\]"),
        (_shape(shape_type="polygon", points=[[1, 2], [3, 900], [4, 4]]), "a point at x 3, y 900, far outside"),
        (_shape(points=[[2, 4], [20, 19]]), "points is .* not the corners of a box within 24 rows x 20 columns"),
        (_shape(points=[[17, 19], [2, 4]]), "points is .* not the corners of a box"),
        (_shape(points=[[2, 4], [16, 19]]), r"mask is 16 rows x 16 columns, but its box is 16 x 15; draw it again"),
        (_shape(mask=bomb(60_000)), r"mask is 60000 rows x 60000 columns, but its box is 16 x 16"),
        (_shape(mask="@@@@"), r"mask is no whole PNG in base64"),
        (_shape(mask="R0lGODlh"), r"mask is 'R0lGODlh', not a PNG in base64"),
        (_shape(mask=bomb(16)[:70]), r"mask is no whole PNG in base64"),
        (_shape(mask=png(np.zeros((16, 16, 3), np.uint8))), r"mask is a RGB picture, but a mask has one channel"),
        (_shape(mask=None), r"shapes\[0\] has no mask"),
        (lambda content: content.update(imageWidth=24, imageHeight=20), "is 20 rows x 24 columns there, but 24 x 20"),
        (lambda content: content.update(imagePath="/dev/zero"), "no image of this pack is called zero"),
        (lambda content: content.update(shapes={}), r"shapes is \{\}, not a list"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    content = json.loads((FIXTURES / "labelme_0.json").read_text())
    change(content)
    path = tmp_path / "drawing.json"
    path.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=f"drawing.json: .*{message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_masks_of_grey_values_count_what_is_not_zero(tmp_path: Path) -> None:
    content = json.loads((FIXTURES / "labelme_0.json").read_text())
    mask = np.zeros((16, 16), np.uint8)
    mask[3:5, 2:9] = (1, 2, 100, 254, 255, 255, 1)
    content["shapes"] = [content["shapes"][0] | {"mask": png(mask)}]
    path = tmp_path / "drawing.json"
    path.write_text(json.dumps(content))
    assert np.array_equal(read(path).layers[0].inside[4:20, 2:18], mask > 0)
