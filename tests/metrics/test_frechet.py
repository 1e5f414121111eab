"""The Frechet distance obeys its closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from radgen.errors import InputError
from radgen.metrics.frechet import frechet_between, frechet_distance, frechet_pulls, moments, too_few_images
from radgen.metrics.intervals import linear_interval


def _covariance(rng: np.random.Generator, dimension: int, rank: int) -> np.ndarray:
    factor = rng.standard_normal((dimension, rank))
    return factor @ factor.T / rank


def test_diagonal_gaussians_have_a_closed_form() -> None:
    rng = np.random.default_rng(0)
    mean1, mean2 = rng.standard_normal((2, 12))
    sd1, sd2 = rng.uniform(0.1, 3, (2, 12))
    expected = ((mean1 - mean2) ** 2).sum() + ((sd1 - sd2) ** 2).sum()
    assert frechet_distance(mean1, np.diag(sd1**2), mean2, np.diag(sd2**2)) == pytest.approx(expected)


@pytest.mark.parametrize("rank", [9, 40])
def test_equals_the_square_root_of_the_product(rank: int) -> None:
    rng = np.random.default_rng(rank)
    mean1, mean2 = rng.standard_normal((2, 9))
    cov1, cov2 = _covariance(rng, 9, rank), _covariance(rng, 9, rank)
    root = np.asarray(scipy.linalg.sqrtm(cov1 @ cov2)).real
    expected = ((mean1 - mean2) ** 2).sum() + np.trace(cov1 + cov2 - 2 * root)
    assert frechet_distance(mean1, cov1, mean2, cov2) == pytest.approx(expected, rel=1e-6)


def test_is_zero_on_itself_symmetric_and_defined_for_singular_covariances() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.standard_normal((5, 16)), rng.standard_normal((5, 16))
    assert frechet_between(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_between(one, two) == pytest.approx(frechet_between(two, one))
    assert frechet_between(one, two) > 1


def test_moments_agree_with_numpy_in_float64() -> None:
    features = (np.random.default_rng(4).standard_normal((500, 6)) + 1000).astype(np.float32)
    mean, covariance = moments(features)
    np.testing.assert_allclose(mean, features.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(covariance, np.cov(features.astype(np.float64), rowvar=False))


def _weighted(features: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = weights @ features / weights.sum()
    return mean, (features - mean).T * weights @ (features - mean) / weights.sum()


def test_pulls_are_derivatives_by_the_weights_of_images() -> None:
    rng = np.random.default_rng(5)
    one, two = rng.standard_normal((4_000, 5)), rng.standard_normal((3_000, 5)) @ rng.standard_normal((5, 5)) + 0.3
    pulls = frechet_pulls(one, two)
    whole = frechet_distance(*_weighted(one, np.ones(4_000)), *_weighted(two, np.ones(3_000)))
    for place, (features, pull) in enumerate(zip((one, two), pulls, strict=True)):
        assert pull.mean() == pytest.approx(0, abs=1e-9)
        for row in (0, int(pull.argmax()), int(pull.argmin())):
            weights = np.ones(len(features))
            weights[row] += 1e-5 * len(features)
            sides = [_weighted(one, np.ones(4_000)), _weighted(two, np.ones(3_000))]
            sides[place] = _weighted(features, weights)
            derivative = (frechet_distance(*sides[0], *sides[1]) - whole) / 1e-5
            assert derivative == pytest.approx(pull[row], rel=0.01, abs=0.01)


@pytest.mark.parametrize(("images", "dimension", "together"), [(600, 24, 6), (330, 300, 1)])
def test_pulls_add_up_to_the_spread_of_the_distance(images: int, dimension: int, together: int) -> None:
    # Of patients with six images each, and of hardly more images than dimensions.
    scale = np.linspace(0.2, 2, dimension)
    patients = np.arange(images) // together
    found, errors = [], []
    for number in range(16):
        rng = np.random.default_rng([9, number])
        one, two = (
            (
                0.8 * rng.standard_normal((images // together, dimension))[patients]
                + 0.6 * rng.standard_normal((images, dimension))
            )
            * scale
            for _ in range(2)
        )
        found.append(frechet_between(one, 1.2 * two + 0.3))
        if number < 4:
            pulls = frechet_pulls(one, 1.2 * two + 0.3)
            errors.append((linear_interval(found[-1], pulls, (patients, patients))[1] - found[-1]) / 1.96)
    assert 0.7 < np.mean(errors) / np.std(found, ddof=1) < 1.6


def test_directions_of_no_variance_pull_at_nothing() -> None:
    rng = np.random.default_rng(6)
    one, two = (np.pad(rng.standard_normal((50, 3)), [(0, 0), (0, 2)]) for _ in range(2))
    for flat, full in zip(frechet_pulls(one, two), frechet_pulls(one[:, :3], two[:, :3]), strict=True):
        np.testing.assert_allclose(flat, full, atol=1e-6)


def test_refusals_name_both_values() -> None:
    with pytest.raises(InputError, match=r"shape \(1, 4\), but moments need \[n, D\] with n >= 2"):
        moments(np.zeros((1, 4)))
    with pytest.raises(InputError, match="1 of 8 feature values are not finite"):
        moments(np.array([[0, 1, 2, np.nan], [1, 2, 3, 4]]))
    with pytest.raises(InputError, match=r"dimension \(3,\) and \(4,\)"):
        frechet_distance(np.zeros(3), np.eye(3), np.zeros(4), np.eye(4))


def test_ten_images_for_each_dimension_are_enough() -> None:
    assert too_few_images(320, 32) is None
    assert "319 images are fewer than 10 x 32" in str(too_few_images(319, 32))
