"""MRNet: knee MR as NumPy stacks, three planes of each exam, and three tables without a header.

::

    train/axial/0000.npy, train/coronal/0000.npy, train/sagittal/0000.npy, valid/...
    train-abnormal.csv, train-acl.csv, train-meniscus.csv, valid-...          0000,1

An exam is one patient and its planes are three series. The three labels become one class, MR/knee/ followed by

    normal          nothing abnormal
    acl, meniscus, acl-meniscus          what is torn
    abnormal        abnormal, but neither is torn

An exam that lacks a label, or is called torn but not abnormal, has no class. `valid` is the split val; the data set's
own test exams are not published. Cite Bien et al., PLOS Medicine 2018; the research use agreement is on the page of the
MRNet competition of Stanford's machine learning group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_lines
from radgen.errors import InputError

SPLITS = {"train": "train", "valid": "val"}
PLANES = ("axial", "coronal", "sagittal")
TABLE = re.compile(r"(train|valid)-(abnormal|acl|meniscus)\.csv")
# Labels abnormal, acl, meniscus to the class.
CLASSES = {
    ("0", "0", "0"): "normal",
    ("1", "0", "0"): "abnormal",
    ("1", "1", "0"): "acl",
    ("1", "0", "1"): "meniscus",
    ("1", "1", "1"): "acl-meniscus",
}


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Describe every stack.

    Raises
    ------
    InputError
        A table cannot be read, is of another form, or gives an exam two labels.
    """
    labels = _labels(root, paths)
    found = {}
    for path in paths:
        place = PurePosixPath(path)
        if place.suffix != ".npy" or len(place.parts) < 3 or place.parts[-2] not in PLANES:
            continue
        part = place.parts[-3]
        if part in SPLITS:
            values = tuple(
                labels.get((part, label), {}).get(place.stem, "") for label in ("abnormal", "acl", "meniscus")
            )
            name = CLASSES.get(values)  # type: ignore[arg-type]
            found[path] = FileFacts(
                patient=place.stem,
                class_value=f"MR/knee/{name}" if name else "",
                split=SPLITS[part],
                modality="MR",
                anatomy="knee",
            )
    return found


def _labels(root: Path, paths: Sequence[str]) -> dict[tuple[str, str], dict[str, str]]:
    """Return each table by its part and label: exam to 0 or 1."""
    tables: dict[tuple[str, str], dict[str, str]] = {}
    for path in paths:
        name = TABLE.fullmatch(PurePosixPath(path).name)
        if name is None:
            continue
        rows = read_lines(root, path)
        odd = [number for number, row in enumerate(rows, start=1) if len(row) != 2 or row[1] not in {"0", "1"}]
        if odd or len({row[0] for row in rows}) < len(rows):
            msg = f"{name[0]}: row {odd[0]} is not exam,0 or exam,1" if odd else f"{name[0]}: an exam has two rows"
            raise InputError(msg)
        tables[name[1], name[2]] = {row[0]: row[1] for row in rows}
    return tables
