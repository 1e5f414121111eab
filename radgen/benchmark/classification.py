"""Classification: a small residual network, validated by AUC, tested image by image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from radgen.benchmark.arms import spread
from radgen.benchmark.batches import Batch, Unlabelled, class_ids
from radgen.benchmark.methods import EMBEDDING, contrast
from radgen.benchmark.networks import classifier
from radgen.benchmark.probabilities import auc
from radgen.benchmark.train import Pretext, logits_in_blocks
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.imageset.core import ImageSet


class Classification:
    """The classification task of one arm.

    Parameters
    ----------
    real
        The study's real image set.
    val
        Positions of the arm's own validation images.
    class_names
        In the order of class ids.
    settings
        Widths of the network.
    """

    def __init__(
        self, real: ImageSet, val: NDArray[np.int64], class_names: tuple[str, ...], settings: ArmTrainingSettings
    ) -> None:
        self._real, self._names, self._settings = real, class_names, settings
        self._val = spread(val, settings.val_images)
        self._classes = class_ids(real)
        self.learning_rate = settings.classifier_learning_rate
        self.batch_size = settings.classifier_batch_size

    def network(self, seed: int, outputs: int | None = None) -> nn.Module:
        """Return a fresh network."""
        return classifier(
            name=self._settings.classifier,
            channels=self._real.image_shape[0],
            classes=outputs or len(self._names),
            widths=self._settings.classifier_channels,
            seed=seed,
        )

    def pretext(self, unlabelled: Unlabelled, seed: int, device: torch.device) -> Pretext:
        """Return what the network may learn without labels: to tell two views of one image from other images."""
        del seed

        def loss(network: nn.Module, step: int) -> Tensor:
            one, two = unlabelled.views(step, device, same_place=False)
            return contrast(network(one), network(two))

        return Pretext(EMBEDDING, loss)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of a batch."""
        return F.cross_entropy(logits, batch.classes)

    def validate(self, network: nn.Module, device: torch.device) -> tuple[float, float]:
        """Return macro AUC (NaN when only one class is there) and cross-entropy on the validation images."""
        logits = logits_in_blocks(network, self._real, self._val, device)
        actual = self._classes[self._val]
        loss = float(F.cross_entropy(logits, torch.from_numpy(actual)))
        alone = np.zeros(len(actual), dtype=np.int64)  # one weight for all: the plain score
        truth = actual[:, None] == np.arange(len(self._names))
        score = auc(_probability(logits), truth, alone, np.ones((1, 1)))
        return float(score[0]), loss

    def test_rows(self, network: nn.Module, test: NDArray[np.int64], device: torch.device) -> list[dict[str, Any]]:
        """Return one row per test image and class: probability, and truth 1 for the image's own class."""
        probability = _probability(logits_in_blocks(network, self._real, test, device))
        table = self._real.table.select(["patient", "series", "image_id"]).take(test).to_pylist()
        return [
            row | {"structure": name, "metric": "probability", "probability": float(p), "truth": int(actual == number)}
            for row, ps, actual in zip(table, probability, self._classes[test], strict=True)
            for number, (name, p) in enumerate(zip(self._names, ps, strict=True))
        ]


def _probability(logits: Tensor) -> NDArray[np.float64]:
    return np.asarray(torch.softmax(logits.double(), dim=1).numpy())
