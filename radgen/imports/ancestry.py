"""Whose patients are behind imported images: unknown, unless somebody says so in a file and puts it in words.

The file is JSON::

    {"statement": "Trained on RadImageNet alone; none of this study's patients is in it.",
     "pixels": {"train": []}, "labels": {}, "masks": {}}

Each aspect maps a split to keys of the study's patients, as its image set has them; all three must be there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radgen.errors import AncestryError
from radgen.provenance import ASPECTS, SawPatients

STATEMENT = "statement"


def unknown_ancestry(name: str) -> SawPatients:
    """Return the ancestry of images of which nobody has said it: no setting can be vouched for."""
    return SawPatients(unknown=frozenset({f"images imported from elsewhere: {name}"}))


def read_declaration(path: Path) -> tuple[str, SawPatients]:
    """Read a declared ancestry: its statement, and the patients.

    Raises
    ------
    AncestryError
        The file is missing or no JSON, says nothing in words, or leaves an aspect out.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path}: not a readable declaration ({type(error).__name__}); give JSON, or leave ancestry unknown"
        raise AncestryError(msg) from error
    if not isinstance(said, dict) or set(said) != {STATEMENT, *ASPECTS}:
        found = ", ".join(sorted(map(str, said))) if isinstance(said, dict) else type(said).__name__
        msg = f"{path}: holds {found}; a declaration holds {STATEMENT}, {', '.join(ASPECTS)}, and nothing else"
        raise AncestryError(msg)
    statement = said[STATEMENT]
    if not isinstance(statement, str) or not statement.strip():
        msg = f"{path}: an empty statement; say in words what the images were made from, and how that is known"
        raise AncestryError(msg)
    pixels, labels, masks = (_patients(path, aspect, said[aspect]) for aspect in ASPECTS)
    return statement.strip(), SawPatients(pixels=pixels, labels=labels, masks=masks)


def _patients(path: Path, aspect: str, said: Any) -> Mapping[str, frozenset[str]]:  # noqa: ANN401 - any JSON
    keys = said.values() if isinstance(said, dict) else [None]
    if not all(isinstance(part, list) and all(isinstance(key, str) for key in part) for part in keys):
        msg = f"{path}: {aspect} must map a split to a list of patient keys, such as {{'train': []}} for none"
        raise AncestryError(msg)
    return {str(split): frozenset(part) for split, part in said.items()}
