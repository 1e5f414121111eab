"""Small sets of label maps and images for the tests of semantic synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.schema import Label
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import MaskShardWriter, ShardWriter
from radgen.semantic.maps.schema import MapSchema

SIDE = 32
RED, GREEN, BLACK = (200, 0, 0), (0, 200, 0), (0, 0, 0)
SCHEMA = MapSchema(
    (Label(0, "background", BLACK), Label(3, "liver", RED), Label(9, "lesion", GREEN)),
    unlabelled=255,
    where="schema.json",
)


def discs(count: int, side: int = SIDE) -> NDArray[np.uint8]:
    """Return maps [count, side, side]: a liver (3) of its own size and place, in all but each third a lesion (9)."""
    rows, cols = np.mgrid[:side, :side]
    maps = np.zeros((count, side, side), dtype=np.uint8)
    for number, one in enumerate(maps):
        row, col, radius = side * 0.4 + number % 5, side * 0.5 - number % 3, side * (0.2 + 0.02 * (number % 4))
        one[np.hypot(rows - row, cols - col) < radius] = 3
        if number % 3:
            one[np.hypot(rows - row, cols - col) < radius / 3] = 9
    return maps


def rows_for(count: int, **columns: Any) -> list[dict[str, Any]]:
    """Return index rows of 4 slices a patient; every fourth patient validates."""
    patients = [number // 4 for number in range(count)]
    return [
        {
            "image_id": f"s{patient}-{number:04d}",
            "source": "real",
            "split": "val" if patient % 4 == 3 else "train",
            "patient": f"p{patient}",
            "series": f"s{patient}",
            "slice_index": number % 4,
            "modality": "CT",
            "class_name": "all",
            "class_id": 0,
            "spacing_row_mm": 2.0,
            "spacing_col_mm": 2.0,
        }
        | columns
        for number, patient in enumerate(patients)
    ]


def write_maps(folder: Path, maps: NDArray[np.uint8], rows: Sequence[dict[str, Any]] | None = None) -> ImageSet:
    """Write a set of maps alone."""
    with MaskShardWriter(folder, "shard-000", (maps.shape[1], maps.shape[2])) as writer:
        for row, one in zip(rows or rows_for(len(maps)), maps, strict=True):
            writer.append(row, one)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return ImageSet(folder / "index.parquet")


def write_pairs(
    folder: Path, maps: NDArray[np.uint8], rows: Sequence[dict[str, Any]] | None = None, channels: int = 1
) -> ImageSet:
    """Write a set of maps and images; an image's grey is its number, plus ten times its map's id."""
    with ShardWriter(folder, "shard-000", (channels, *maps.shape[1:]), with_masks=True) as writer:
        for number, (row, one) in enumerate(zip(rows or rows_for(len(maps)), maps, strict=True)):
            image = np.repeat((number + 10 * (one % 16))[np.newaxis].astype(np.uint8), channels, axis=0)
            writer.append(row, image, one)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return ImageSet(folder / "index.parquet")
