"""What a generated nodule owes to genes, background and noise: a design in which each changes while the others stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from radgen.radiogenomic.nodule_features import nodule_features

FACTORS = ("genes", "background", "noise")
Draw = Callable[[int, int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def draw_design(
    draw: Draw, levels: tuple[int, int, int], window_hu: tuple[float, float], pixel_mm: float
) -> NDArray[np.float64]:
    """Draw every combination and measure it.

    Parameters
    ----------
    draw
        Image and mask uint8 [H, W] of the numbers of a profile, a background and a noise.
    levels
        How many of each.
    window_hu
        HU of grey 0 and 255.
    pixel_mm
        Width of a pixel.

    Returns
    -------
    array of float64
        [profiles, backgrounds, noises, features]: `nodule_features`; NaN where a mask is empty.
    """
    low, high = window_hu
    pictures = [draw(*place) for place in np.ndindex(*levels)]
    grey, masks = (np.stack([picture[part] for picture in pictures]) / 255.0 for part in (0, 1))
    found = nodule_features(low + grey * (high - low), masks, np.full(len(pictures), pixel_mm))
    return found.reshape(*levels, -1)


def variance_shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each feature's variance that each factor explains alone.

    Parameters
    ----------
    values
        float64 [profiles, backgrounds, noises, features]; NaN becomes the feature's mean.

    Returns
    -------
    array of float64
        [3, features] in the order of `FACTORS`; 0 for a constant feature. What is missing to 1 is interplay.

    Notes
    -----
    Eta squared of the main effects of a balanced design: R. A. Fisher, Statistical Methods for Research Workers, 1925,
    section 39. The variance of the means over all other factors, by the variance of all values.
    """
    mean = np.nan_to_num(np.nanmean(values, axis=(0, 1, 2)))
    whole = np.where(np.isnan(values), mean, values)
    total = whole.var(axis=(0, 1, 2))
    shares = []
    for factor in range(len(FACTORS)):
        others = tuple(axis for axis in range(len(FACTORS)) if axis != factor)
        explained = whole.mean(axis=others).var(axis=0)
        shares.append(np.divide(explained, total, out=np.zeros_like(total), where=total > 1e-12 * (1 + mean**2)))
    return np.stack(shares)
