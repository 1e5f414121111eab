"""LabelMe's JSON, one file per image: polygon, rectangle (turned or not), circle, and masks as a PNG in their box.

Shapes are in the order of painting; groups (group_id) join what is one object, which changes no pixel. LabelMe has no
holes: draw them as `background` (or `_background_`, as its own examples call it), above. A file without shapes is an
image that was looked at and left empty. The file names no annotator and no time. The picture's path and its pixels in
the file are never opened.

Masks are decoded exactly: the box includes both its corners' pixels. Outlines follow `polygons`; LabelMe itself draws
them with PIL, which paints the pixels under the line too.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.annotation.importers.names import image_at
from radgen.annotation.importers.polygons import box_corners, fill_ellipse, fill_polygon
from radgen.annotation.importers.regions import layers_in_order
from radgen.annotation.importers.untrusted import Field, head, read_json
from radgen.annotation.returned import Returned, Sizes, check_size, label_named
from radgen.annotation.schema import Label
from radgen.errors import AnnotationError

PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PNG_MODES = ("1", "L", "P")
ITS_BACKGROUND = "_background_"
DEFAULT_SHAPE = "polygon"  # files of old versions do not name it


def recognise(path: Path) -> bool:
    """Tell whether a file is an object with LabelMe's keys."""
    start = head(path)
    return start.startswith(b"{") and (b'"shapes"' in start or b'"imagePath"' in start)


def read(path: Path, sizes: Sizes, labels: Sequence[Label]) -> Iterator[Returned]:
    """Yield what is drawn on the file's image; see `radgen.annotation.returned`."""
    root = read_json(path)
    image_id = image_at(root["imagePath"].text(), sizes, path.name)
    check_size((root["imageHeight"].whole(), root["imageWidth"].whole()), image_id, sizes, path.name)
    regions = (
        (label_named(_label_name(shape), labels, path.name).id, _fill(shape, sizes[image_id]))
        for shape in root["shapes"].entries()
    )
    yield Returned(image_id, layers_in_order(regions, root.where), sizes[image_id], path.name)


def _label_name(shape: Field) -> str:
    name = shape["label"].text().strip()
    return "background" if name == ITS_BACKGROUND else name


def _fill(shape: Field, size: tuple[int, int]) -> NDArray[np.bool_]:
    named = shape.get("shape_type")
    kind = DEFAULT_SHAPE if named is None else named.text()
    if kind not in FILLERS:
        msg = f"{shape.where} is a {kind}, which has no area; draw it as one of {', '.join(sorted(FILLERS))}"
        raise AnnotationError(msg)
    return FILLERS[kind](shape, size)


def _fill_polygon(shape: Field, size: tuple[int, int]) -> NDArray[np.bool_]:
    return fill_polygon(shape["points"].points(), size, shape.where)


def _fill_rectangle(shape: Field, size: tuple[int, int]) -> NDArray[np.bool_]:
    (x0, y0), (x1, y1) = np.sort(_two_points(shape), axis=0)
    return fill_polygon(box_corners((x0, y0), x1 - x0, y1 - y0), size, shape.where)


def _fill_circle(shape: Field, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill a circle, given as its centre and a point on it."""
    centre, rim = _two_points(shape)
    radius = float(np.hypot(*(rim - centre)))
    return fill_ellipse((centre[0], centre[1]), (radius, radius), 0.0, size, shape.where)


def _fill_mask(shape: Field, size: tuple[int, int]) -> NDArray[np.bool_]:
    corners = _two_points(shape)
    if (corners < 0).any() or (corners >= (size[1], size[0])).any() or (corners[0] > corners[1]).any():
        shape["points"].refuse(f"the corners of a box within {size[0]} rows x {size[1]} columns")
    (left, top), (right, bottom) = corners.astype(np.int64).tolist()
    inside = np.zeros(size, np.bool_)
    box = inside[top : bottom + 1, left : right + 1]
    box[:] = _decode_png(shape["mask"], box.shape)
    return inside


FILLERS: dict[str, Callable[[Field, tuple[int, int]], NDArray[np.bool_]]] = {
    "polygon": _fill_polygon,
    "oriented_rectangle": _fill_polygon,
    "rectangle": _fill_rectangle,
    "circle": _fill_circle,
    "mask": _fill_mask,
}


def _two_points(shape: Field) -> NDArray[np.float64]:
    points = shape["points"]
    found = points.points()
    return found if len(found) == 2 else points.refuse("two points [x, y]")


def _decode_png(text: Field, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Decode a PNG in base64, after its header has said that it has the size of its box."""
    try:
        data = base64.b64decode(text.text(), validate=True)
        if not data.startswith(PNG_START):
            text.refuse("a PNG in base64")
        width, height = struct.unpack_from(">II", data, len(PNG_START))
        if (height, width) != size:
            msg = (
                f"{text.where} is {height} rows x {width} columns, but its box is {size[0]} x {size[1]}; draw it again"
            )
            raise AnnotationError(msg)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.mode not in PNG_MODES:
                msg = f"{text.where} is a {picture.mode} picture, but a mask has one channel; draw it again"
                raise AnnotationError(msg)
            inside: NDArray[np.bool_] = np.asarray(picture) != 0
            return inside
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        msg = f"{text.where} is no whole PNG in base64 ({error}); export the file again"
        raise AnnotationError(msg) from error
