"""What a class looks like to a feature network: its mean feature vector, with which class embeddings begin.

Source: Sauer et al. 2022, "StyleGAN-XL", section 3.3 (pretrained class embeddings).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.seeds import derive_seed

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
IMAGES_AT_ONCE = 4_096
GRID = 2.0**24  # features are rounded to 6e-8, so that sums in float64 are exact below 5e8, in whatever order
LEAST_SPREAD = 1e-6


def class_means(
    embed: Embed, images: ImageSet, rows: NDArray[np.int64], class_ids: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return the mean feature vector of each class; the order of rows does not change a bit of it.

    Parameters
    ----------
    embed
        Features float32 [n, D] of images uint8 [n, C, H, W], such as `FeatureNetwork.features`.
    images
        The image set.
    rows, class_ids
        Positions int64 [n] of the training images and their classes.
    classes
        Number of classes.

    Returns
    -------
    numpy.ndarray
        float64 [classes, D]. A class without rows has the mean of the others.

    Raises
    ------
    CohortError
        There are no rows.
    """
    if len(rows) == 0:
        msg = f"{images.folder}: no training rows to take class means of; check the source's train_on"
        raise CohortError(msg)
    sums: NDArray[np.float64] | None = None
    for start in range(0, len(rows), IMAGES_AT_ONCE):
        part = slice(start, start + IMAGES_AT_ONCE)
        features = np.rint(embed(images.images(rows[part])).astype(np.float64) * GRID) / GRID
        if sums is None:
            sums = np.zeros((classes, features.shape[1]))
        np.add.at(sums, class_ids[part], features)
    counts = np.bincount(class_ids, minlength=classes)[:, None]
    assert sums is not None  # noqa: S101 - there are rows
    means: NDArray[np.float64] = sums / np.maximum(counts, 1)
    present = counts[:, 0] > 0
    means[~present] = means[present].mean(axis=0)
    return means


def first_embeddings(classes: int, length: int, means: NDArray[np.float64] | None, seed: int) -> Tensor:
    """Return a table float32 [classes, D] to begin with: class means, centred and scaled to variance one.

    Without means, or where they do not differ, it is random normal, of `length` numbers a class.
    """
    if means is not None:
        centred = torch.from_numpy(means - means.mean(axis=0))
        spread = centred.square().mean().sqrt()
        if spread > LEAST_SPREAD:
            return (centred / spread).float()
        length = means.shape[1]
    random = torch.Generator().manual_seed(derive_seed("projected", seed, "embeddings"))
    return torch.randn(classes, length, generator=random)
