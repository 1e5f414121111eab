"""Precision, recall, density and coverage: whether samples lie among real images, and reach all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.metrics.distances import count_within, nearest


@dataclass(frozen=True)
class Prdc:
    """The four scores; density may pass 1."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Neighbours:
    """What each image contributes to the scores.

    Attributes
    ----------
    balls
        Real images within whose radius each other image lies, int64 [m].
    reached
        Whether each real image lies within the radius of another one, bool [n].
    covered
        Whether any other image lies within the radius of each real one, bool [n].
    k
        Neighbours that set the radii.
    """

    balls: NDArray[np.int64]
    reached: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    k: int

    @property
    def scores(self) -> Prdc:
        """Return the scores: means over the images."""
        return Prdc(
            precision=float((self.balls > 0).mean()),
            recall=float(self.reached.mean()),
            density=float(self.balls.mean() / self.k),
            coverage=float(self.covered.mean()),
        )


def prdc(
    real: NDArray[np.floating],
    other: NDArray[np.floating],
    *,
    k: int = 5,
    real_patients: NDArray[np.int64] | None = None,
    other_patients: NDArray[np.int64] | None = None,
) -> Prdc:
    """Compare features of real images with those of others; parameters as of `neighbours`."""
    return neighbours(real, other, k=k, real_patients=real_patients, other_patients=other_patients).scores


def neighbours(
    real: NDArray[np.floating],
    other: NDArray[np.floating],
    *,
    k: int = 5,
    real_patients: NDArray[np.int64] | None = None,
    other_patients: NDArray[np.int64] | None = None,
) -> Neighbours:
    """Find for each image what it contributes to precision, recall, density and coverage.

    Parameters
    ----------
    real, other
        Floats [n, D] and [m, D].
    k
        Neighbours that set the radius of each image.
    real_patients, other_patients
        Patient numbers int64 [n] and [m]: images of the same patient never set a radius. None = each image its own.

    Raises
    ------
    InputError
        An image has fewer than k neighbours of other patients.

    Notes
    -----
    Source: Kynkaanniemi et al., "Improved precision and recall metric for assessing generative models", 2019,
    equation 2; Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020, equations 4 and 5.
    """
    real_radii = _radii(real, k, real_patients)
    other_radii = _radii(other, k, other_patients)
    return Neighbours(
        balls=count_within(other, real, real_radii),
        reached=count_within(real, other, other_radii) > 0,
        covered=nearest(real, other)[0] <= real_radii,
        k=k,
    )


def _radii(features: NDArray[np.floating], k: int, patients: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return the distance to the k-th neighbour; without patients only the image itself is skipped."""
    own = np.arange(len(features)) if patients is None else patients
    alone = own < 0  # a synthetic image has no patient, but is no neighbour of itself
    own = np.where(alone, own.max(initial=0) + 1 + np.arange(len(own)), own)
    radii, _ = nearest(features, features, patients=own, other_patients=own, k=k)
    if not np.isfinite(radii).all():
        short = int((~np.isfinite(radii)).sum())
        # Not named `msg`: the table of scores shows it, so its words belong to the bytes.
        reason = (
            f"{short} of {len(features)} images have fewer than {k} neighbours of other patients; "
            "lower metrics.neighbours or add images"
        )
        raise InputError(reason)
    return radii
