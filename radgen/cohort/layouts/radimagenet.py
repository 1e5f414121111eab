"""RadImageNet: folders modality/anatomy/pathology of PNG files, and three CSV files that split them.

::

    radiology_ai/CT/abd/normal/abd-normal023599.png     modality / anatomy / pathology
    radiology_ai/US/liver/usn053022.png                 ultrasound has no third folder
    RadiologyAI_train.csv, _val.csv, _test.csv          columns filename,label: radiology_ai/CT/abd/..., label

An image's class is its chain of folders. The CSV files give the split alone: an image that two of them name, or none,
has no split. The release names no patients. Cite Mei et al., RadImageNet, Radiology: Artificial Intelligence 2022; the
data use agreement is on the project's page, www.radimagenet.com.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_columns

MODALITIES = ("CT", "MR", "US")
# Folders of anatomy as published; others stay in the private table, because a folder may be called anything.
ANATOMIES = (
    "abd af brain hip knee lung shoulder spine "
    "aorta bladder cbd fibroid gb ivc kidney liver ovary pancreas portal_vein spleen thyroid thyroid_nod uterus"
)
SPLIT_TABLE = re.compile(r"(?:^|[^a-z])(train|val|test)\.csv$", re.IGNORECASE)


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Describe every file below a modality's folder.

    Raises
    ------
    InputError
        A CSV file of splits cannot be read or has other columns.
    """
    split_of = _splits(root, paths)
    found = {}
    for path in paths:
        parts = _known_parts(path)
        if len(parts) >= 3:
            *folders, _ = parts
            found[path] = FileFacts(
                class_value="/".join(folders),
                split=split_of.get("/".join(parts), ""),
                modality=folders[0],
                anatomy=folders[1] if folders[1] in ANATOMIES.split() else "",
            )
    return found


def _known_parts(path: str) -> list[str]:
    """Return the parts of a path from its modality on, empty if it names none."""
    parts = list(PurePosixPath(path).parts)
    start = next((place for place, part in enumerate(parts) if part in MODALITIES), len(parts))
    return parts[start:]


def _splits(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Return the split of each image, by its path from the modality on; empty where two tables name it."""
    split_of: dict[str, str] = {}
    for path in paths:
        table = SPLIT_TABLE.search(PurePosixPath(path).name)
        if table is None:
            continue
        split = table[1].lower()
        for (name,) in read_columns(root, path, ("filename",)):
            image = "/".join(_known_parts(name))
            split_of[image] = split if split_of.get(image, split) == split else ""
    return split_of
