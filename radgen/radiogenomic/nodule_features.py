"""A nodule in numbers: size, density and texture within its mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEATURES = ("area_mm2", "diameter_mm", "mean_hu", "std_hu", "gradient_hu_per_mm", "roundness")
"""Names of the columns of `nodule_features`."""


def nodule_features(
    hu: NDArray[np.floating], mask: NDArray[np.floating], pixel_mm: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Measure nodules.

    Parameters
    ----------
    hu
        [n, H, W], HU.
    mask
        [n, H, W], cover from 0 to 1 (anti-aliased edges count in part).
    pixel_mm
        [n], width of a pixel.

    Returns
    -------
    array of float64
        [n, 6]; see `FEATURES`. `area_mm2` is the sum of cover; `diameter_mm` that of a disk of this area; mean and
        deviation are weighted by cover; `gradient_hu_per_mm` is the mean slope inside, a measure of texture;
        `roundness` is 4 pi area / perimeter squared (1 for a disk, less for spicules). All but the first two are NaN
        where the mask is empty.

    Raises
    ------
    ValueError
        Shapes differ, or cover lies outside 0 to 1.
    """
    if hu.shape != mask.shape or hu.ndim != 3 or len(pixel_mm) != len(hu):
        msg = (
            f"images {hu.shape}, masks {mask.shape}, {len(pixel_mm)} pixel widths; they must be of the same n, H and W"
        )
        raise ValueError(msg)
    if mask.size and not (mask.min() >= 0 and mask.max() <= 1):
        msg = f"cover from {mask.min():g} to {mask.max():g}; it must lie from 0 to 1"
        raise ValueError(msg)
    rows = [
        _one(h.astype(np.float64), m.astype(np.float64), float(w)) for h, m, w in zip(hu, mask, pixel_mm, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def _one(hu: NDArray[np.float64], cover: NDArray[np.float64], pixel_mm: float) -> tuple[float, ...]:
    total = cover.sum()
    area = total * pixel_mm**2
    diameter = 2 * np.sqrt(area / np.pi)
    if not total:
        return (0.0, 0.0, *[float("nan")] * 4)
    mean = (hu * cover).sum() / total
    deviation = np.sqrt(((hu - mean) ** 2 * cover).sum() / total)
    down, across = np.gradient(hu, pixel_mm)
    slope = (np.hypot(down, across) * cover).sum() / total
    # The length of an edge that is blurred over some pixels: total variation of the cover (coarea formula).
    down, across = np.gradient(np.pad(cover, 1))
    perimeter = np.hypot(down, across).sum() * pixel_mm
    return (
        float(area),
        float(diameter),
        float(mean),
        float(deviation),
        float(slope),
        float(4 * np.pi * area / perimeter**2),
    )
