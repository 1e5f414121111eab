"""The coupling test finds what is planted, and is uniform where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.radiogenomic.coupling import Coupling, coupling_test
from radgen.radiogenomic.saliency_scores import binomial_bounds


def trial(seed: int, patients: int, strength: float, draws: int = 3) -> tuple[NDArray[np.float64], ...]:
    """Images of patients whose trait shows on both sides by `strength`; the generated ones darker and less varied."""
    rng = np.random.default_rng(seed)
    trait = rng.normal(size=(patients, 2))
    who = np.repeat(np.arange(patients), draws)
    real = trait[who] + 0.5 * rng.normal(size=(len(who), 2))
    generated = 0.6 * strength * trait[who] - 4 + 0.5 * rng.normal(size=(len(who), 2))
    return generated, who, real, who


def run(seed: int, strength: float, **more: int) -> Coupling:
    return coupling_test(*trial(seed, 30, strength), seed=seed, **more)


def test_a_planted_coupling_is_found_although_levels_differ() -> None:
    found = run(1, strength=1.0)
    assert found.p_value < 0.001
    assert found.own < 0.7 * found.others
    assert (found.patients, found.permutations) == (30, 9999)


def test_p_values_are_uniform_where_genes_say_nothing() -> None:
    """200 trials: the share below any level lies within its binomial bounds, which narrow from 99 % for 5 levels."""
    p_values = np.array([run(seed, strength=0.0, permutations=199).p_value for seed in range(200)])
    for level in (0.05, 0.1, 0.25, 0.5, 0.9):
        low, high = binomial_bounds(200, level, 0.998)
        assert low <= (p_values <= level).sum() <= high


def test_shuffled_genes_of_a_coupled_cohort_show_nothing() -> None:
    generated, who, real, real_who = trial(4, 30, strength=1.0)
    small = 0
    for shuffle in range(20):
        other = np.random.default_rng(shuffle).permutation(30)
        small += coupling_test(generated, other[who], real, real_who, permutations=499, seed=shuffle).p_value < 0.05
    low, high = binomial_bounds(20, 0.05)
    assert low <= small <= high


def test_slices_of_one_patient_are_no_new_patients() -> None:
    """Repeating every image ten times must not make anything surer."""
    one = trial(7, 12, strength=0.3)
    ten = tuple(np.repeat(part, 10, axis=0) for part in one)
    first, second = coupling_test(*one), coupling_test(*ten)  # type: ignore[arg-type]
    assert first.p_value == pytest.approx(second.p_value, abs=1e-9)
    assert first.own == pytest.approx(second.own)


def test_scale_of_a_feature_and_order_of_images_do_not_matter() -> None:
    generated, who, real, real_who = trial(3, 20, strength=0.5)
    order = np.random.default_rng(0).permutation(len(who))
    scaled = coupling_test((generated * [1000, 1])[order], who[order], real * [1000, 1], real_who)
    plain = coupling_test(generated, who, real, real_who)
    assert scaled.p_value == pytest.approx(plain.p_value, abs=1e-3)
    assert scaled.own == pytest.approx(plain.own)


def test_an_exact_tie_counts_against_the_finding() -> None:
    """All generated images alike: every pairing is as near as the own one."""
    _, who, real, real_who = trial(3, 8, strength=0.0)
    assert coupling_test(np.zeros_like(real), who, real, real_who, permutations=99).p_value == 1.0


def test_what_cannot_be_tested_is_refused() -> None:
    generated, who, real, real_who = trial(1, 4, strength=1.0)
    with pytest.raises(ValueError, match="2 patients have generated and real images"):
        coupling_test(generated, who, real, real_who + 2)
    with pytest.raises(ValueError, match="none of 2 features varies"):
        coupling_test(generated, who, np.ones_like(real), real_who)
    real[0, 0] = np.nan
    with pytest.raises(ValueError, match="1 of 24 features are not finite"):
        coupling_test(generated, who, real, real_who)
