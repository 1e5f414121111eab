"""KID is unbiased and grows with the difference."""

from __future__ import annotations

import numpy as np
import pytest

from radgen.errors import InputError
from radgen.metrics.kid import kid, squared_mmd


def test_draws_of_one_distribution_average_to_zero_at_any_size() -> None:
    rng = np.random.default_rng(0)
    values = np.array([squared_mmd(*rng.standard_normal((2, 12, 4))) for _ in range(600)])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    assert values.min() < 0  # an estimate that cannot be negative is biased


def test_equals_the_double_sum() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((7, 3)) + 1

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 3 + 1) ** 3)

    within_x = np.mean([kernel(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    within_y = np.mean([kernel(y[i], y[j]) for i in range(7) for j in range(7) if i != j])
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert squared_mmd(x, y) == pytest.approx(within_x + within_y - 2 * across)


def test_grows_with_a_shift_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(2)
    real = rng.standard_normal((300, 8))
    found = [kid(real, rng.standard_normal((300, 8)) + shift, np.random.default_rng(3)) for shift in (0, 0.3, 1)]
    assert found[0].low < 0 < found[0].high
    assert found[1].low > found[0].value
    assert found[2].low > found[1].high
    assert all(each.low < each.value < each.high for each in found)


def test_the_same_generator_draws_the_same_subsets() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 50, 4))
    assert kid(x, y, np.random.default_rng(1)) == kid(x, y, np.random.default_rng(1))


def test_too_few_images_are_refused_with_both_numbers() -> None:
    with pytest.raises(InputError, match="at least 4 images of each side, but there are 3 and 9"):
        kid(np.zeros((3, 2)), np.zeros((9, 2)), np.random.default_rng(0))
