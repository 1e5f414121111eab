"""Scores of predicted probabilities, each class against the rest, with patient-level replicates.

All take probability float [units, classes], truth bool [units, classes], the patient of each unit int [units] and
weights float [samples, patients], and return float [samples]: the mean over the classes that can be scored, NaN where
none can. A unit is an image, or a patient, who may have findings of several classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from radgen.benchmark.statistics import (
    SAMPLES_PER_BLOCK,
    Floats,
    Integers,
    auc_replicates,
    mean_of_valid,
    per_patient,
    ratio,
)

Flags = NDArray[np.bool_]
CALIBRATION_BINS = 10


def macro(
    one_class: Callable[[Floats, Flags, Integers, Floats], Floats],
    probability: Floats,
    truth: Flags,
    patient: Integers,
    weights: Floats,
) -> Floats:
    """Average a score of one class against the rest over all classes."""
    each = [one_class(probability[:, c], truth[:, c], patient, weights) for c in range(truth.shape[1])]
    return mean_of_valid(np.stack(each))


def auc(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    """Area under the ROC curve."""
    return macro(auc_replicates, probability, truth, patient, weights)


def average_precision(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    """Mean of the precision at each positive unit, ties taken together."""
    return macro(_average_precision, probability, truth, patient, weights)


def _average_precision(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    order = np.argsort(-probability, kind="stable")
    _, starts = np.unique(-probability[order], return_index=True)
    positive, column = truth[order], patient[order]
    blocks = []
    for start in range(0, len(weights), SAMPLES_PER_BLOCK):
        weight = weights[start : start + SAMPLES_PER_BLOCK, column]
        plus = np.add.reduceat(weight * positive, starts, axis=1)  # per distinct score, the highest first
        every = np.add.reduceat(weight, starts, axis=1)
        hits, found = plus.sum(axis=1), np.cumsum(every, axis=1)
        precision = ratio(np.cumsum(plus, axis=1), found)
        both_kinds = np.where(found[:, -1] > hits, hits, 0.0)
        blocks.append(ratio(np.where(plus > 0, plus * precision, 0.0).sum(axis=1), both_kinds))
    return np.concatenate(blocks)


def balanced_accuracy(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    """Mean over classes of the share of their units whose most probable class is right.

    Where a unit may have several classes, each is called at one half; sensitivity and specificity are averaged.
    """
    if (truth.sum(axis=1) == 1).all():
        called = np.arange(truth.shape[1]) == probability.argmax(axis=1)[:, None]
        return macro(_recall, called.astype(np.float64), truth, patient, weights)
    called = (probability >= 0.5).astype(np.float64)
    found = [macro(_recall, one, kind, patient, weights) for one, kind in ((called, truth), (1 - called, ~truth))]
    return (found[0] + found[1]) / 2


def _recall(called: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    count = weights.shape[1]
    return ratio(weights @ per_patient(truth * called, patient, count), weights @ per_patient(truth, patient, count))


def brier(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    """Mean squared difference of probability and truth. Source: Brier 1950, per class."""
    return macro(_brier, probability, truth, patient, weights)


def _brier(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    count = weights.shape[1]
    squares = weights @ per_patient((probability - truth) ** 2, patient, count)
    return ratio(squares, weights @ per_patient(np.ones(len(truth)), patient, count))


def calibration_error(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    """Expected calibration error: mean gap between probability and frequency over ten bins of equal width.

    Source: Naeini, Cooper and Hauskrecht 2015, equation 3, for each class. Bins of few units bias it upwards.
    """
    return macro(_calibration_error, probability, truth, patient, weights)


def _calibration_error(probability: Floats, truth: Flags, patient: Integers, weights: Floats) -> Floats:
    count = weights.shape[1]
    bins = np.minimum((probability * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.zeros((count, CALIBRATION_BINS))
    np.add.at(gaps, (patient, bins), truth - probability)
    total = weights @ per_patient(np.ones(len(truth)), patient, count)
    return ratio(np.abs(weights @ gaps).sum(axis=1), total)


def of_patients(probability: Floats, truth: Flags, patient: Integers, patients: int) -> tuple[Floats, Flags, Integers]:
    """Turn images into patients: who has a finding, and how probable it is.

    Where all images of every patient are of one class, that is the patient's, and its probability is their mean. Where
    they differ, as slices with and without a lesion do, a patient has a finding when any image has, and its probability
    is the largest. What most patients have, such as slices without a lesion, is then no finding and is left out.

    Parameters
    ----------
    probability, truth, patient
        Of images: float [seeds, images, classes], bool [images, classes], int [images].
    patients
        Their number.

    Returns
    -------
    probability, truth, classes
        float [seeds, patients, classes or findings], bool [patients, classes or findings], and the class of each
        column, int [classes or findings].
    """
    has = np.zeros((patients, truth.shape[1]), dtype=bool)
    np.logical_or.at(has, patient, truth)
    if (has.sum(axis=1) > 1).any():
        largest = np.full((len(probability), *has.shape), -np.inf)
        for network, values in zip(largest, probability, strict=True):
            np.maximum.at(network, patient, values)
        findings = np.flatnonzero(np.arange(has.shape[1]) != has.sum(axis=0).argmax())
        return largest[:, :, findings], has[:, findings], findings
    totals = np.zeros((len(probability), *has.shape))
    for network, values in zip(totals, probability, strict=True):
        np.add.at(network, patient, values)
    return totals / np.bincount(patient, minlength=patients)[None, :, None], has, np.arange(has.shape[1])
