"""Label maps that nobody drew: those of patients, mixed and deformed, each from its number alone.

Every drawn map says which maps and patients it comes from (PARENTS_SCHEMA); they are the masks behind all that is made
from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import MaskShardWriter
from radgen.provenance import SawPatients, by_split
from radgen.seeds import random_generator
from radgen.semantic.maps.deform import deform
from radgen.semantic.maps.mix import mix
from radgen.semantic.maps.schema import STORED_IDS, MapSchema
from radgen.semantic.maps.settings import DrawnMapsSettings

PARENTS_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),  # of the drawn map
        pa.field("base", pa.string(), nullable=False),  # image id of the map it is drawn from
        pa.field("base_patient", pa.string()),
        pa.field("donor", pa.string()),  # image id of the map whose structures it has; null where it is not mixed
        pa.field("donor_patient", pa.string()),
        pa.field("structures", pa.list_(pa.string()), nullable=False),  # names of the donor's
    ]
)
KEPT_COLUMNS = ("modality", "anatomy", "class_name", "class_id", "spacing_row_mm", "spacing_col_mm")
SAME_HEIGHT = 8  # a donor is one of so many maps of the nearest height in their series
MOST_RATIO = 2.0  # of the areas of one structure in two maps: a child's liver does not go between an adult's organs
ROWS_PER_SHARD = 1024


@dataclass(frozen=True, eq=False)
class Drawn:
    """One drawn map: uint8 [H, W], its index row, its row of PARENTS_SCHEMA."""

    stored: NDArray[np.uint8]
    row: dict[str, Any]
    parents: dict[str, Any]


class MapDrawer:
    """Draw maps from others of a set.

    Parameters
    ----------
    maps
        A set with masks.
    rows
        The maps that may be drawn from: of one split, all showing something.
    schema
        Of the maps.
    name
        Of the source: image ids begin with it.
    seed
        Of everything; map i depends on the seed, i, the set and the settings, on nothing else.
    settings
        How far.

    Raises
    ------
    CohortError
        There are no rows, or mixing is asked for and all maps are of one patient.
    """

    def __init__(
        self,
        maps: ImageSet,
        rows: NDArray[np.integer],
        schema: MapSchema,
        *,
        name: str,
        seed: int,
        settings: DrawnMapsSettings,
    ) -> None:
        self._maps, self._rows, self._schema = maps, np.asarray(rows, dtype=np.int64), schema
        self._name, self._seed, self._settings = name, seed, settings
        self._index = maps.table.take(self._rows).to_pylist()  # of the index, which is small; pixels are never taken
        self._patients = _codes(row["patient"] for row in self._index)
        if len(self._rows) == 0:
            msg = f"{maps.folder}: no map to draw from; name another split"
            raise CohortError(msg)
        if settings.mix > 0 and self._patients.max() == 0:
            alone = self._index[0]["patient"]
            msg = (
                f"{maps.folder}: {len(self._rows)} maps of one patient ({alone}), but structures are to be "
                f"mixed between patients (mix {settings.mix:g}); give maps of more, or set mix to 0"
            )
            raise CohortError(msg)
        self._heights = _heights(self._index)
        self._classes = _codes(row["class_name"] for row in self._index)

    def draw(self, number: int) -> Drawn:
        """Draw map `number`."""
        random = random_generator("drawn maps", self._seed, number)
        base = int(random.integers(len(self._rows)))
        stored = self._maps.masks(self._rows[[base]])[0]
        donor = self._donor(base, random) if random.random() < self._settings.mix else None
        exchanged: list[int] = []
        if donor is not None:
            other = self._maps.masks(self._rows[[donor]])[0]
            exchanged = self._exchanged(stored, other, random)
            stored = mix(stored, other, exchanged, self._schema.background)
        image_id = f"{self._name}_{number:06d}"
        row = {"image_id": image_id, "source": self._name, "split": "synthetic", "seed": self._seed}
        row |= {column: self._index[base][column] for column in KEPT_COLUMNS}
        return Drawn(deform(stored, self._settings, random), row, self._parents(image_id, base, donor, exchanged))

    def _donor(self, base: int, random: np.random.Generator) -> int | None:
        """Choose a map of another patient, of the same class and about the same height in its series."""
        others = np.flatnonzero((self._patients != self._patients[base]) & (self._classes == self._classes[base]))
        if len(others) == 0:
            return None
        apart = np.abs(self._heights[others] - self._heights[base])
        return int(random.choice(others[np.argsort(apart, kind="stable")[:SAME_HEIGHT]]))

    def _exchanged(self, stored: NDArray[np.uint8], other: NDArray[np.uint8], random: np.random.Generator) -> list[int]:
        """Choose the structures that come from the donor, among those that both maps show at about one size."""
        here, there = (np.bincount(one.ravel(), minlength=STORED_IDS) for one in (stored, other))
        alike = (np.minimum(here, there) * MOST_RATIO >= np.maximum(here, there)) & (here > 0)
        alike[self._schema.background] = False
        chosen = [label.id for label in self._schema.labels if alike[label.id]]
        return [number for number in chosen if random.random() < self._settings.structures]

    def _parents(self, image_id: str, base: int, donor: int | None, exchanged: list[int]) -> dict[str, Any]:
        given = self._index[donor] if donor is not None and exchanged else {"image_id": None, "patient": None}
        return {
            "image_id": image_id,
            "base": self._index[base]["image_id"],
            "base_patient": self._index[base]["patient"],
            "donor": given["image_id"],
            "donor_patient": given["patient"],
            "structures": [label.name for label in self._schema.labels if label.id in exchanged],
        }

    def saw_patients(self) -> SawPatients:
        """Return the patients who may be behind any drawn map: all that could be chosen."""
        pairs = [(str(row["split"]), row["patient"]) for row in self._index if row["patient"] is not None]
        unknown = frozenset({f"label maps without a patient: {self._name}"} if len(pairs) < len(self._index) else ())
        return SawPatients(masks=by_split(pairs), unknown=unknown)


def _codes(names: Iterable[str | None]) -> NDArray[np.int64]:
    """Number names 0, 1, ...; null is a name too."""
    codes: NDArray[np.int64] = np.unique([str(name) for name in names], return_inverse=True)[1]
    return codes


def _heights(rows: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Return where each map lies in its series, 0 (first of the maps given) to 1 (last); 0.5 where nothing says it."""
    ends: dict[str | None, tuple[int, int]] = {}
    for row in rows:
        place = row["slice_index"] or 0
        low, high = ends.get(row["series"], (place, place))
        ends[row["series"]] = (min(low, place), max(high, place))
    heights = []
    for row in rows:
        low, high = ends[row["series"]]
        known = row["series"] is not None and row["slice_index"] is not None and high > low
        heights.append((row["slice_index"] - low) / (high - low) if known else 0.5)
    return np.array(heights)


