"""Features of many stored images in bounded memory, and a linear class probe on frozen features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.features.network import BLOCK, FeatureNetwork
from radgen.imageset.core import ImageSet

IMAGES_AT_ONCE = 64 * BLOCK
PROBE_STEPS = 200
PROBE_DECAY = 1e-2


def features_of(network: FeatureNetwork, images: ImageSet, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return features float32 [n, D] of stored images, at most 4,096 of them in memory at once."""
    return _in_parts(network.features, images, positions, network.dimension)


def probabilities_of(network: FeatureNetwork, images: ImageSet, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return class probabilities float32 [n, K] of stored images, at most 4,096 of them in memory at once."""
    return _in_parts(network.class_probabilities, images, positions, len(network.class_names))


def _in_parts(
    ask: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    images: ImageSet,
    positions: NDArray[np.int64],
    columns: int,
) -> NDArray[np.float32]:
    out = np.empty((len(positions), columns), dtype=np.float32)
    for start in range(0, len(positions), IMAGES_AT_ONCE):
        part = positions[start : start + IMAGES_AT_ONCE]
        out[start : start + len(part)] = ask(images.images(part))
    return out


def fit_probe(features: NDArray[np.float32], class_ids: NDArray[np.int64], classes: int) -> nn.Linear:
    """Fit a ridge-penalised logistic regression in float64, every class weighing the same.

    Parameters
    ----------
    features
        float32 [n, D], standardised.
    class_ids
        int64 [n] in 0 .. classes - 1.
    classes
        Number of classes.

    Returns
    -------
    torch.nn.Linear
        float32 map from D features to class logits.
    """
    x, y = torch.from_numpy(features).double(), torch.from_numpy(class_ids)
    counts = torch.bincount(y, minlength=classes).double()
    weights = torch.where(counts > 0, 1 / counts.clamp(min=1), 0)[y]
    weights = weights / weights.sum()
    probe = nn.Linear(features.shape[1], classes).double()
    nn.init.zeros_(probe.weight)
    nn.init.zeros_(probe.bias)
    optimiser = torch.optim.LBFGS(probe.parameters(), max_iter=PROBE_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = F.cross_entropy(probe(x), y, reduction="none")
        loss: Tensor = (losses * weights).sum() + PROBE_DECAY * probe.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return probe.float()


def accuracies(probabilities: NDArray[np.float32], class_ids: NDArray[np.int64]) -> tuple[float, float]:
    """Return the accuracy, and the accuracy averaged over the classes that occur."""
    right = probabilities.argmax(axis=1) == class_ids
    per_class = [float(right[class_ids == number].mean()) for number in np.unique(class_ids)]
    return float(right.mean()), float(np.mean(per_class))
