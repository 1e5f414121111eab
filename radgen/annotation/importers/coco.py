"""COCO's JSON of instances: polygons, run-length codes as counts and as compressed text, crowds.

The parts of an annotation are joined, as pycocotools joins them (a part inside another is no hole; draw holes as the
category background, above). Crowds (iscrowd) are painted like any other. The order of annotations is the order of
painting. COCO names no annotator and no time, and cannot say that an image was looked at and left empty: an image
without annotations counts as not painted; one annotation of the category background makes it an empty one.

Codes are decoded exactly. Polygons follow `polygons`; pycocotools differs by pixels beside the outline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.names import image_at
from radgen.annotation.importers.polygons import fill_polygon
from radgen.annotation.importers.regions import layers_in_order
from radgen.annotation.importers.rle import counts_of_text, mask_of_counts
from radgen.annotation.importers.untrusted import Field, head, read_json
from radgen.annotation.returned import Returned, Sizes, check_size, label_named
from radgen.annotation.schema import Label
from radgen.errors import AnnotationError

Target = TypeVar("Target")

ITS_OWN = (b'"categories"', b'"category_id"', b'"file_name"', b'"iscrowd"')  # keys that no other format here has


def recognise(path: Path) -> bool:
    """Tell whether a file is an object with COCO's keys."""
    start = head(path)
    return start.startswith(b"{") and any(key in start for key in ITS_OWN)


def read(path: Path, sizes: Sizes, labels: Sequence[Label]) -> Iterator[Returned]:
    """Yield what is painted on each annotated image; see `radgen.annotation.returned`."""
    root = read_json(path)
    names = {number: category["name"].text() for number, category in _by_id(root["categories"]).items()}
    images = _by_id(root["images"])
    drawn: dict[int | str, list[Field]] = {number: [] for number in images}
    for annotation in root["annotations"].entries():
        _refer(annotation["image_id"], drawn, "images").append(annotation)
    for number, drawings in drawn.items():
        if not drawings:
            continue
        image = images[number]
        image_id = image_at(image["file_name"].text(), sizes, path.name)
        check_size((image["height"].whole(), image["width"].whole()), image_id, sizes, path.name)
        regions = (
            (
                label_named(_refer(annotation["category_id"], names, "categories"), labels, path.name).id,
                _fill(annotation, sizes[image_id]),
            )
            for annotation in drawings
        )
        yield Returned(image_id, layers_in_order(regions, image.where), sizes[image_id], path.name)


def _by_id(entries: Field) -> dict[int | str, Field]:
    found: dict[int | str, Field] = {}
    for entry in entries.entries():
        number = entry["id"].key()
        if number in found:
            msg = f"{entry.where} has the id {number!r} of {found[number].place}; give each an id of its own"
            raise AnnotationError(msg)
        found[number] = entry
    return found


def _refer(reference: Field, targets: dict[int | str, Target], kind: str) -> Target:
    number = reference.key()
    if number not in targets:
        msg = f"{reference.where} is {number!r}, but {kind} have no such id; export the file again"
        raise AnnotationError(msg)
    return targets[number]


def _fill(annotation: Field, shape: tuple[int, int]) -> NDArray[np.bool_]:
    drawn = annotation.get("segmentation")
    if drawn is None or drawn.value == []:
        msg = f"{annotation.where} has no segmentation, only a box at most; draw its outline and export again"
        raise AnnotationError(msg)
    if isinstance(drawn.value, dict):
        return _decode(drawn, shape)
    inside = np.zeros(shape, np.bool_)
    for part in drawn.entries():
        numbers = part.numbers()
        if len(numbers) % 2:
            part.refuse("a list of x and y in turn")
        inside |= fill_polygon(numbers.reshape(-1, 2), shape, part.where)
    return inside


def _decode(code: Field, shape: tuple[int, int]) -> NDArray[np.bool_]:
    size = code["size"]
    if size.wholes().tolist() != list(shape):
        size.refuse(f"{list(shape)}, the rows and columns of its image")
    counts = code["counts"]
    decoded = counts_of_text(counts.value, counts.where) if isinstance(counts.value, str) else counts.wholes()
    return mask_of_counts(decoded, shape, code.where, by_column=True)
