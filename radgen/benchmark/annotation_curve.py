"""The annotation curve summed up: means over seeds and units, with intervals over both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from radgen.benchmark.statistics import Floats, bootstrap_weights, interval, mean_replicates

ALL = "all"  # the mean over the structures
CURVE_SCHEMA = pa.schema(
    [
        pa.field("measure", pa.string(), nullable=False),  # "masks" or "downstream"
        pa.field(
            "arm", pa.string(), nullable=False
        ),  # "synthetic" or "real": what was annotated; "ceiling": all real masks
        pa.field("structure", pa.string(), nullable=False),  # a name, or "all"
        pa.field("count", pa.int32(), nullable=False),  # annotated images
        pa.field("minutes", pa.float64()),  # of annotation, mean over seeds; null where nobody knows
        pa.field("dice", pa.float64()),
        pa.field("lower", pa.float64()),
        pa.field("upper", pa.float64()),
        pa.field("n_seeds", pa.int32(), nullable=False),
        pa.field("n_units", pa.int32(), nullable=False),  # different held-out images (masks), patients (downstream)
    ]
)


def sum_up(points: pd.DataFrame, structures: Sequence[str], *, samples: int, confidence: float) -> pa.Table:
    """Return the curve of all points.

    Parameters
    ----------
    points
        Rows of all points: measure, arm, count, seed, minutes, unit, structure, dice.
    structures
        Their names, in order.
    samples, confidence
        Of the bootstrap.
    """
    rows: list[dict[str, Any]] = []
    for (measure, arm, count), part in points.groupby(["measure", "arm", "count"], sort=True):
        minutes = part.groupby("seed")["minutes"].first()
        facts = {"measure": measure, "arm": arm, "count": count}
        facts["minutes"] = float(minutes.mean()) if minutes.notna().all() else None
        for structure in (ALL, *structures):
            chosen = part if structure == ALL else part[part["structure"] == structure]
            if len(chosen):
                rows.append(facts | {"structure": structure} | _estimate(chosen, samples, confidence))
    return pa.Table.from_pylist(rows, schema=CURVE_SCHEMA)


def _estimate(part: pd.DataFrame, samples: int, confidence: float) -> dict[str, Any]:
    """Return mean, interval and numbers of some scores; a unit's structures are averaged first."""
    values = part.groupby(["seed", "unit"])["dice"].mean().unstack("unit").to_numpy(np.float64)  # [seeds, units]
    replicates = two_level_replicates(values, samples)
    lower, upper = interval(replicates, confidence)
    return {"dice": replicates[0], "lower": lower, "upper": upper, "n_seeds": len(values), "n_units": values.shape[1]}


def two_level_replicates(values: Floats, samples: int) -> Floats:
    """Mean over units, then over seeds; element 0 is the estimate, the others are bootstrap replicates.

    Parameters
    ----------
    values
        float [seeds, units], NaN where a seed has not scored a unit.
    samples
        Number of replicates.

    Returns
    -------
    float64 [1 + samples]

    Notes
    -----
    Units and seeds are both drawn with replacement, and the same units for all seeds: a hard patient is hard for every
    network. Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8.
    """
    units = bootstrap_weights(values.shape[1], samples, "annotation curve", "units")
    seeds = bootstrap_weights(values.shape[0], samples, "annotation curve", "seeds")
    means = np.stack([mean_replicates(row, units) for row in values], axis=1)  # [1 + samples, seeds]
    weights = np.where(np.isfinite(means), seeds, 0.0)
    total = weights.sum(axis=1)
    summed = (weights * np.nan_to_num(means)).sum(axis=1)
    found: Floats = np.divide(summed, total, out=np.full(len(total), np.nan), where=total > 0)
    return found
