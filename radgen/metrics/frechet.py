"""Frechet distance between two sets of features, by symmetric eigendecomposition.

NumPy only, so that training code may score samples without the rest of the metrics room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radgen.errors import InputError

# Below this many images per feature dimension the covariance is so noisy that the distance says more about n than about
# the images; KID, which is unbiased, is given instead.
IMAGES_PER_DIMENSION = 10
SMALLEST = 1e-6  # of roots of eigenvalues, beside the largest: below it they are rounding


def moments(features: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the unbiased covariance of features, summed in float64.

    Parameters
    ----------
    features
        Floats [n, D], one row per image, n >= 2.

    Returns
    -------
    mean, covariance
        float64 [D] and float64 [D, D].

    Raises
    ------
    InputError
        Fewer than two rows, not a table, or a value that is not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        msg = f"features have shape {features.shape}, but moments need [n, D] with n >= 2; give more images"
        raise InputError(msg)
    values = features.astype(np.float64)
    if not np.isfinite(values).all():
        msg = f"{int((~np.isfinite(values)).sum())} of {values.size} feature values are not finite; check the network"
        raise InputError(msg)
    mean = values.mean(axis=0)
    centred = values - mean
    # einsum, not a matrix product: its sums do not depend on how many threads the linear algebra library takes.
    return mean, np.einsum("ni,nj->ij", centred, centred) / (len(values) - 1)


def frechet_distance(
    mean1: NDArray[np.floating],
    cov1: NDArray[np.floating],
    mean2: NDArray[np.floating],
    cov2: NDArray[np.floating],
) -> float:
    """Return the squared 2-Wasserstein distance between two Gaussians.

    |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1^1/2 C2 C1^1/2)^1/2

    Parameters
    ----------
    mean1, mean2
        Floats [D].
    cov1, cov2
        Symmetric floats [D, D]; singular ones are allowed.

    Raises
    ------
    InputError
        The two feature dimensions differ.

    Notes
    -----
    Source: Dowson and Landau, "The Frechet distance between multivariate normal distributions", 1982, equation 16;
    used for images by Heusel et al., "GANs trained by a two time-scale update rule", 2017, equation 6.
    """
    if mean1.shape != mean2.shape or cov1.shape != cov2.shape or cov1.shape != (len(mean1), len(mean1)):
        msg = f"features of dimension {mean1.shape} and {mean2.shape} cannot be compared; use one network for both"
        raise InputError(msg)
    root = _square_root(np.asarray(cov1, dtype=np.float64))
    cross = root @ np.asarray(cov2, dtype=np.float64) @ root
    eigenvalues = np.linalg.eigvalsh((cross + cross.T) / 2)
    shift = np.asarray(mean1, dtype=np.float64) - np.asarray(mean2, dtype=np.float64)
    trace = float(np.trace(cov1) + np.trace(cov2) - 2 * np.sqrt(eigenvalues.clip(min=0)).sum())
    return max(0.0, float(shift @ shift) + trace)


def frechet_between(features1: NDArray[np.floating], features2: NDArray[np.floating]) -> float:
    """Return the Frechet distance between two feature tables [n1, D] and [n2, D]."""
    return frechet_distance(*moments(features1), *moments(features2))


def frechet_pulls(
    features1: NDArray[np.floating], features2: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how much each image pulls the Frechet distance: its derivative by the image's weight in its set.

    Parameters
    ----------
    features1, features2
        Floats [n1, D] and [n2, D].

    Returns
    -------
    pulls1, pulls2
        float64 [n1] and [n2], each of mean 0.

    Notes
    -----
    Of x from N(m1, C1) it is 2 (m1 - m2) (x - m1) + (x - m1) (1 - T) (x - m1) less its mean, where
    T = C1^-1/2 (C1^1/2 C2 C1^1/2)^1/2 C1^-1/2 carries the first Gaussian over to the second. Source: Rippl, Munk and
    Sturm, "Limit laws of the empirical Wasserstein distance: Gaussian distributions", 2016, theorem 2.2. Directions in
    which a set does not vary are left out: nothing of it lies there.
    """
    (mean1, cov1), (mean2, cov2) = moments(features1), moments(features2)
    centred1, centred2 = features1.astype(np.float64) - mean1, features2.astype(np.float64) - mean2
    root = _square_root(cov1)
    values, vectors = np.linalg.eigh(root @ cov2 @ root)
    along = values.clip(min=0) ** 0.25
    moved1 = centred1 @ _inverse_root(cov1) @ (vectors * along)
    moved2 = centred2 @ root @ (vectors * _inverse(along))
    shift = 2 * (mean1 - mean2)
    pulls1 = centred1 @ shift + np.square(centred1).sum(axis=1) - np.square(moved1).sum(axis=1)
    pulls2 = -centred2 @ shift + np.square(centred2).sum(axis=1) - np.square(moved2).sum(axis=1)
    return pulls1 - pulls1.mean(), pulls2 - pulls2.mean()


def too_few_images(count: int, dimension: int, per_dimension: int = IMAGES_PER_DIMENSION) -> str | None:
    """Return why a Frechet distance of this many images would mislead, or None when there are enough.

    Of published networks as many images as dimensions are asked for, as the field does.

    >>> too_few_images(640, 64) is None
    True
    >>> too_few_images(100, 64)
    '100 images are fewer than 10 x 64 feature dimensions: read KID instead'
    """
    if count >= per_dimension * dimension:
        return None
    return f"{count} images are fewer than {per_dimension} x {dimension} feature dimensions: read KID instead"


def _square_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    root: NDArray[np.float64] = (vectors * np.sqrt(eigenvalues.clip(min=0))) @ vectors.T
    return root


def _inverse_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    inverse: NDArray[np.float64] = (vectors * _inverse(np.sqrt(eigenvalues.clip(min=0)))) @ vectors.T
    return inverse


def _inverse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / values, and 0 where they are rounding of the largest."""
    there = values > SMALLEST * values.max()
    return np.where(there, 1 / np.where(there, values, 1), 0.0)
