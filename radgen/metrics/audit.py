"""Whether a synthetic image is a copy: its nearest training image, beside how near held-out real patients come.

The control answers what a distance alone cannot: how near two different people lie anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from radgen.imageset.core import ImageSet
from radgen.metrics.distances import nearest, patient_numbers

NEAREST_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string()),
        pa.field("kind", pa.string()),  # synthetic | control: a held-out real image
        pa.field("class_name", pa.string()),
        pa.field("distance_features", pa.float64()),  # Euclidean, between the judge's standardised features
        pa.field("nearest_image_id", pa.string()),  # the training image at that distance
        pa.field("nearest_patient", pa.string()),  # its patient's hashed key
        pa.field("distance_pixels", pa.float64()),  # sqrt(2 (1 - correlation)), whatever brightness and contrast
        pa.field("nearest_pixels_image_id", pa.string()),  # the training image at that distance
    ]
)
PIXELS_ACROSS = 64  # larger images are averaged down: a copy stays one
IMAGES_AT_ONCE = 4_096


@dataclass(frozen=True)
class Queries:
    """Images that are looked up among the training images: an image set, rows int64 [n] and their features [n, D]."""

    kind: str
    images: ImageSet
    rows: NDArray[np.int64]
    features: NDArray[np.float32]


def nearest_table(
    queries: list[Queries], real: ImageSet, training: NDArray[np.int64], features: NDArray[np.float32]
) -> pa.Table:
    """Find the nearest training image of each query, never one of the query's own patient.

    Parameters
    ----------
    queries
        Synthetic images, and the control.
    real
        The real image set.
    training
        Rows int64 [m] of the images the source learnt from.
    features
        Of the training images, float32 [m, D].

    Returns
    -------
    pyarrow.Table
        Rows of NEAREST_SCHEMA by kind and image id; distances are null where no other patient is left.
    """
    tables = [_rows_of(query, real, training, features) for query in queries]
    return pa.concat_tables(tables).sort_by([("kind", "ascending"), ("image_id", "ascending")])


def _rows_of(query: Queries, real: ImageSet, training: NDArray[np.int64], features: NDArray[np.float32]) -> pa.Table:
    own, theirs = patient_numbers(query.images.column("patient")[query.rows], real.column("patient")[training])
    by_features = nearest(query.features, features, patients=own, other_patients=theirs)
    by_pixels = _nearest_pixels(query, real, training, (own, theirs))
    ids, patients = real.column("image_id")[training], real.column("patient")[training]
    columns = {
        "image_id": query.images.column("image_id")[query.rows],
        "kind": [query.kind] * len(query.rows),
        "class_name": query.images.column("class_name")[query.rows],
        "distance_features": _finite(by_features[0]),
        "nearest_image_id": _named(ids, by_features[1]),
        "nearest_patient": _named(patients, by_features[1]),
        "distance_pixels": _finite(by_pixels[0]),
        "nearest_pixels_image_id": _named(ids, by_pixels[1]),
    }
    return pa.table({name: pa.array(values, NEAREST_SCHEMA.field(name).type) for name, values in columns.items()})


def _nearest_pixels(
    query: Queries, real: ImageSet, training: NDArray[np.int64], patients: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Search part by part on both sides, so that memory does not grow with either."""
    distances = np.full(len(query.rows), np.inf)
    places = np.full(len(query.rows), -1, dtype=np.int64)
    own, theirs = patients
    for mine in _parts(len(query.rows)):
        pictures = normalised(query.images.images(query.rows[mine]))
        for other in _parts(len(training)):
            table = normalised(real.images(training[other]))
            found, place = nearest(pictures, table, patients=own[mine], other_patients=theirs[other])
            nearer = found < distances[mine]
            distances[mine] = np.where(nearer, found, distances[mine])
            places[mine] = np.where(nearer, place + other.start, places[mine])
    return distances, places


def normalised(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images uint8 [n, C, H, W] as vectors float32 [n, D] of mean 0 and length 1; a flat image becomes zero."""
    x = torch.from_numpy(images).float()
    factor = -(-max(images.shape[2:]) // PIXELS_ACROSS)
    if factor > 1:
        x = F.avg_pool2d(x, factor, ceil_mode=True)
    x = x.flatten(1)
    x = x - x.mean(dim=1, keepdim=True)
    vectors: NDArray[np.float32] = (x / x.norm(dim=1, keepdim=True).clamp(min=1e-6)).numpy()
    return vectors


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, IMAGES_AT_ONCE):
        yield slice(start, min(start + IMAGES_AT_ONCE, count))


def _finite(distances: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in distances]


def _named(names: NDArray[np.object_], places: NDArray[np.int64]) -> list[str | None]:
    return [str(names[place]) if place >= 0 else None for place in places]
