"""Telling near-copies of training images apart, while images are chosen: by the encoder and by pixels.

The limit is how near training images of different patients come to each other: each patient is held out from the others
in turn. Patients of validation and test are not looked at, so that no choice made here rests on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.features.embed import features_of
from radgen.features.network import FeatureNetwork
from radgen.imageset.core import ImageSet
from radgen.metrics.audit import IMAGES_AT_ONCE, normalised
from radgen.metrics.distances import nearest, patient_numbers
from radgen.seeds import random_generator

CONTROL_IMAGES = 1_024  # of training images whose distance to other patients' sets the limit


@dataclass(frozen=True)
class CopyGuard:
    """Training images, and how near another image may come to them.

    Attributes
    ----------
    network
        The encoder.
    real
        The real image set.
    training
        Rows int64 [m] of the training images.
    features
        Of the training images, float32 [m, D].
    limits
        Smallest distance by features and by pixels (as in `radgen.metrics.audit`); 0 where no limit is known, because
        there is one training patient only.
    """

    network: FeatureNetwork
    real: ImageSet
    training: NDArray[np.int64]
    features: NDArray[np.float32]
    limits: tuple[float, float]

    def is_copy(self, images: NDArray[np.uint8], features: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which of the images uint8 [n, C, H, W], features float32 [n, D], are near-copies by either: bool [n]."""
        nobody = np.full(len(images), -1, dtype=np.int64)
        theirs = np.zeros(len(self.training), dtype=np.int64)
        by_features = nearest(features, self.features)[0]
        by_pixels = _nearest_pixels(images, nobody, self.real, self.training, theirs)
        return (by_features < self.limits[0]) | (by_pixels < self.limits[1])


def copy_guard(network: FeatureNetwork, real: ImageSet, training: NDArray[np.int64], *, quantile: float) -> CopyGuard:
    """Measure the training images, and how near those of different patients come to each other.

    Parameters
    ----------
    network
        The encoder.
    real
        The real image set.
    training
        Rows int64 [m] of the images the generator learnt from.
    quantile
        This share of training images is nearer to one of another patient than the limit is.
    """
    features = features_of(network, real, training)
    count = min(CONTROL_IMAGES, len(training))
    drawn = np.sort(random_generator("copies").choice(len(training), count, replace=False))
    patients = patient_numbers(real.column("patient")[training])[0]
    by_features = nearest(features[drawn], features, patients=patients[drawn], other_patients=patients)[0]
    by_pixels = _nearest_pixels(real.images(training[drawn]), patients[drawn], real, training, patients)
    return CopyGuard(network, real, training, features, (_limit(by_features, quantile), _limit(by_pixels, quantile)))


def _nearest_pixels(
    images: NDArray[np.uint8],
    own: NDArray[np.int64],
    real: ImageSet,
    training: NDArray[np.int64],
    theirs: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Distances float64 [n] of normalised images to the nearest training image of another patient, part by part."""
    pictures = normalised(images)
    distances = np.full(len(images), np.inf)
    for start in range(0, len(training), IMAGES_AT_ONCE):
        part = slice(start, start + IMAGES_AT_ONCE)
        table = normalised(real.images(training[part]))
        distances = np.minimum(distances, nearest(pictures, table, patients=own, other_patients=theirs[part])[0])
    return distances


def _limit(distances: NDArray[np.float64], quantile: float) -> float:
    known = distances[np.isfinite(distances)]
    return float(np.quantile(known, quantile)) if len(known) else 0.0
