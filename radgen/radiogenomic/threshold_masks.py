"""Masks of nodules that nobody outlined: what is dense in the middle of a picture. A stand-in, and called so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

CALLED = "nodule masks made by a threshold"
"""What every caption of results that rest on such masks says."""
MIDDLE = 0.5
# A dense part that fills the picture, or leaves it, is a vessel or the chest wall, and not a nodule alone.
MOST_AREA = 0.5
LUNG_BELOW_HU = -400.0


def otsu_threshold(values: NDArray[np.uint8]) -> float:
    """Return the grey level that divides values into two classes with the greatest variance between them.

    Notes
    -----
    N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9 (1979), equation 18.
    """
    counts = np.bincount(values.reshape(-1), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    sums = np.cumsum(counts * np.arange(256))
    total, whole = below[-1], sums[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (whole * below - total * sums) ** 2 / (below * (total - below))
    return float(np.argmax(np.nan_to_num(between, nan=-1.0, posinf=-1.0)))


def threshold_mask(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the dense part in the middle of a picture as cover, uint8 [H, W]: 255 is whole, edges are smooth.

    The threshold is Otsu's, of the middle half of the picture; of the connected parts above it the one nearest to the
    middle is taken, its holes filled. All 0 where nothing is above it, or where the part fills half of the picture or
    reaches its edge: a picture is twice as wide as its nodule.

    Parameters
    ----------
    image
        uint8 [H, W].
    """
    height, width = image.shape
    rows, columns = (slice(int(n * (1 - MIDDLE) / 2), int(np.ceil(n * (1 + MIDDLE) / 2))) for n in (height, width))
    level = otsu_threshold(image[rows, columns])
    dense = image > level
    parts, count = ndimage.label(dense)
    if not count:
        return np.zeros_like(image)
    y, x = np.indices(image.shape)
    away = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    nearest = parts.reshape(-1)[np.where(dense, away, np.inf).argmin()]
    mask = ndimage.binary_fill_holes(parts == nearest)
    leaves = mask[[0, -1]].any() or mask[:, [0, -1]].any()
    if leaves or mask.mean() > MOST_AREA or away[mask].min() > min(height, width) * MIDDLE / 2:
        return np.zeros_like(image)
    # The mean of a pixel's neighbourhood is its cover, to within the half pixel that a threshold can tell.
    cover = ndimage.gaussian_filter(mask.astype(np.float32), 0.5)
    result: NDArray[np.uint8] = np.rint(255 * cover).astype(np.uint8)
    return result


def lung_share(image: NDArray[np.uint8], low_hu: float, high_hu: float) -> float:
    """Return the share of a picture [H, W] that is lung: darker than -400 HU, and what such tissue encloses (vessels).

    `low_hu` and `high_hu` are the HU of grey levels 0 and 255.
    """
    level = 255 * (LUNG_BELOW_HU - low_hu) / (high_hu - low_hu)
    return float(ndimage.binary_fill_holes(image < level).mean())
