"""Counts of every id in label maps, and whether they are what the schema says: asked once, before training.

An unknown id would train a class that nobody meant, a missing one a class without an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.semantic.maps.schema import STORED_IDS, MapSchema

COUNTS_SCHEMA = pa.schema(
    [
        pa.field("id", pa.int32(), nullable=False),  # stored
        pa.field("name", pa.string(), nullable=False),
        pa.field("maps", pa.int64(), nullable=False),  # that show it
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),  # of all pixels
    ]
)
MAPS_AT_ONCE = 256
USUAL_UNLABELLED = 255
EMPTY = ("refuse", "drop")


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """What maps hold.

    Parameters
    ----------
    rows
        int64 [n], positions in the image set's index.
    shows
        bool [n, 256], whether a map shows an id.
    pixels
        int64 [256], of all maps together.
    """

    rows: NDArray[np.int64]
    shows: NDArray[np.bool_]
    pixels: NDArray[np.int64]


def count_labels(maps: ImageSet, rows: NDArray[np.integer] | Sequence[int]) -> LabelCounts:
    """Count the ids of maps, reading 256 at a time.

    Raises
    ------
    InputError
        The set has no masks.
    """
    places = np.asarray(rows, dtype=np.int64)
    shows = np.zeros((len(places), STORED_IDS), dtype=bool)
    pixels = np.zeros(STORED_IDS, dtype=np.int64)
    for start in range(0, len(places), MAPS_AT_ONCE):
        stored = maps.masks(places[start : start + MAPS_AT_ONCE]).reshape(-1, int(np.prod(maps.mask_shape)))
        numbered = stored + STORED_IDS * np.arange(len(stored))[:, np.newaxis]
        counts = np.bincount(numbered.ravel(), minlength=STORED_IDS * len(stored)).reshape(-1, STORED_IDS)
        shows[start : start + MAPS_AT_ONCE] = counts > 0
        pixels += counts.sum(axis=0)
    return LabelCounts(places, shows, pixels)


def check_labels(counts: LabelCounts, schema: MapSchema, maps: ImageSet, where: str | None = None) -> pa.Table:
    """Compare ids with the schema.

    Parameters
    ----------
    counts
        Of the maps.
    schema
        What they should hold.
    maps
        The set they are of.
    where
        What messages call it; its folder by default.

    Returns
    -------
    pa.Table
        COUNTS_SCHEMA: one row per label, and one for unlabelled pixels where there is an id for them.

    Raises
    ------
    InputError
        Maps hold an id that the schema does not know, or none holds a label of it; the message names the set, the
        first such map, the schema, both sets of ids and what to do.
    """
    present = np.flatnonzero(counts.pixels)
    known = [label.id for label in schema.labels]
    allowed = known if schema.unlabelled is None else [*known, schema.unlabelled]
    unknown = [number for number in present.tolist() if number not in allowed]
    if unknown:
        holders = counts.rows[counts.shows[:, unknown[-1]]]
        first = maps.column("image_id")[holders[0]]
        msg = (
            f"{where or maps.folder}: map {first} and {len(holders) - 1} others of {len(counts.rows)} hold "
            f"{unknown_id(unknown[-1], int(counts.pixels[unknown[-1]]), schema)}"
        )
        raise InputError(msg)
    missing = [label for label in schema.labels if label.id not in present]
    if missing:
        held = ", ".join(map(str, present))
        msg = (
            f"{schema.where}: label {missing[0].id} ({missing[0].name}) is in none of the {len(counts.rows)} maps of "
            f"{where or maps.folder}, which hold {held}; take it out of the schema, or give maps with it"
        )
        raise InputError(msg)
    names = {label.id: label.name for label in schema.labels}
    total = int(counts.pixels.sum())
    rows = [
        {
            "id": number,
            "name": names.get(number, "unlabelled"),
            "maps": int(counts.shows[:, number].sum()),
            "pixels": int(counts.pixels[number]),
            "share": float(counts.pixels[number] / total),
        }
        for number in sorted(allowed)
    ]
    return pa.Table.from_pylist(rows, schema=COUNTS_SCHEMA)


def unknown_id(number: int, pixels: int, schema: MapSchema) -> str:
    """Say of an id that the schema does not know what it is, what the schema knows, and what to do."""
    told = f"id {number} ({pixels} pixels), but {schema.where} knows {schema.known}"
    if number == USUAL_UNLABELLED and schema.unlabelled is None:
        return f'{told}; if {number} marks pixels that nobody labelled, say "unlabelled": {number} there'
    return f"{told}; name it there, or change the maps"


def with_structures(
    counts: LabelCounts, schema: MapSchema, maps: ImageSet, *, empty: str = "refuse"
) -> NDArray[np.int64]:
    """Return the rows whose maps show something: more than background and unlabelled pixels.

    Parameters
    ----------
    counts, schema, maps
        As for `check_labels`.
    empty
        What becomes of a map of background alone: refuse | drop.

    Raises
    ------
    InputError
        A map shows background alone and is not to be dropped, or all do.
    """
    full = shows_structure(counts, schema)
    if not full.all() and (empty == "refuse" or not full.any()):
        first = maps.column("image_id")[counts.rows[np.flatnonzero(~full)[0]]]
        remedy = "drop such maps, or leave them out" if full.any() else "give maps that show a structure"
        msg = (
            f"{maps.folder}: map {first} and {int((~full).sum()) - 1} others of {len(full)} are background alone "
            f"(id {schema.background}), so there is nothing for an image to follow; {remedy}"
        )
        raise InputError(msg)
    return counts.rows[full]


def shows_structure(counts: LabelCounts, schema: MapSchema) -> NDArray[np.bool_]:
    """Return which maps show more than background and unlabelled pixels: bool [n]."""
    shown = counts.shows.copy()
    shown[:, [schema.background] if schema.unlabelled is None else [schema.background, schema.unlabelled]] = False
    return np.asarray(shown.any(axis=1))


def rarest_classes(counts: LabelCounts, schema: MapSchema) -> NDArray[np.int64]:
    """Return, for each map, the class it shows that the fewest maps show: int64 [n], for balanced batches.

    A map that shows no class at all, every pixel being unlabelled, counts as background.
    """
    shows = counts.shows[:, [label.id for label in schema.labels]]
    rarity = np.where(shows, shows.sum(axis=0), len(counts.rows) + 1)
    rarest: NDArray[np.int64] = rarity.argmin(axis=1).astype(np.int64)
    return np.where(shows.any(axis=1), rarest, schema.background_class)
