"""Small invented slices with masks, so that galleries can be looked at without an archive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radgen.seeds import random_generator

SIZE = 32


def body_slice(
    *seed: str | int, lesion: bool, size: int = SIZE, noise: float = 8.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an image uint8 [1, H, W] of a body and its mask uint8 [H, W] (1 liver, 2 spleen, 3 lesion)."""
    random = random_generator("pictures", *seed)
    rows, columns = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    width, height = random.uniform(0.75, 0.9), random.uniform(0.55, 0.7)

    def ellipse(x: float, y: float, a: float, b: float) -> NDArray[np.bool_]:
        return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1

    body = ellipse(0, 0, width, height)
    image = np.where(body, 96.0, 0.0)
    mask = np.zeros((size, size), np.uint8)
    organs = [(1, ellipse(-0.35, -0.05, 0.32, 0.38), 150.0), (2, ellipse(0.5, 0.1, 0.15, 0.24), 168.0)]
    if lesion:
        x, y = random.uniform(-0.5, -0.25), random.uniform(-0.2, 0.15)
        organs.append((3, ellipse(x, y, 0.1, 0.1), 110.0))
    for label, shape, grey in organs:
        image[shape & body] = grey
        mask[shape & body] = label
    image[ellipse(0, 0.35, 0.1, 0.12)] = 235.0
    image = image + random.normal(0, noise, image.shape) * body
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)[None], mask
