"""Label Studio's JSON export: brush, polygon, ellipse and rectangle, in any mixture, by any number of annotators.

One task per image, one annotation per person who worked on it, with the seconds it took (`lead_time`). Skipped
annotations are passed over, as are predictions and drafts, which nobody submitted; a submitted one without regions is
an image that was looked at and left empty. Outlines are percent of the picture's width and height; rectangles turn
about their left top corner, ellipses about their centre.

A brush is decoded exactly: a pixel is painted where its opacity is at least one half (strokes have soft rims in the
tool; its own PNG export keeps the grey values). Outlines follow `polygons`; the tool itself exports them as outlines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.names import image_at, known_image
from radgen.annotation.importers.polygons import box_corners, fill_ellipse, fill_polygon
from radgen.annotation.importers.regions import layers_in_order
from radgen.annotation.importers.rle import opacity_of_brush
from radgen.annotation.importers.untrusted import Field, head, read_json
from radgen.annotation.returned import Returned, Sizes, check_size, label_named
from radgen.annotation.schema import Label
from radgen.errors import AnnotationError

ITS_OWN = (b'"annotations"', b'"completions"', b'"annotation_id"')  # of now, of old versions, of JSON-MIN
OPAQUE = 128  # of 255: half
# Said of the whole image or of other regions; they paint nothing.
PAINTS_NOTHING = ("", "choices", "textarea", "rating", "number", "taxonomy", "datetime", "relation", "pairwise")


def recognise(path: Path) -> bool:
    """Tell whether a file is a list of tasks, in whichever of the tool's exports to JSON."""
    start = head(path)
    return start.startswith(b"[") and any(key in start for key in ITS_OWN)


def read(path: Path, sizes: Sizes, labels: Sequence[Label]) -> Iterator[Returned]:
    """Yield what each annotator painted on each task's image; see `radgen.annotation.returned`."""
    for task in read_json(path).entries():
        annotations = task.get("annotations") or task.get("completions")
        if annotations is None:
            msg = f"{task.where} has no annotations; export as JSON, not as JSON-MIN, CSV or tasks alone"
            raise AnnotationError(msg)
        for annotation in annotations.entries():
            skipped = annotation.get("was_cancelled")
            if skipped is None or not skipped.value:
                yield _returned(annotation, _image_of(task, sizes), sizes, labels)


def _returned(annotation: Field, image_id: str, sizes: Sizes, labels: Sequence[Label]) -> Returned:
    regions = _regions(annotation["result"], image_id, sizes, labels)
    seconds = annotation.get("lead_time")
    return Returned(
        image_id,
        layers_in_order(regions, annotation.where),
        sizes[image_id],
        annotation.file,
        _annotator(annotation),
        None if seconds is None or seconds.number() < 0 else seconds.number(),
    )


def _regions(
    results: Field, image_id: str, sizes: Sizes, labels: Sequence[Label]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield label id and pixels; a region's shape and label are one result, or two with the same id."""
    names: dict[int | str, list[str]] = {}
    for result in results.entries():
        if (value := result.get("value")) is not None and (region := result.get("id")) is not None:
            names.setdefault(region.key(), []).extend(_label_names(value))
    for result in results.entries():
        kind = result["type"].text().lower().removesuffix("labels")
        if kind in PAINTS_NOTHING:
            continue
        if kind not in FILLERS:
            msg = (
                f"{result.where} is a {kind}, which says nothing of an area; "
                f"use a tool of {', '.join(sorted(FILLERS))} and export again"
            )
            raise AnnotationError(msg)
        check_size((result["original_height"].whole(), result["original_width"].whole()), image_id, sizes, result.file)
        turned = result.get("image_rotation")
        if turned is not None and turned.number() != 0:
            turned.refuse("0: regions drawn on a turned picture are not turned back")
        inside = FILLERS[kind](result["value"], sizes[image_id])
        drawn = dict.fromkeys(names.get(result["id"].key(), ()))  # each name once, in order
        if not drawn:
            msg = f"{result.where} has no label; choose one for the region and export again"
            raise AnnotationError(msg)
        for name in drawn:
            yield label_named(name, labels, result.file).id, inside


def _label_names(value: Field) -> list[str]:
    if not isinstance(value.value, dict):
        value.refuse("an object")
    keys = [key for key in value.value if key.endswith("labels")]
    return [name.text() for key in keys for name in value[key].entries()]


def _fill_brush(value: Field, shape: tuple[int, int]) -> NDArray[np.bool_]:
    code = value["rle"]
    words = code.wholes()
    if words.size == 0 or words.min() < 0 or words.max() > 255:
        code.refuse("a list of bytes 0 to 255")
    return opacity_of_brush(words.astype(np.uint8).tobytes(), shape, code.where) >= OPAQUE


def _fill_polygon(value: Field, shape: tuple[int, int]) -> NDArray[np.bool_]:
    points = value["points"]
    return fill_polygon(points.points() * (shape[1], shape[0]) / 100, shape, points.where)


def _fill_rectangle(value: Field, shape: tuple[int, int]) -> NDArray[np.bool_]:
    width, height = _pixels(value, ("width", "height"), shape)
    corners = box_corners(_pixels(value, ("x", "y"), shape), width, height, _degrees(value), about_centre=False)
    return fill_polygon(corners, shape, value.where)


def _fill_ellipse(value: Field, shape: tuple[int, int]) -> NDArray[np.bool_]:
    centre, radii = _pixels(value, ("x", "y"), shape), _pixels(value, ("radiusX", "radiusY"), shape)
    return fill_ellipse(centre, radii, _degrees(value), shape, value.where)


FILLERS: dict[str, Callable[[Field, tuple[int, int]], NDArray[np.bool_]]] = {
    "brush": _fill_brush,
    "magicwand": _fill_brush,
    "polygon": _fill_polygon,
    "rectangle": _fill_rectangle,
    "ellipse": _fill_ellipse,
}


def _pixels(value: Field, keys: tuple[str, str], shape: tuple[int, int]) -> tuple[float, float]:
    """Turn percent of width and height into pixels."""
    return value[keys[0]].number() * shape[1] / 100, value[keys[1]].number() * shape[0] / 100


def _degrees(value: Field) -> float:
    rotation = value.get("rotation")
    return 0.0 if rotation is None else rotation.number()


def _annotator(annotation: Field) -> str:
    """Return the address of who submitted, or their number where the export has no more."""
    person = annotation.get("completed_by")
    if person is None:
        return ""
    if isinstance(person.value, dict):
        person = person.get("email") or person["id"]
    return str(person.key())


def _image_of(task: Field, sizes: Sizes) -> str:
    """Find the task's image among the texts of its data: its id, or an address that ends with its name."""
    data = task["data"]
    if not isinstance(data.value, dict):
        data.refuse("an object")
    texts = [text for text in data.value.values() if isinstance(text, str)]
    found = {image_id for text in texts if (image_id := known_image(text, sizes))}
    if len(found) > 1:
        msg = f"{data.where} names the images {', '.join(sorted(found))}; give each task one image of the pack"
        raise AnnotationError(msg)
    return found.pop() if found else image_at(texts[0] if texts else "", sizes, task.file)
