"""CVAT for images, XML 1.1: masks (run lengths along the rows of their box), polygons, boxes and ellipses.

Shapes are painted from the lowest z_order to the highest, and within one in the order of the file. CVAT has no holes in
polygons: as its manual says, they are shapes of the class background above. An image without shapes counts as not
painted; the tag background says that it was looked at and left empty. The annotator is who the task is assigned to, or
else its owner; CVAT exports no times.

Masks are decoded exactly. Boxes and ellipses turn clockwise about their centre. Outlines follow `polygons`; CVAT itself
makes masks of them with pycocotools, which differs by pixels beside the outline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.names import image_at
from radgen.annotation.importers.polygons import box_corners, fill_ellipse, fill_polygon
from radgen.annotation.importers.regions import BACKGROUND, layers_in_order
from radgen.annotation.importers.rle import mask_of_counts
from radgen.annotation.importers.untrusted import SHOWN, head, read_xml
from radgen.annotation.returned import Returned, Sizes, check_size, label_named
from radgen.annotation.schema import Label
from radgen.errors import AnnotationError


def recognise(path: Path) -> bool:
    """Tell whether a file is XML with CVAT's root."""
    start = head(path)
    return start.startswith(b"<") and b"<annotations>" in start


def read(path: Path, sizes: Sizes, labels: Sequence[Label]) -> Iterator[Returned]:
    """Yield what is painted on each image; see `radgen.annotation.returned`."""
    root = read_xml(path)
    if root.find("track") is not None:
        msg = f"{path.name}: holds tracks of a video; export as CVAT for images 1.1"
        raise AnnotationError(msg)
    people = _people(root)
    for image in root.iterfind("image"):
        place = _Place(path.name, f"image {image.get('name', '')!r}")
        shapes = [shape for shape in image if shape.tag != "tag"]
        if not shapes and not _left_empty(image, labels, path.name):
            continue
        image_id = image_at(place.attribute(image, "name"), sizes, path.name)
        check_size((place.whole(image, "height"), place.whole(image, "width")), image_id, sizes, path.name)
        shapes.sort(key=lambda shape: _z_order(shape, place))
        regions = (
            (label_named(place.attribute(shape, "label"), labels, path.name).id, _fill(shape, sizes[image_id], place))
            for shape in shapes
        )
        person = people.get(image.get("task_id", ""), people[""])
        yield Returned(image_id, layers_in_order(regions, place.where), sizes[image_id], path.name, person)


class _Place:
    """Where in a file an element stands, and its attributes as numbers or refusals in words."""

    def __init__(self, file: str, image: str) -> None:
        self.where = f"{file}: {image}"

    def refuse(self, element: ET.Element, text: str) -> NoReturn:
        msg = f"{self.where}, {element.tag} {text}; export the file again"
        raise AnnotationError(msg)

    def attribute(self, element: ET.Element, name: str) -> str:
        found = element.get(name)
        return self.refuse(element, f"has no {name}") if found is None else found

    def whole(self, element: ET.Element, name: str) -> int:
        value = self.number(element, name)
        return int(value) if value.is_integer() else self.refuse(element, f"has {name} {value:g}, no whole number")

    def number(self, element: ET.Element, name: str) -> float:
        return float(self.numbers(element, name, ",", 1)[0])

    def numbers(self, element: ET.Element, name: str, separator: str, count: int | None = None) -> NDArray[np.float64]:
        """Return the finite numbers of an attribute; below 2**53 whole ones are exact."""
        text = self.attribute(element, name)
        try:
            found = np.array([float(part) for part in text.split(separator)])
        except ValueError:
            self.refuse(element, f"has {name} {text[:SHOWN]!r}, no numbers")
        if not np.isfinite(found).all() or (count is not None and len(found) != count):
            self.refuse(element, f"has {name} {text[:SHOWN]!r}, not {count or 'finite'} number(s)")
        return found


def _fill(shape: ET.Element, size: tuple[int, int], place: _Place) -> NDArray[np.bool_]:
    if shape.tag not in FILLERS:
        msg = f"{place.where} has a {shape.tag}, which has no area; draw it as one of {', '.join(sorted(FILLERS))}"
        raise AnnotationError(msg)
    return FILLERS[shape.tag](shape, size, place)


def _fill_mask(shape: ET.Element, size: tuple[int, int], place: _Place) -> NDArray[np.bool_]:
    left, top, width, height = (place.whole(shape, name) for name in ("left", "top", "width", "height"))
    if not (0 <= left < left + width <= size[1] and 0 <= top < top + height <= size[0]):
        text = (
            f"has a box at column {left}, row {top} of {height} x {width}, outside {size[0]} rows x {size[1]} columns"
        )
        place.refuse(shape, text)
    counts = place.numbers(shape, "rle", ",")
    if (counts != np.rint(counts)).any() or np.abs(counts).max() > 2**53:
        place.refuse(shape, "has run lengths that are no whole numbers")
    inside = np.zeros(size, np.bool_)
    inside[top : top + height, left : left + width] = mask_of_counts(
        counts.astype(np.int64), (height, width), f"{place.where}, mask", by_column=False
    )
    return inside


def _fill_polygon(shape: ET.Element, size: tuple[int, int], place: _Place) -> NDArray[np.bool_]:
    text = place.attribute(shape, "points")
    if any(point.count(",") != 1 for point in text.split(";")):
        place.refuse(shape, f"has points {text[:SHOWN]!r}, not x,y;x,y;...")
    flat = ET.Element(shape.tag, {"points": text.replace(";", ",")})
    return fill_polygon(place.numbers(flat, "points", ",").reshape(-1, 2), size, f"{place.where}, polygon")


def _fill_box(shape: ET.Element, size: tuple[int, int], place: _Place) -> NDArray[np.bool_]:
    left, top, right, bottom = (place.number(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    corners = box_corners((left, top), right - left, bottom - top, _degrees(shape, place))
    return fill_polygon(corners, size, f"{place.where}, box")


def _fill_ellipse(shape: ET.Element, size: tuple[int, int], place: _Place) -> NDArray[np.bool_]:
    x, y, radius_x, radius_y = (place.number(shape, name) for name in ("cx", "cy", "rx", "ry"))
    return fill_ellipse((x, y), (radius_x, radius_y), _degrees(shape, place), size, f"{place.where}, ellipse")


FILLERS: dict[str, Callable[[ET.Element, tuple[int, int], _Place], NDArray[np.bool_]]] = {
    "mask": _fill_mask,
    "polygon": _fill_polygon,
    "box": _fill_box,
    "ellipse": _fill_ellipse,
}


def _degrees(shape: ET.Element, place: _Place) -> float:
    return place.number(shape, "rotation") if "rotation" in shape.attrib else 0.0


def _z_order(shape: ET.Element, place: _Place) -> float:
    return place.number(shape, "z_order") if "z_order" in shape.attrib else 0.0


def _left_empty(image: ET.Element, labels: Sequence[Label], file: str) -> bool:
    background = next(label.name.casefold() for label in labels if label.id == BACKGROUND)
    return any(tag.get("label", "").strip().casefold() == background for tag in image.iterfind("tag"))


def _people(root: ET.Element) -> dict[str, str]:
    """Return who paints in each task, by its id; under the empty id, the person of the only task, else nobody."""
    found = {}
    for task in root.iter("task"):
        name = task.findtext("assignee/username") or task.findtext("owner/username") or ""
        found[(task.findtext("id") or "").strip()] = name.strip()
    found[""] = next(iter(found.values())) if len(found) == 1 else ""
    return found
