"""Radiomics of whole slices: first-order statistics and grey-level co-occurrence texture of what is not background.

Formulas: Zwanenburg et al., "The Image Biomarker Standardisation Initiative", 2020, sections 3.3, 3.4 and 3.6; grey
levels in bins of 8. For a Frechet distance over such features: Konz et al., "Frechet radiomic distance", 2024.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RADIOMICS_VERSION = "radiomics-1"
BIN_WIDTH = 8
LEVELS = 256 // BIN_WIDTH
OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
FIRST_ORDER = (
    *("mean", "variance", "skewness", "kurtosis", "median", "p10", "p90", "range_iqr", "mean_absolute_deviation"),
    *("energy", "entropy", "uniformity", "area"),
)
TEXTURE = (
    *("joint_maximum", "contrast", "dissimilarity", "inverse_difference", "angular_second_moment", "joint_entropy"),
    *("correlation", "cluster_shade", "cluster_prominence"),
)
NAMES = (*FIRST_ORDER, *TEXTURE)


def radiomics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return features float32 [n, 22 C] of images uint8 [n, C, H, W], channel by channel; an empty one gives zeros."""
    rows = [[features_of_slice(channel) for channel in image] for image in images]
    return np.array(rows, dtype=np.float32).reshape(len(images), -1)


def features_of_slice(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return features float64 [22], in the order of NAMES, of the pixels of [H, W] that are not as dark as background.

    Removed background is black, and a generator's nearly so: the darkest bin counts as background.
    """
    values = image[image >= BIN_WIDTH].astype(np.float64)
    if len(values) < 2:
        return np.zeros(len(NAMES))
    return np.concatenate([_first_order(values, image.size), _texture(image)])


def _first_order(values: NDArray[np.float64], pixels: int) -> NDArray[np.float64]:
    mean, variance = values.mean(), values.var()
    centred, spread = values - mean, np.sqrt(variance) + 1e-12
    p10, p25, median, p75, p90 = np.percentile(values, [10, 25, 50, 75, 90])
    shares = np.bincount(values.astype(np.int64) // BIN_WIDTH, minlength=LEVELS) / len(values)
    return np.array(
        [
            mean,
            variance,
            (centred**3).mean() / spread**3,
            (centred**4).mean() / spread**4 - 3,
            median,
            p10,
            p90,
            p75 - p25,
            np.abs(centred).mean(),
            (values**2).mean(),
            _entropy(shares),
            (shares**2).sum(),
            len(values) / pixels,
        ]
    )


def _texture(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return texture of the co-occurrence matrix merged over four directions, both ways, at a distance of one pixel."""
    counts = np.zeros(LEVELS * LEVELS)
    height, width = image.shape
    for down, right in OFFSETS:
        one = image[: height - down, max(0, -right) : width - max(0, right)]
        two = image[down:, max(0, right) : width - max(0, -right)]
        inside = (one >= BIN_WIDTH) & (two >= BIN_WIDTH)
        pairs = (one[inside] // BIN_WIDTH).astype(np.int64) * LEVELS + two[inside] // BIN_WIDTH
        counts += np.bincount(pairs, minlength=LEVELS * LEVELS)
    joint = counts.reshape(LEVELS, LEVELS) + counts.reshape(LEVELS, LEVELS).T
    if joint.sum() == 0:
        return np.zeros(len(TEXTURE))
    joint = joint / joint.sum()
    level = np.arange(LEVELS)
    apart = np.abs(level[:, None] - level[None, :])
    margin = joint.sum(axis=0)
    mean = float((margin * level).sum())
    variance = float((margin * (level - mean) ** 2).sum())
    around = level[:, None] + level[None, :] - 2 * mean
    product = float((joint * np.outer(level - mean, level - mean)).sum())
    return np.array(
        [
            joint.max(),
            (joint * apart**2).sum(),
            (joint * apart).sum(),
            (joint / (1 + apart)).sum(),
            (joint**2).sum(),
            _entropy(joint),
            product / variance if variance > 0 else 1.0,
            (joint * around**3).sum(),
            (joint * around**4).sum(),
        ]
    )


def _entropy(shares: NDArray[np.float64]) -> float:
    known = shares[shares > 0]
    return float(-(known * np.log2(known)).sum())
