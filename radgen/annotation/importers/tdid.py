"""The XML files of TDID, the thyroid ultrasound set: outlines of nodules as JSON points inside XML, one file per case.

Mark n of `<case>.xml` belongs to the picture `<case>_<n>`; here that is the pack's image whose id ends so, leading
zeros aside. A file named after one image of the pack may hold the marks of that one only. The format names no label:
outlines are the label `nodule`, or the only label that the pack has. It names no size either, so outlines that leave
the picture are refused more strictly than elsewhere. Neither annotator nor time are named.

Outlines follow `polygons`, by pixel centres; the archive's own reader, `radgen.cohort.outlines`, includes the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.polygons import check_reach, fill_polygon
from radgen.annotation.importers.regions import BACKGROUND, layers_in_order
from radgen.annotation.importers.untrusted import head
from radgen.annotation.returned import Returned, Sizes, label_named
from radgen.annotation.schema import Label
from radgen.cohort.outlines import SLIP_PX, Outline, picture_number, read_case
from radgen.cohort.refusal import RefusalError
from radgen.errors import AnnotationError

LABEL = "nodule"
ROOT = re.compile(rb"<case[\s>]")


def recognise(path: Path) -> bool:
    """Tell whether a file is XML with TDID's root."""
    start = head(path)
    return start.startswith(b"<") and ROOT.search(start) is not None


def read(path: Path, sizes: Sizes, labels: Sequence[Label]) -> Iterator[Returned]:
    """Yield what is drawn on each picture of a case; see `radgen.annotation.returned`."""
    label = _label(labels, path.name)
    try:
        drawn = read_case(path).outlines
    except RefusalError as error:
        msg = f"{path.name}: {error}; export it again"
        raise AnnotationError(msg) from error
    if path.stem in sizes and len(drawn) > 1:
        msg = (
            f"{path.name}: marks the pictures {', '.join(map(str, drawn))}, but is named after one; name it as its case"
        )
        raise AnnotationError(msg)
    for number, outlines in drawn.items():
        image_id = path.stem if path.stem in sizes else _image_of(path, number, sizes)
        shape, where = sizes[image_id], f"{path.name}: mark {number}"
        regions = ((label.id, _fill(outline, shape, where)) for outline in outlines)
        yield Returned(image_id, layers_in_order(regions, where), shape, path.name)


def _fill(outline: Outline, shape: tuple[int, int], where: str) -> NDArray[np.bool_]:
    points = np.array(outline, np.float64)
    check_reach(points, shape, where, SLIP_PX)
    return fill_polygon(points, shape, where)


def _label(labels: Sequence[Label], file: str) -> Label:
    painted = [label for label in labels if label.id != BACKGROUND]
    return painted[0] if len(painted) == 1 else label_named(LABEL, labels, file)


def _image_of(path: Path, number: int, sizes: Sizes) -> str:
    for image_id in sizes:
        if image_id.rpartition("_")[0] == path.stem and picture_number(image_id) == number:
            return image_id
    msg = (
        f"{path.name}: marks picture {number}, but no image of this pack is called {path.stem}_{number}; "
        "name the file after the image, or after the part of its name before the number"
    )
    raise AnnotationError(msg)
