"""From distances to "near copy": limits under which nearly no held-out real image falls, all comparisons together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

FOLDS = 5

Scores = Mapping[str, NDArray[np.float64]]  # by comparison: float64 [n], the smaller the more like a copy


def copy_limits(
    control: Scores, patients: NDArray[np.int64], ratios: Collection[str], false_alarms: float
) -> tuple[dict[str, float], float | None]:
    """Return a limit for each comparison, and the share of the control that lies below limits other patients set.

    A distance counts only where it is smaller than any of the control: absolute nearness is no copy yet, as common
    anatomy lies near many. Ratios share the false alarms, each giving the same number, as many as cross-validation over
    patients allows: images of one patient raise alarms together, so that limits fitted to all of them promise too much.

    Parameters
    ----------
    control, patients
        Scores and patient numbers int64 [n] of held-out real images.
    ratios
        Comparisons that score by ratio.
    false_alarms
        Share of held-out images that may be called copies.

    Returns
    -------
    limits, alarms
        `alarms` is None with one patient, who cannot be held out from others.
    """
    count = len(patients)
    for place in range(int(false_alarms * count), -1, -1):
        alarms = _held_out_alarms(control, patients, ratios, place)
        if place == 0 or alarms is None or alarms <= false_alarms:
            break
    return _at(control, ratios, place), alarms


def _at(control: Scores, ratios: Collection[str], place: int) -> dict[str, float]:
    """Return the control's smallest distance, and its ratio of this rank."""
    return {name: float(np.sort(scores)[place if name in ratios else 0]) for name, scores in control.items()}


def _held_out_alarms(control: Scores, patients: NDArray[np.int64], ratios: Collection[str], place: int) -> float | None:
    names = np.unique(patients)
    if len(names) < 2:
        return None
    called = np.zeros(len(patients), dtype=bool)
    folds = min(FOLDS, len(names))
    for fold in range(folds):
        mine = np.isin(patients, names[fold::folds])
        others = {name: scores[~mine] for name, scores in control.items()}
        limits = _at(others, ratios, place * int((~mine).sum()) // len(patients))
        called[mine] = below({name: scores[mine] for name, scores in control.items()}, limits)
    return float(called.mean())


def below(scores: Scores, limits: Mapping[str, float]) -> NDArray[np.bool_]:
    """Tell which images, bool [n], lie below the limit of any comparison."""
    called: NDArray[np.bool_] = np.logical_or.reduce([scores[name] < limit for name, limit in limits.items()])
    return called


def closeness(scores: Scores, limits: Mapping[str, float]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the smallest score in units of its limit, float64 [n], and which comparison it is, int64 [n].

    Below 1 is below a limit. A limit of 0 is never passed.
    """
    parts = [
        scores[name] / limit if limit > 0 else np.full(len(scores[name]), np.inf) for name, limit in limits.items()
    ]
    units = np.stack(parts)
    return units.min(axis=0), units.argmin(axis=0)