def write_drawn(folder: Path, drawer: MapDrawer, count: int, shape: tuple[int, int]) -> tuple[pa.Table, list[Path]]:
    """Write drawn maps 0 to count - 1 as a set of maps alone.

    Parameters
    ----------
    folder
        Of the set.
    drawer
        Who draws.
    count
        How many.
    shape
        (H, W) of the maps.

    Returns
    -------
    parents, parts
        One row of PARENTS_SCHEMA per map; the index parts written, beside which the shards lie.
    """
    parents: list[dict[str, Any]] = []
    parts: list[Path] = []
    for start in range(0, count, ROWS_PER_SHARD):
        shard = f"shard-{start // ROWS_PER_SHARD:03d}"
        with MaskShardWriter(folder, shard, shape) as writer:
            for drawn in _drawn(drawer, range(start, min(start + ROWS_PER_SHARD, count))):
                writer.append(drawn.row, drawn.stored)
                parents.append(drawn.parents)
        parts.append(folder / f"{shard}.index.parquet")
    gather_index(parts, folder / "index.parquet")
    return pa.Table.from_pylist(parents, schema=PARENTS_SCHEMA), parts


def _drawn(drawer: MapDrawer, numbers: range) -> Iterator[Drawn]:
    for number in numbers:
        yield drawer.draw(number)
