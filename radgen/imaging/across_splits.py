"""Stored images of different splits that are nearly the same picture: a person or a scan that leaked past its names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort.near_duplicates import ROWS_PER_BLOCK, THUMBNAIL_PX, box_mean
from radgen.imageset.core import ImageSet

# Normalised correlation of the fine detail of two thumbnails from which they count as the same picture.
CORRELATION = 0.95
# So many images are compared in all; of more, each series gives the same share, at equal steps.
MOST_IMAGES = 20_000
IMAGES_AT_ONCE = 128

SCHEMA = pa.schema(
    [
        pa.field("image_one", pa.string(), nullable=False),
        pa.field("image_two", pa.string(), nullable=False),
        pa.field("series_one", pa.string(), nullable=False),
        pa.field("series_two", pa.string(), nullable=False),
        pa.field("split_one", pa.string(), nullable=False),
        pa.field("split_two", pa.string(), nullable=False),
        pa.field("correlation", pa.float64(), nullable=False),
    ]
)


def near_duplicates(index: Path, most: int = MOST_IMAGES) -> tuple[pa.Table, int]:
    """Find for each stored image the nearest of another split, and list those that are nearly the same.

    Mirrored, turned and shifted copies are not looked for here, but by `radgen leaks`.

    Parameters
    ----------
    index
        Of the image set; its pixels lie beside it.
    most
        How many images are compared; memory grows with it.

    Returns
    -------
    pairs, compared
        Rows of SCHEMA, each pair once, the most alike first; and how many images were compared.
    """
    if not index.is_file() or not (images := ImageSet(index)):
        return SCHEMA.empty_table(), 0
    chosen = _chosen(images.column("series"), most)
    thumbnails, seen = _thumbnails(images, chosen)
    splits = images.column("split")[seen]
    best = np.full(len(seen), -1.0, dtype=np.float32)
    partner = np.zeros(len(seen), dtype=np.int64)
    for start in range(0, len(seen), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        block = thumbnails[rows] @ thumbnails.T
        block[splits[rows, None] == splits[None, :]] = -1
        # Rounded, so that the last bits, which differ between machines, choose no partner.
        np.round(block, 4, out=block)
        partner[rows] = block.argmax(axis=1)
        best[rows] = block.max(axis=1)
    found: dict[tuple[int, int], float] = {}
    for one in np.flatnonzero(best >= CORRELATION).tolist():
        two = int(partner[one])
        found[min(one, two), max(one, two)] = min(float(best[one]), 1.0)
    order = sorted(found, key=lambda pair: (-round(found[pair], 4), pair))
    rows_of = images.table.select(["image_id", "series", "split"]).take(pa.array(seen)).to_pylist() if found else []
    return pa.Table.from_pylist([_pair(rows_of, pair, found[pair]) for pair in order], schema=SCHEMA), len(chosen)


def _chosen(series: NDArray[Any], most: int) -> NDArray[np.int64]:
    """Return places in the index: all of them, or of each series the same share at equal steps, and at least one."""
    if len(series) <= most:
        return np.arange(len(series))
    share = most / len(series)
    _, number = np.unique(series.astype(str), return_inverse=True)
    order = np.argsort(number, kind="stable")
    first = np.searchsorted(number[order], number[order])
    rank = np.arange(len(order)) - first
    return np.sort(order[np.floor(rank * share) > np.floor((rank - 1) * share)])


def _thumbnails(images: ImageSet, places: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return unit vectors of detail, float32 [n, pixels], and the places they are of; flat images have none."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    vectors, seen = [np.zeros((0, THUMBNAIL_PX**2), dtype=np.float32)], []
    for start in range(0, len(places), IMAGES_AT_ONCE):
        block = places[start : start + IMAGES_AT_ONCE]
        grey = images.images(block).mean(axis=1, dtype=np.float32)
        small = [np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX)) for picture in grey]
        detail = np.stack([(picture - box_mean(picture)).ravel() for picture in small])
        length = np.linalg.norm(detail, axis=1)
        kept = length > 1e-3
        vectors.append(detail[kept] / length[kept, None])
        seen.append(block[kept])
    return np.concatenate(vectors), np.concatenate(seen) if seen else np.zeros(0, dtype=np.int64)


def _pair(rows: list[dict[str, Any]], pair: tuple[int, int], correlation: float) -> dict[str, Any]:
    one, two = (rows[place] for place in pair)
    return {
        "image_one": one["image_id"],
        "image_two": two["image_id"],
        "series_one": one["series"],
        "series_two": two["series"],
        "split_one": one["split"],
        "split_two": two["split"],
        "correlation": round(correlation, 4),
    }
