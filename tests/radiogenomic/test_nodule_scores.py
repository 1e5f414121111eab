"""Areas under curves, binomial bounds, measures of nodules and the audit of copies, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.radiogenomic.nodule_features import FEATURES, nodule_features
from radgen.radiogenomic.patient_audit import nearest_patient_audit
from radgen.radiogenomic.saliency_scores import area_under_roc, binomial_bounds


def test_area_under_roc_counts_pairs() -> None:
    rng = np.random.default_rng(2)
    scores, planted = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[planted] for b in scores[~planted]]
    assert area_under_roc(scores, planted) == pytest.approx(np.mean(pairs))
    assert area_under_roc(np.arange(10.0), np.arange(10) >= 7) == 1
    assert area_under_roc(np.zeros(10), np.arange(10) >= 7) == 0.5
    with pytest.raises(ValueError, match="for 0 planted and 10 other genes"):
        area_under_roc(np.arange(10.0), np.zeros(10, dtype=bool))


@pytest.mark.parametrize(("trials", "chance"), [(20, 0.05), (20, 0.5), (200, 0.05), (1, 0.05), (50, 0.0), (50, 1.0)])
def test_bounds_are_the_narrowest_with_small_tails(trials: int, chance: float) -> None:
    from scipy.stats import binom

    low, high = binomial_bounds(trials, chance)
    assert binom.cdf(low - 1, trials, chance) <= 0.005
    assert binom.sf(high, trials, chance) <= 0.005
    assert binom.cdf(low, trials, chance) > 0.005
    assert binom.sf(high - 1, trials, chance) > 0.005


def disk(radius_px: float, spikes: int = 0, size: int = 96) -> NDArray[np.float64]:
    """Cover of a disk or a star, its edge one pixel wide."""
    axis = np.arange(size) - (size - 1) / 2
    angle = np.arctan2(axis[:, None], axis)
    outline = radius_px * (1 + (0.35 * np.cos(spikes * angle) if spikes else 0.0))
    return np.clip(outline - np.hypot(axis, axis[:, None]) + 0.5, 0, 1)


def test_a_disk_is_measured_in_mm() -> None:
    cover = disk(20.0)[None]
    hu = np.where(cover > 0, 40.0, -850.0)
    found = dict(zip(FEATURES, nodule_features(hu, cover, np.array([0.5]))[0], strict=True))
    assert found["diameter_mm"] == pytest.approx(20, rel=0.01)
    assert found["area_mm2"] == pytest.approx(np.pi * 100, rel=0.01)
    assert found["mean_hu"] == pytest.approx(40)
    assert found["std_hu"] == pytest.approx(0, abs=1e-6)
    assert found["roundness"] == pytest.approx(1, abs=0.06)


def test_spicules_texture_and_partial_cover_show() -> None:
    rng = np.random.default_rng(0)
    covers = np.stack([disk(20), disk(20, spikes=9), disk(20) * 0.5])
    hu = np.zeros_like(covers)
    hu[1] = rng.normal(0, 30, hu[1].shape)
    plain, star, half = nodule_features(hu, covers, np.ones(3))
    round_, slope, spread = FEATURES.index("roundness"), FEATURES.index("gradient_hu_per_mm"), FEATURES.index("std_hu")
    assert star[round_] < 0.5 * plain[round_]
    assert star[slope] > 10
    assert star[spread] == pytest.approx(30, rel=0.1)
    assert half[0] == pytest.approx(plain[0] / 2)


def test_an_empty_mask_has_no_density() -> None:
    row = nodule_features(np.zeros((1, 8, 8)), np.zeros((1, 8, 8)), np.ones(1))[0]
    assert row[:2].tolist() == [0, 0]
    assert np.isnan(row[2:]).all()
    with pytest.raises(ValueError, match="cover from 0 to 255"):
        nodule_features(np.zeros((1, 8, 8)), np.full((1, 8, 8), 255.0) * np.eye(8), np.ones(1))


def test_copies_are_told_from_new_people() -> None:
    rng = np.random.default_rng(8)
    training, held_out, new = rng.normal(size=(300, 12)), rng.normal(size=(300, 12)), rng.normal(size=(400, 12))
    people = np.repeat(np.arange(60), 5)
    copied = training[::3] + 0.01 * rng.normal(size=(100, 12))
    audit = nearest_patient_audit(copied, people[::3], training, people, held_out)
    assert (audit.copies, audit.own) == (1.0, 1.0)
    assert audit.patient.tolist() == people[::3].tolist()
    audit = nearest_patient_audit(new, np.full(400, 99), training, people, held_out, quantile=0.05)
    assert audit.copies == pytest.approx(0.05, abs=0.04)
    assert np.isnan(audit.own)
    one = nearest_patient_audit(np.repeat(training[:1], 9, axis=0), people[:9], training, people, held_out)
    assert one.most_frequent == 1
    assert one.distance.tolist() == [0] * 9
    with pytest.raises(ValueError, match="the same features"):
        nearest_patient_audit(new[:, :3], np.full(400, 99), training, people, held_out)
