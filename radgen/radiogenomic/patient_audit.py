"""Is a generated nodule a copy of a training patient's? With some hundred patients that is the default outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 256


@dataclass(frozen=True, eq=False)
class Audit:
    """Where generated images lie among training and held-out ones.

    Parameters
    ----------
    patient
        [generated], the training patient of the nearest training image.
    distance
        float64 [generated], to that image.
    limit
        The lower `quantile` of the distances of held-out images to their nearest training image: real people who are no
        copies are seldom nearer.
    copies
        Share of generated images nearer than `limit`; about `quantile` where generated images are like new patients.
    most_frequent
        Share of generated images that belong to the most frequent nearest patient.
    own
        Share of generated images whose nearest training patient is the one whose genes made them; NaN where no genes
        came from a training patient.
    """

    patient: NDArray[np.generic]
    distance: NDArray[np.float64]
    limit: float
    copies: float
    most_frequent: float
    own: float


def nearest_patient_audit(
    generated: NDArray[np.floating],
    generated_patients: NDArray[np.generic],
    training: NDArray[np.floating],
    training_patients: NDArray[np.generic],
    held_out: NDArray[np.floating],
    *,
    quantile: float = 0.01,
) -> Audit:
    """Find the nearest training image of each generated one, and judge the distances by held-out images.

    Parameters
    ----------
    generated, training, held_out
        [images, features] of one feature network or of pixels, on one scale.
    generated_patients
        [generated], whose genes made an image.
    training_patients
        [training].
    quantile
        Share of held-out images that may lie below the limit.

    Raises
    ------
    ValueError
        A side is empty, or lengths differ.
    """
    sides = (generated, training, held_out)
    if any(len(side) == 0 for side in sides) or len({side.shape[1] for side in sides}) > 1:
        shapes = ", ".join(str(side.shape) for side in sides)
        msg = f"features of shapes {shapes}; all sides need images of the same features"
        raise ValueError(msg)
    if len(generated_patients) != len(generated) or len(training_patients) != len(training):
        msg = (
            f"{len(generated_patients)} patients for {len(generated)} generated images, {len(training_patients)} for "
            f"{len(training)} training images; give one for each"
        )
        raise ValueError(msg)
    places, distance = _nearest(generated, training)
    patient = training_patients[places]
    limit = float(np.quantile(_nearest(held_out, training)[1], quantile))
    from_training = np.isin(generated_patients, training_patients)
    own = float((patient == generated_patients)[from_training].mean()) if from_training.any() else float("nan")
    counts = np.unique(patient, return_counts=True)[1]
    return Audit(patient, distance, limit, float((distance < limit).mean()), float(counts.max() / len(patient)), own)


def _nearest(
    queries: NDArray[np.floating], table: NDArray[np.floating]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return place and Euclidean distance of the nearest row of a table for each query."""
    places, distances = [], []
    table = table.astype(np.float64)
    squares = (table**2).sum(axis=1)
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK].astype(np.float64)
        nearest = (squares - 2 * block @ table.T).argmin(axis=1)
        places.append(nearest)
        # The shortcut above loses digits where images are alike; the distance itself is exact.
        distances.append(np.linalg.norm(block - table[nearest], axis=1))
    return np.concatenate(places), np.concatenate(distances)
