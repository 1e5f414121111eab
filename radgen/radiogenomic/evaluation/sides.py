"""Nodules as numbers: whose they are, what they measure, and what a feature network sees in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.features.embed import features_of
from radgen.features.network import FeatureNetwork
from radgen.imageset.core import ImageSet
from radgen.radiogenomic.nodule_features import nodule_features

RADIOMIC, ENCODER, PIXELS = "radiomic", "encoder", "pixels"
SQUARE_PX = 4
CHUNK = 256


@dataclass(frozen=True, eq=False)
class Side:
    """Real or generated nodules.

    Parameters
    ----------
    rows
        Positions int64 [images] in their set; images without a mask have no measures and are not there.
    patients
        Object [images]: whose they are, or whose genes made them.
    spaces
        Name of a space to float64 [images, features].
    """

    rows: NDArray[np.int64]
    patients: NDArray[np.object_]
    spaces: dict[str, NDArray[np.float64]]

    def of(self, patients: set[str]) -> Side:
        """Return the images of some patients."""
        keep = np.array([patient in patients for patient in self.patients], dtype=bool)
        spaces = {name: values[keep] for name, values in self.spaces.items()}
        return Side(self.rows[keep], self.patients[keep], spaces)


def side_of(images: ImageSet, rows: NDArray[np.int64], patients: NDArray[np.object_], network: FeatureNetwork) -> Side:
    """Measure nodules in three spaces: radiomic features, a feature network, and pixels averaged over squares.

    Parameters
    ----------
    images
        Patches with masks of cover.
    rows
        Positions int64 [n].
    patients
        Object [n].
    network
        Never used in the generator's training.
    """
    measured = radiomic(images, rows)
    whole = np.isfinite(measured).all(axis=1)
    kept = rows[whole]
    spaces = {
        RADIOMIC: measured[whole],
        ENCODER: features_of(network, images, kept).astype(np.float64),
        PIXELS: coarse_pixels(images, kept),
    }
    return Side(kept, patients[whole], spaces)


def radiomic(images: ImageSet, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return `nodule_features` of some rows, float64 [n, 6]; where pixels have no size they count as 1 mm wide."""
    low, high = (images.column(f"window_{end}")[rows] for end in ("low", "high"))
    width = images.column("spacing_row_mm")[rows].astype(np.float64)
    width = np.where(np.isfinite(width), width, 1.0)
    found = []
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        grey = images.images(rows[part])[:, 0].astype(np.float64) / 255
        first, last = (np.array([end[0] for end in ends[part]], dtype=np.float64) for ends in (low, high))
        hu = first[:, None, None] + grey * (last - first)[:, None, None]
        found.append(nodule_features(hu, images.covers(rows[part]) / 255.0, width[part]))
    return np.concatenate(found) if found else np.zeros((0, 6))


def coarse_pixels(images: ImageSet, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return greys from 0 to 1 averaged over squares of 4 pixels, float64 [n, squares]."""
    parts = []
    for start in range(0, len(rows), CHUNK):
        grey = images.images(rows[start : start + CHUNK])[:, 0].astype(np.float64) / 255
        n, height, width = grey.shape
        squares = grey[:, : height // SQUARE_PX * SQUARE_PX, : width // SQUARE_PX * SQUARE_PX]
        squares = squares.reshape(n, height // SQUARE_PX, SQUARE_PX, width // SQUARE_PX, SQUARE_PX)
        parts.append(squares.mean(axis=(2, 4)).reshape(n, -1))
    return np.concatenate(parts) if parts else np.zeros((0, 1))
