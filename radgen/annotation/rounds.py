"""Rounds of annotation: their packs read together, and refused where they do not belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from radgen.annotation.choose import COVERAGE
from radgen.annotation.pack import read_rows
from radgen.annotation.settings import FIRST_ROUND
from radgen.errors import AnnotationError


@dataclass(frozen=True)
class Drawing:
    """How the images of a study's rounds are drawn: the same way in all, as an image id names one picture."""

    seed: int
    truncation: float


def join_rounds(packs: Sequence[Path], generator: str) -> pa.Table:
    """Return the rows of several packs as one table.

    Parameters
    ----------
    packs
        `pack.parquet` of each round, in order.
    generator
        Digest of the generator's weights as they are now.

    Raises
    ------
    AnnotationError
        A pack cannot be read, is of another generator, was drawn otherwise than the first, or holds an image of an
        earlier one.
    """
    tables = [read_rows(path) for path in packs]
    for path, table in zip(packs, tables, strict=True):
        check_generator(path, table, generator)
        if drawing_of(table) != drawing_of(tables[0]):
            msg = (
                f"{path}: {round_of(table)} is drawn with {_in_words(drawing_of(table))}, but {round_of(tables[0])} "
                f"with {_in_words(drawing_of(tables[0]))}, so one image id would name two pictures; "
                f"make the pack of {round_of(table)} again"
            )
            raise AnnotationError(msg)
    joined = pa.concat_tables(tables)
    _check_once(joined)
    return joined


def check_generator(path: Path, rows: pa.Table, generator: str) -> None:
    """Refuse the pack at `path` when its latents are of another generator.

    Raises
    ------
    AnnotationError
        Names the round, both digests and the remedy.
    """
    found = rows.column("generator")[0].as_py()
    if found != generator:
        msg = (
            f"{path}: the images of {round_of(rows)} are of generator {found}, but the generator is now {generator}; "
            "latents and masks of one do not fit the other: bring that generator back, or move the folder "
            f"{path.parent / 'masks'} away and run again for a new pack"
        )
        raise AnnotationError(msg)


def drawing_of(rows: pa.Table) -> Drawing:
    """Return how a pack's images are drawn."""
    return Drawing(rows.column("sampler_seed")[0].as_py(), rows.column("truncation")[0].as_py())


def round_of(rows: pa.Table) -> str:
    """Return the name of a pack's round."""
    return rows.column("round")[0].as_py() or FIRST_ROUND


def choice_of(rows: pa.Table) -> dict[int, list[tuple[int, str]]]:
    """Return a pack's choice: class id to (sample index, reason)."""
    found: dict[int, list[tuple[int, str]]] = {}
    for row in rows.select(["class_id", "index", "reason"]).to_pylist():
        found.setdefault(row["class_id"], []).append((row["index"], row["reason"] or COVERAGE))
    return found


def _in_words(drawing: Drawing) -> str:
    return f"seed {drawing.seed} and truncation {drawing.truncation:g}"


def _check_once(rows: pa.Table) -> None:
    seen: dict[str, str] = {}
    for image_id, name in zip(rows.column("image_id").to_pylist(), rows.column("round").to_pylist(), strict=True):
        if image_id in seen:
            msg = (
                f"{image_id} is in {seen[image_id]} and in {name or FIRST_ROUND}; each image is painted once, so make "
                "the pack of the later round again"
            )
            raise AnnotationError(msg)
        seen[image_id] = name or FIRST_ROUND
