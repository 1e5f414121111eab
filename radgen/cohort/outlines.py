"""Masks drawn as outlines in an XML file: the thyroid nodules of TDID, one file for all pictures of a case.

::

    <case><number>12</number><tirads>4a</tirads>
      <mark><image>1</image><svg>[{"points": [{"x": 120, "y": 88}, ...], "regionType": "freehand"}, ...]</svg></mark>
    </case>

Points are pixels, x to the right and y down. Each outline is filled, its boundary included; several of one picture are
joined. The XML is read without entities: a file that declares a document type is refused.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from radgen.cohort.refusal import Reason, RefusalError

KIND = "polygons_xml"  # of mask, see `readers`
Outline = tuple[tuple[float, float], ...]  # points (x, y)

# Real files have some 10 kB; a person draws hundreds of points.
MAX_BYTES = 1 << 20
MAX_POINTS = 100_000
# A hand that draws along a picture's edge slips over it; farther off, the outline is of another picture.
SLIP_PX = 4.0
PICTURE_NUMBER = re.compile(r"_(\d+)$")


@dataclass(frozen=True)
class OutlinedCase:
    """What one file says.

    Parameters
    ----------
    tirads
        Risk category as written, such as 4a; empty where there is none.
    outlines
        Number of a picture to its outlines; a picture that is mentioned without any is left out.
    """

    tirads: str = ""
    outlines: dict[int, tuple[Outline, ...]] = field(default_factory=dict)


def read_case(path: Path) -> OutlinedCase:
    """Read a case.

    Raises
    ------
    RefusalError
        undecodable: too large, damaged, with a document type, or without what belongs into it.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
        text = f"{found.st_size} bytes are more than the {MAX_BYTES} that a file of outlines may have"
        raise RefusalError(Reason.UNDECODABLE, text, float(found.st_size), "bytes")
    return parse_case(path.read_bytes())


def parse_case(content: bytes) -> OutlinedCase:
    """Read a case from the bytes of its file; see `read_case`."""
    try:
        root = ET.fromstring(content, ET.XMLParser(target=_NoDocumentType()))  # noqa: S314 - refuses all entities
    except (ET.ParseError, ValueError, LookupError) as error:
        raise RefusalError(Reason.UNDECODABLE, f"the XML is damaged ({type(error).__name__})") from error
    outlines: dict[int, tuple[Outline, ...]] = {}
    points = 0
    for mark in root.iter("mark"):
        number, drawn = _mark(mark)
        points += sum(len(outline) for outline in drawn)
        if points > MAX_POINTS:
            text = f"more than {MAX_POINTS} points are drawn; nobody draws so many"
            raise RefusalError(Reason.UNDECODABLE, text, float(points), "points")
        if drawn:
            outlines[number] = outlines.get(number, ()) + drawn
    return OutlinedCase((root.findtext("tirads") or "").strip().lower(), outlines)


def picture_number(path: str | Path) -> int | None:
    """Return the number of a picture within its case, from its name; None where the name holds none.

    >>> picture_number("12_1.jpg")
    1
    """
    found = PICTURE_NUMBER.search(Path(path).stem)
    return None if found is None else int(found[1])


def fill(outlines: Sequence[Outline], rows: int, columns: int) -> NDArray[np.uint8]:
    """Return 1 inside and on outlines, 0 elsewhere; uint8 [rows, columns].

    Raises
    ------
    RefusalError
        mask-on-another-grid: an outline leaves the picture.
    """
    canvas = Image.new("L", (columns, rows))
    pen = ImageDraw.Draw(canvas)
    for outline in outlines:
        beyond = max(max(-x, x - (columns - 1), -y, y - (rows - 1)) for x, y in outline)
        if beyond > SLIP_PX:
            text = f"an outline reaches {beyond:.0f} pixels beyond a picture of {rows}x{columns}; it is of another one"
            raise RefusalError(Reason.MASK_OTHER_GRID, text, beyond, "pixels")
        if len(outline) > 1:
            pen.polygon(outline, fill=1, outline=1)
        else:
            pen.point(outline, fill=1)
    return np.asarray(canvas, dtype=np.uint8)


def read_outlines(path: Path, picture: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return 1 inside the outlines of one picture, else 0; uint8 [1, rows, columns].

    Parameters
    ----------
    path
        The XML file of the picture's case.
    picture
        The number in its name selects the outlines.
    shape
        Of the picture's volume: 1, rows, columns.

    Raises
    ------
    RefusalError
        undecodable, mask-on-another-grid, or mask-without-image where nothing is drawn for the picture.
    """
    number = picture_number(picture)
    drawn = read_case(path).outlines.get(-1 if number is None else number, ())
    if not drawn:
        raise RefusalError(Reason.MASK_WITHOUT_IMAGE, "the file of outlines has none for the picture")
    return fill(drawn, shape[1], shape[2])[np.newaxis]


class _NoDocumentType(ET.TreeBuilder):
    """Builds a tree, but refuses a document type before any entity can be declared."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        """Refuse; the arguments are the parser's."""
        raise RefusalError(Reason.UNDECODABLE, "the XML declares a document type, which is not read")


def _mark(mark: ET.Element) -> tuple[int, tuple[Outline, ...]]:
    """Return the picture's number and what is drawn on it."""
    number = (mark.findtext("image") or "").strip()
    if not number.isdecimal() or len(number) > 9:
        raise RefusalError(Reason.UNDECODABLE, "a mark names no number of a picture")
    written = (mark.findtext("svg") or "").strip()
    try:
        regions = json.loads(written) if written else []
        drawn = tuple(_outline(region) for region in regions)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise RefusalError(Reason.UNDECODABLE, f"an outline is no list of points ({type(error).__name__})") from error
    return int(number), tuple(outline for outline in drawn if outline)


def _outline(region: dict[str, Any]) -> Outline:
    points = tuple((float(point["x"]), float(point["y"])) for point in region["points"])
    if not all(math.isfinite(value) for point in points for value in point):
        msg = "a coordinate is no number"
        raise ValueError(msg)
    return points
