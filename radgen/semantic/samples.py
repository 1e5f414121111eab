"""Writing the image set of a semantic source: images beside the maps they were painted on, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet, gather_index, images_path, masks_path, write_table
from radgen.imageset.writers import ShardWriter
from radgen.semantic.checkpoint import SemanticCard
from radgen.semantic.maps.lenders import LENT_FILE, LENT_SCHEMA, Lenders
from radgen.semantic.maps.schema import MapSchema, read_schema
from radgen.semantic.maps.sheet import multimodal_sheet
from radgen.semantic.maps.surroundings import MapReader
from radgen.semantic.run import spread
from radgen.semantic.sampling import SemanticSampler
from radgen.semantic.settings import SemanticSampleSettings

# What an image has from its map: place in the source, so that slices go back into a volume, and class.
FROM_MAP = (
    *("series", "slice_index", "offset_slice", "step_slice", "anatomy", "class_name", "class_id"),
    *("spacing_row_mm", "spacing_col_mm", "source_rows", "source_cols"),
    *("offset_row", "step_row", "offset_col", "step_col"),
)
WINDOW = ("window_low", "window_high")
SHEET_MAPS, SHEET_SAMPLES = 8, 6
Sample = tuple[dict[str, Any], NDArray[np.uint8], NDArray[np.uint8]]


def schema_of_maps(maps: Path, card: SemanticCard) -> MapSchema:
    """Return what ids of maps mean: by the labels.json beside their index, else the generator's own labels in order.

    Raises
    ------
    InputError
        Labels are not those that the generator learnt.
    """
    beside = maps.parent / "labels.json"
    schema = read_schema(beside) if beside.is_file() else MapSchema.of_structures(card.label_names[1:])
    if schema.names != card.label_names:
        msg = (
            f"{schema.where}: labels are {', '.join(schema.names)}, but the generator of source {card.source} learnt "
            f"{', '.join(card.label_names)}; import the maps by a schema of these names"
        )
        raise InputError(msg)
    return schema


@dataclass(frozen=True, eq=False)
class Painting:
    """What is painted on which maps.

    Attributes
    ----------
    maps, rows
        Label maps and positions int64 in their index.
    sampler
        Makes the images.
    source
        Name of the source.
    modality
        Of the images; None for that of each map.
    checkpoint
        Digest of the weights.
    settings
        How many images, and of which noise.
    lenders
        Images that give maps their surroundings; None: each map's own image, where surroundings are told apart.
    """

    maps: MapReader
    rows: NDArray[np.int64]
    sampler: SemanticSampler
    source: str
    modality: str | None
    checkpoint: str
    settings: SemanticSampleSettings
    lenders: Lenders | None = None

    def samples(self) -> Iterator[Sample]:
        """Yield index row, image and mask of every image, map by map."""
        index = self.maps.maps.table.take(self.rows).to_pylist()  # of the index, which is small
        for place, row in zip(self.rows, index, strict=True):
            stored = self.maps.maps.masks([place])[0]
            name = row["series"] if self.settings.along == "case" and row["series"] else row["image_id"]
            seeds = [self.sampler.seed_of(name, number) for number in range(self.settings.per_map)]
            made = self._painted(int(place), row, seeds)
            for number, (seed, image) in enumerate(zip(seeds, made, strict=True)):
                yield self._row(row, number, seed), image, stored

    def _painted(self, place: int, of_map: dict[str, Any], seeds: list[int]) -> NDArray[np.uint8]:
        name = of_map["image_id"]
        if self.lenders is None:
            return self.sampler.paint(self.maps.classes([place])[0], name, seeds)
        lent = [self._lender(of_map, seed) for seed in seeds]
        classes = self.maps.laid_over([place] * len(lent), self.lenders.images, lent)
        return np.concatenate([self.sampler.paint(one, name, [seed]) for one, seed in zip(classes, seeds, strict=True)])

    def _lender(self, of_map: dict[str, Any], seed: int) -> int:
        assert self.lenders is not None  # noqa: S101 - asked where there are some
        return self.lenders.draw(of_map["class_name"], seed)

    def lent(self) -> pa.Table | None:
        """Return which image gave each its surroundings, columns of `LENT_SCHEMA`; None where nothing was lent."""
        if self.lenders is None:
            return None
        rows, names = [], self.lenders.images.column("image_id")
        for of_map in self.maps.maps.table.take(self.rows).to_pylist():
            for number in range(self.settings.per_map):
                seed = self.sampler.seed_of(of_map["image_id"], number)
                made = image_id(self.source, of_map["image_id"], number)
                rows.append({"image_id": made, "lender": names[self._lender(of_map, seed)]})
        return pa.Table.from_pylist(rows, schema=LENT_SCHEMA)

    def _row(self, of_map: dict[str, Any], number: int, seed: int) -> dict[str, Any]:
        same = self.modality in (None, of_map["modality"])
        copied = (*FROM_MAP, *(WINDOW if same else ()))
        return {name: of_map[name] for name in copied} | {
            "image_id": image_id(self.source, of_map["image_id"], number),
            "source": self.source,
            "split": "synthetic",
            "modality": self.modality or of_map["modality"],
            "seed": seed,
            "checkpoint": self.checkpoint,
        }


def image_id(source: str, map_id: str, number: int) -> str:
    """Return the id of image `number` of a map."""
    return f"{source}_{map_id}_{number:03d}"


def map_id(source: str, image_id: str) -> str:
    """Return the id of the map that an image was painted on.

    >>> map_id("painted", image_id("painted", "map_7", 2))
    'map_7'
    """
    return image_id.removeprefix(f"{source}_").rpartition("_")[0]


def write_painted(index: Path, painting: Painting) -> list[Path]:
    """Write images and masks and their index; memory holds one record batch, whatever the number.

    Returns
    -------
    list of Path
        All files written.
    """
    for old in index.parent.glob("shard-*"):
        old.unlink()
    count = len(painting.rows) * painting.settings.per_map
    shape = painting.sampler.shape
    samples = painting.samples()
    bases = []
    for number in range(-(-count // painting.settings.rows_per_shard)):
        name = f"shard-{number:03d}"
        size = (shape.image_channels, shape.height, shape.width)
        with ShardWriter(index.parent, name, size, with_masks=True) as writer:
            for row, image, mask in islice(samples, painting.settings.rows_per_shard):
                writer.append(row, image, mask)
        bases.append(index.parent / name)
    parts = [base.parent / f"{base.name}.index.parquet" for base in bases]
    gather_index(parts, index)
    beside, lent = index.parent / LENT_FILE, painting.lent()
    beside.unlink(missing_ok=True)
    if lent is not None:
        write_table(beside, lent)
    files = [index, *parts, *map(images_path, bases), *map(masks_path, bases)]
    return files if lent is None else [*files, beside]


def painted_sheet(index: Path, schema: MapSchema, per_map: int) -> NDArray[np.uint8]:
    """Lay out a few maps of a written set: rows are maps, columns the map and images of other noise."""
    images = ImageSet(index)
    firsts = spread(np.arange(0, len(images), per_map), SHEET_MAPS)
    shown = min(per_map, SHEET_SAMPLES)
    made = np.stack([images.images(np.arange(first, first + shown)) for first in firsts.tolist()])
    return multimodal_sheet(schema.paint(schema.to_classes(images.masks(firsts))), made)
