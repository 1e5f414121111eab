"""Join the parts of an image set, side tables of its shards, or what several jobs have drafted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from radgen.errors import InputError
from radgen.imageset.core import gather_index
from radgen.provenance import read_manifest


def join_index(parts: Sequence[Path], index: Path) -> int:
    """Write one index over all parts, each in the index's folder or below it; pixels stay where they are.

    Returns
    -------
    int
        How many images it lists.

    Raises
    ------
    InputError
        A part cannot be read or lies outside the index's folder.
    """
    for part in parts:
        if not part.resolve().is_relative_to(index.resolve().parent):
            msg = f"{part}: lies outside {index.parent}, so an index there cannot name its shards; gather it above both"
            raise InputError(msg)
    return gather_index(parts, index)


def join_tables(parts: Sequence[Path]) -> pa.Table:
    """Return tables of one schema as one, in the order given.

    Raises
    ------
    InputError
        A table cannot be read, or has other columns than the first.
    """
    tables: list[pa.Table] = []
    for part in parts:
        try:
            tables.append(pq.read_table(part))
        except (OSError, pa.ArrowInvalid) as error:
            msg = f"{part}: not a readable table ({error}); run the stage that writes it"
            raise InputError(msg) from error
        if not tables[-1].schema.equals(tables[0].schema):
            msg = (
                f"{part}: has columns {', '.join(tables[-1].column_names)}, but {parts[0]} has "
                f"{', '.join(tables[0].column_names)}; write both with one version of radgen"
            )
            raise InputError(msg)
    return pa.concat_tables(tables)


def check_drafts(drafts: Sequence[Path], wanted: Mapping[str, Any], *, stage: str) -> None:
    """Refuse drafts of other inputs or settings than wanted, and those that are not of jobs 0 to n - 1.

    Parameters
    ----------
    drafts
        Folders with a manifest each, in the order of their jobs.
    wanted
        Digests of inputs, and settings, by name.
    stage
        What makes such drafts, for the message.

    Raises
    ------
    InputError
        With both values.
    """
    for number, folder in enumerate(drafts):
        made = read_manifest(folder / "manifest.json")["what"]
        found = {**made["inputs"], **made["settings"]}
        for name, value in {**wanted, "job": [number, len(drafts)]}.items():
            if found.get(name) != value:
                msg = f"{folder}: a draft of {name} {found.get(name)}, but here it is {value}; run {stage} again"
                raise InputError(msg)
