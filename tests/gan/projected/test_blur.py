"""The blur against a direct sum, and its schedule in images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from radgen.gan.projected.blur import blur, blur_sigma_px


def _direct(image: np.ndarray, sigma: float) -> np.ndarray:
    """Sum over a square of neighbours in float64, the border's grey level going on beyond it."""
    reach = math.ceil(3 * sigma)
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-(places[:, None] ** 2 + places[None, :] ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    height, width = image.shape
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            rows = np.clip(row + places, 0, height - 1)
            columns = np.clip(column + places, 0, width - 1)
            out[row, column] = (image[np.ix_(rows, columns)] * weights).sum()
    return out


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_blur_is_the_direct_sum(sigma: float) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 7, 9))
    blurred = blur(torch.from_numpy(images).float(), sigma)
    expected = np.stack([[_direct(channel, sigma) for channel in image] for image in images])
    np.testing.assert_allclose(blurred.numpy(), expected, atol=2e-6)


def test_a_blur_too_small_to_see_changes_nothing() -> None:
    images = torch.rand(1, 1, 4, 4)
    assert blur(images, 0.1) is images


def test_grey_levels_keep_their_mean_far_from_borders_and_gradients_pass() -> None:
    images = torch.zeros(1, 1, 17, 17, requires_grad=True)
    with torch.no_grad():
        images[0, 0, 8, 8] = 1.0
    blurred = blur(images, 1.5)
    assert blurred.sum().item() == pytest.approx(1.0, abs=1e-6)
    blurred[0, 0, 8, 8].backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    torch.testing.assert_close(images.grad, blurred.detach())  # the kernel is even


def test_blur_stays_exact_in_autocast() -> None:
    images = torch.rand(1, 1, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        blurred = blur(images, 1.0)
    assert torch.equal(blurred, blur(images, 1.0))


def test_the_blur_falls_on_a_line_and_ends() -> None:
    seen = [0, 25, 50, 100, 1000]
    assert [blur_sigma_px(number, start_px=2.0, images=100) for number in seen] == [2.0, 1.5, 1.0, 0.0, 0.0]
    assert blur_sigma_px(0, start_px=2.0, images=0) == 0
