"""How much a gene says about something, one number each: variance, class association, survival association."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def class_scores(values: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the F statistic of a one-way analysis of variance for each gene.

    Parameters
    ----------
    values
        float64 [patients, genes], complete.
    classes
        One for each patient; at least two, and fewer than patients.

    Returns
    -------
    array of float64
        [genes]; 0 for a constant gene, infinite where classes differ and nothing varies within them.

    Raises
    ------
    ValueError
        There are fewer than two classes, or as many as patients.

    Notes
    -----
    R. A. Fisher, Statistical Methods for Research Workers, 1925, section 39: the mean square between classes over
    that within them.
    """
    names, index = np.unique(np.asarray(classes), return_inverse=True)
    if not 2 <= len(names) < len(values):
        msg = (
            f"{len(names)} classes among {len(values)} patients; class association needs 2 or more, fewer than patients"
        )
        raise ValueError(msg)
    counts = np.bincount(index).astype(np.float64)
    means = np.stack([values[index == number].mean(axis=0) for number in range(len(names))])
    between = (counts[:, None] * (means - values.mean(axis=0)) ** 2).sum(axis=0) / (len(names) - 1)
    within = ((values - means[index]) ** 2).sum(axis=0) / (len(values) - len(names))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(between > 0, between / within, 0.0)


def cox_scores(values: NDArray[np.float64], times: NDArray[np.float64], died: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the score statistic of a Cox model with this gene alone: chi-squared with one degree of freedom.

    Parameters
    ----------
    values
        float64 [patients, genes], complete.
    times
        float64 [patients]: to death or to the end of observation, any unit, above 0.
    died
        bool [patients]: False where the patient was alive at that time.

    Returns
    -------
    array of float64
        [genes]; 0 for a constant gene.

    Raises
    ------
    ValueError
        Nobody died, or a time is not above 0.

    Notes
    -----
    D. R. Cox, Regression models and life-tables, JRSS B 34, 1972, equations 16 to 18 at beta = 0, ties as Breslow's:
    over the deaths, the gene's excess over the mean of those at risk, squared, over the sum of the variances at risk.
    """
    if not died.any() or not (times > 0).all():
        msg = f"{int(died.sum())} deaths and a least time of {times.min():g}; survival needs deaths and times above 0"
        raise ValueError(msg)
    excess, variance = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    # Times repeat among patients, so the deaths of one time share their risk set.
    for time in np.unique(times[died]):
        at_risk, now = values[times >= time], values[(times == time) & died]
        excess += (now - at_risk.mean(axis=0)).sum(axis=0)
        variance += len(now) * at_risk.var(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, excess**2 / variance, 0.0)


def best(scores: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the places of the highest scores, in order of place; of equal ones the first."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])
