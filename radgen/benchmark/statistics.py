"""Weighted scores and patient-level bootstrap: the patient is what is drawn, never the image.

Every score takes a matrix of weights [samples, patients] whose first row is all ones: element 0 of its result is the
estimate, the others are bootstrap replicates. The same weights for two arms make their difference a paired one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radgen.seeds import random_generator

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]
# Weights are spread over images in blocks of this many samples, so that memory stays bounded.
SAMPLES_PER_BLOCK = 128


def bootstrap_weights(patients: int, samples: int, *seed: str | int) -> Floats:
    """Draw how often each patient occurs in each bootstrap sample.

    Returns
    -------
    float64 [1 + samples, patients]
        Row 0 is all ones (the patients as they are); every other row sums to `patients`.
    """
    generator = random_generator("bootstrap", *seed)
    drawn = generator.multinomial(patients, np.full(patients, 1 / patients), size=samples)
    return np.concatenate([np.ones((1, patients)), drawn]).astype(np.float64)


def interval(replicates: Floats, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of bootstrap replicates (element 0, the estimate, is left out).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, section 13.3.
    """
    valid = replicates[1:][np.isfinite(replicates[1:])]
    if valid.size == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(valid, [tail, 1 - tail])
    return float(low), float(high)


def standard_error(replicates: Floats) -> float:
    """Return the standard deviation of bootstrap replicates (element 0 is left out)."""
    valid = replicates[1:][np.isfinite(replicates[1:])]
    return float(np.std(valid)) if valid.size else float("nan")


# ---------------------------------------------------------------- scores of images


def auc_replicates(probability: Floats, truth: NDArray[np.bool_], patient: Integers, weights: Floats) -> Floats:
    """Area under the ROC curve: the chance that a positive image scores above a negative one, ties counting half.

    Parameters
    ----------
    probability
        Score of each image, float [images].
    truth
        Whether each image is positive, bool [images].
    patient
        Column of `weights` of each image, int [images].
    weights
        float [samples, patients].

    Returns
    -------
    float64 [samples]
        NaN where a sample has no positive or no negative image.
    """
    order = np.argsort(probability, kind="stable")
    _, starts = np.unique(probability[order], return_index=True)
    positive, column = truth[order], patient[order]
    blocks = [_auc(weights[i : i + SAMPLES_PER_BLOCK, column], positive, starts) for i in _blocks(weights)]
    return np.concatenate(blocks)


def _auc(weight: Floats, positive: NDArray[np.bool_], starts: Integers) -> Floats:
    plus = np.add.reduceat(weight * positive, starts, axis=1)  # per distinct score
    minus = np.add.reduceat(weight * ~positive, starts, axis=1)
    below = np.cumsum(minus, axis=1) - minus
    pairs = plus.sum(axis=1) * minus.sum(axis=1)
    wins = (plus * (below + minus / 2)).sum(axis=1)
    return ratio(wins, pairs)


def per_patient(values: NDArray[np.bool_] | Floats, patient: Integers, patients: int) -> Floats:
    """Sum of the images' values of each patient, float [patients]."""
    return np.bincount(patient, weights=values, minlength=patients).astype(np.float64)


# ---------------------------------------------------------------- scores of patients


def mean_replicates(values: Floats, weights: Floats) -> Floats:
    """Weighted mean over patients; patients without a value (NaN) are left out.

    Parameters
    ----------
    values
        float [patients].
    weights
        float [samples, patients].
    """
    known = np.isfinite(values)
    return ratio(weights @ np.where(known, values, 0.0), weights @ known.astype(np.float64))


# ---------------------------------------------------------------- helpers


def _blocks(weights: Floats) -> range:
    return range(0, len(weights), SAMPLES_PER_BLOCK)


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide element by element; NaN where the divisor is not above zero."""
    result: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return result


def mean_of_valid(stack: Floats) -> Floats:
    """Mean over axis 0 without NaN; NaN where nothing is left."""
    known = np.isfinite(stack)
    return ratio(np.where(known, stack, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))
