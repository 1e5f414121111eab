"""Views stay images of the same thing; grades say what was done."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch

from radgen.features.grades import degrade, gaussian_blur
from radgen.features.settings import ViewSettings
from radgen.features.views import random_views

STILL = ViewSettings(shift=0, zoom=0, contrast=0, brightness=0, noise=0)


def _batch(count: int = 64) -> torch.Tensor:
    images = torch.full((count, 1, 32, 32), -1.0)
    images[:, :, 8:24, 4:12] = 0.3  # on the left
    return images


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_no_changes_leave_the_image() -> None:
    torch.testing.assert_close(random_views(_batch(), STILL, _generator()), _batch(), atol=1e-5, rtol=0)


def test_views_are_in_range_differ_and_depend_on_the_generator_alone() -> None:
    one = random_views(_batch(), ViewSettings(), _generator(1))
    assert one.min() >= -1
    assert one.max() <= 1
    assert not torch.equal(one[0], one[1])
    assert torch.equal(one, random_views(_batch(), ViewSettings(), _generator(1)))


def test_views_are_never_mirrored_and_shift_no_further_than_they_may() -> None:
    views = random_views(_batch(256), ViewSettings(shift=0.1, zoom=0, contrast=0, brightness=0, noise=0), _generator())
    grey = views + 1
    columns = (grey.sum(dim=2)[:, 0] * torch.arange(32)).sum(dim=1) / grey.sum(dim=(1, 2, 3))
    assert (columns - 7.5).abs().max() <= 3.2 + 0.1
    assert (columns - 7.5).abs().max() > 2


@pytest.mark.parametrize("sigma", [0.7, 2.0])
def test_blur_is_a_gaussian(sigma: float) -> None:
    image = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)
    blurred = gaussian_blur(torch.from_numpy(image)[None, None], torch.tensor([sigma]), sigma)[0, 0].numpy()
    expected = scipy.ndimage.gaussian_filter(image, sigma, mode="nearest", radius=int(np.ceil(3 * sigma)))
    np.testing.assert_allclose(blurred, expected, atol=1e-5)


def test_each_image_has_its_own_blur_and_zero_is_none() -> None:
    batch = _batch(2)
    blurred = gaussian_blur(batch, torch.tensor([0.0, 2.0]), 2.0)
    torch.testing.assert_close(blurred[0], batch[0])
    assert (blurred[1] - batch[1]).abs().max() > 0.3


def test_images_with_zero_grades_are_untouched_and_others_are_not() -> None:
    images, grades = degrade(_batch(400), ViewSettings(), _generator())
    changed = (images - _batch(400)).abs().amax(dim=(1, 2, 3)) > 1e-5
    untouched = (grades == 0).all(dim=1)
    assert 20 < int(untouched.sum()) < 90
    assert not changed[untouched].any()
    assert changed[grades[:, 1] > 0.01].all()
    assert float(grades[:, :2].min()) >= 0
    assert float(grades[:, 2].min()) < -0.5


def test_noise_grows_with_its_grade() -> None:
    settings = ViewSettings(grade_blur_px=0, grade_spot=0)
    images, grades = degrade(torch.zeros(300, 1, 32, 32), settings, _generator())
    deviation = images.std(dim=(1, 2, 3))
    torch.testing.assert_close(deviation, 0.2 * grades[:, 1], atol=0.01, rtol=0.1)
