"""Which rows a semantic generator saw, one by one: masks, pixels, and whether they taught it or chose its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, by_split, saw_patients_of
from radgen.semantic.maps.surroundings import MapReader
from radgen.semantic.rows import Sides

SEEN_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("patient", pa.string()),
        pa.field("split", pa.string()),
        pa.field("aspect", pa.string(), nullable=False),  # mask | pixels
        pa.field("use", pa.string(), nullable=False),  # taught | chose
    ]
)


def seen_table(taught: Sides, chose: Sides) -> pa.Table:
    """Return one row per mask and per image, in the order of the sets."""
    parts = [
        (aspect, use, images, rows)
        for use, sides in (("taught", taught), ("chose", chose))
        for aspect, images, rows in (
            ("mask", sides.maps, sides.map_rows),
            ("pixels", sides.images, sides.image_rows),
            *([("pixels", sides.maps, sides.map_rows)] if sides.looked_at and not sides.paired else []),
        )
    ]
    rows = [
        {"aspect": aspect, "use": use} | {name: images.column(name)[row] for name in ("image_id", "patient", "split")}
        for aspect, use, images, places in parts
        for row in np.sort(places).tolist()
    ]
    return pa.Table.from_pylist(rows, schema=SEEN_SCHEMA)


def taught_rows(seen: Path, maps: ImageSet, aspect: str = "mask") -> NDArray[np.int64]:
    """Return the positions in a set of the masks, or pixels, that taught a generator.

    Raises
    ------
    InputError
        The table cannot be read, or names images that the set lacks.
    """
    try:
        table = pq.read_table(seen, schema=SEEN_SCHEMA).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{seen}: not a readable table of what a generator saw ({error}); train it again"
        raise InputError(msg) from error
    wanted = {row["image_id"] for row in table if (row["aspect"], row["use"]) == (aspect, "taught")}
    rows = np.flatnonzero([name in wanted for name in maps.column("image_id")])
    if len(rows) < len(wanted):
        msg = (
            f"{maps.folder}: holds {len(rows)} of the {len(wanted)} maps that {seen} names; give the set that the "
            "generator learnt from"
        )
        raise InputError(msg)
    return rows


def behind(path: Path) -> SawPatients:
    """Return who reached a file, by the manifest beside it."""
    manifest = path.parent / "manifest.json"
    if not manifest.is_file():
        return SawPatients(unknown=frozenset({f"{path.name}: no manifest beside it"}))
    return saw_patients_of(manifest)


def behind_maps(maps: MapReader, rows: NDArray[np.int64], index: Path) -> SawPatients:
    """Return the patients whose masks were painted on; of maps without a patient, all that is behind their set.

    A map brings its class along, which whoever labelled its patient gave; pixels too, if surroundings are told apart.
    """
    images = maps.maps
    patients = images.column("patient")[rows]
    known = [
        (str(split), str(name)) for split, name in zip(images.column("split")[rows], patients, strict=True) if name
    ]
    masks = by_split(known)
    saw = SawPatients(masks=masks, labels=masks, pixels=masks if maps.surroundings else {})
    return saw | behind(index) if len(known) < len(rows) else saw
