"""Many images of one patient as one number each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_means(
    values: NDArray[np.floating], groups: NDArray[np.generic], names: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return the mean row of each named group, float64 [names, features].

    Parameters
    ----------
    values
        [rows, features], finite.
    groups
        [rows].
    names
        Which groups, each with at least one row.

    Raises
    ------
    ValueError
        Rows and groups differ in number, a value is not finite, or a group is empty.
    """
    if len(values) != len(groups) or values.ndim != 2:
        msg = f"values of shape {values.shape} for {len(groups)} rows; give one row of features for each"
        raise ValueError(msg)
    if not np.isfinite(values).all():
        msg = f"{int((~np.isfinite(values)).sum())} of {values.size} features are not finite; leave those images out"
        raise ValueError(msg)
    sizes = [int((groups == name).sum()) for name in names]
    if 0 in sizes:
        msg = f"{sizes.count(0)} of {len(sizes)} groups are empty"
        raise ValueError(msg)
    return np.stack([values[groups == name].mean(axis=0, dtype=np.float64) for name in names])
