"""How long a person spent on each image: from the tool, or from a file that the person keeps."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from radgen.annotation.merge import Painted
from radgen.annotation.waiting import MASKS_FOLDER
from radgen.errors import AnnotationError
from radgen.imageset.core import read_index, write_table

SECONDS_FILE = "seconds.csv"
COLUMNS = ("image_id", "seconds")
MOST_BYTES = 1 << 24


def read_seconds(folder: Path, image_ids: Sequence[str]) -> dict[str, float]:
    """Read `masks/seconds.csv` of a pack's folder (columns image_id, seconds); empty where there is none.

    Raises
    ------
    AnnotationError
        The file is no such table, names an image twice or one that the pack has not, or a time is no number.
    """
    path = folder / MASKS_FOLDER / SECONDS_FILE
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MOST_BYTES:
            msg = f"more than {MOST_BYTES} bytes"
            raise ValueError(msg)  # noqa: TRY301 - one message for whatever is wrong with the file
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        pairs = [(row["image_id"].strip(), float(row["seconds"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        msg = f"{SECONDS_FILE}: not a table of {', '.join(COLUMNS)} ({error}); a line is NAME,90"
        raise AnnotationError(msg) from error
    known = set(image_ids)
    found: dict[str, float] = {}
    for image_id, value in pairs:
        if image_id not in known or image_id in found:
            fault = "is listed twice" if image_id in found else "is no image of this pack"
            msg = f"{SECONDS_FILE}: {image_id!r} {fault}; keep one line for each image that was timed"
            raise AnnotationError(msg)
        if not (math.isfinite(value) and value >= 0):
            msg = f"{SECONDS_FILE}: {value:g} seconds for {image_id}; write a number from 0 on"
            raise AnnotationError(msg)
        found[image_id] = value
    return found


def seconds_of(by_image: Mapping[str, Sequence[Painted]], listed: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of each image: as the file lists them, else the sum of what tools say of its annotators."""
    told = {
        image_id: sum(item.seconds for item in painted if item.seconds is not None)
        for image_id, painted in by_image.items()
        if any(item.seconds is not None for item in painted)
    }
    return told | {image_id: value for image_id, value in listed.items() if image_id in by_image}


def note_people(index: Path, seconds: Mapping[str, float], annotators: Mapping[str, str]) -> None:
    """Add the columns `seconds` (null where unknown) and `annotator` to the index of annotated images."""
    table = read_index(index)
    ids = table.column("image_id").to_pylist()
    table = table.append_column("seconds", pa.array([seconds.get(image_id) for image_id in ids], pa.float64()))
    table = table.append_column("annotator", pa.array([annotators.get(image_id) for image_id in ids], pa.string()))
    write_table(index, table)


def carry_people(parts: Sequence[Path], index: Path) -> None:
    """Give an index that joins several rounds the columns of `note_people`; a round without them leaves nulls."""
    seconds: dict[str, float] = {}
    annotators: dict[str, str] = {}
    for part in parts:
        table = read_index(part)
        for name, found in (("seconds", seconds), ("annotator", annotators)):
            if name in table.column_names:
                found.update(zip(table.column("image_id").to_pylist(), table.column(name).to_pylist(), strict=True))
    note_people(index, seconds, annotators)
