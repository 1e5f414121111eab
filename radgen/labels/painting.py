"""One block of pairs: drawn by the generator, painted by the ensemble, judged by it and by the encoder.

Pairs written to disk and pairs streamed into a training loop come from here, so that one image id is one pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.errors import CheckpointError
from radgen.features.network import FeatureNetwork, load_features
from radgen.gan.sampling import BLOCK_SIZE, Sampler
from radgen.labels.head import LabelHeads
from radgen.labels.masks import disagreement, masks_and_errors
from radgen.labels.settings import PairsSettings


@dataclass(frozen=True)
class PaintedBlock:
    """Sixteen pairs of one class.

    Attributes
    ----------
    images
        uint8 [16, C, H, W].
    masks
        uint8 [16, H, W] of label ids.
    seeds
        int64 [16].
    expected_errors
        1 - Dice that the heads expect of each mask, float64 [16] in [0, 1] (`radgen.labels.uncertainty`).
    class_probabilities
        What the classifier gives the class that was asked for, float64 [16]; NaN without a classifier.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    seeds: NDArray[np.int64]
    expected_errors: NDArray[np.float64]
    class_probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Painter:
    """Makes painted blocks; one block is a function of its class and number alone.

    Attributes
    ----------
    sampler
        The generator's samples.
    heads
        The ensemble, on the sampler's device.
    classifier
        The domain encoder with its class head, or None.
    """

    sampler: Sampler
    heads: LabelHeads
    classifier: FeatureNetwork | None = None

    def block(self, class_id: int, number: int) -> PaintedBlock:
        """Make pairs 16 * number to 16 * number + 15 of a class."""
        drawn = self.sampler.block(class_id, number, with_features=True)
        masks, errors = paint(self.heads, drawn.features, class_id)
        probabilities = np.full(BLOCK_SIZE, np.nan)
        if self.classifier is not None:
            probabilities = self.classifier.class_probabilities(drawn.images)[:, class_id].astype(np.float64)
        return PaintedBlock(drawn.images, masks, drawn.seeds, errors, probabilities)


def paint(
    heads: LabelHeads,
    features: dict[str, torch.Tensor],
    class_id: int,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Paint one block: masks uint8 [n, H, W] by the members' mean logits, and expected errors float64 [n]."""
    masks, errors = masks_and_errors(heads, features, _ids(features, class_id))
    return masks.cpu().numpy(), errors.double().cpu().numpy()


def doubt(heads: LabelHeads, features: dict[str, torch.Tensor], class_id: int) -> NDArray[np.float64]:
    """Return how far the members disagree on each image of a block: nats, float64 [n]."""
    return disagreement(heads, features, _ids(features, class_id)).double().cpu().numpy()


def _ids(features: dict[str, torch.Tensor], class_id: int) -> torch.Tensor:
    first = next(iter(features.values()))
    return torch.full((len(first),), class_id, dtype=torch.int64, device=first.device)


def load_classifier(
    encoder: Path, class_names: Sequence[str], pairs: PairsSettings, device: torch.device | str = "cpu"
) -> FeatureNetwork | None:
    """Open the domain encoder for its opinion on classes; None where nobody asks or it never saw a class label.

    Raises
    ------
    CheckpointError
        It cannot be read, or knows other classes than the generator.
    """
    if pairs.least_class_probability == 0:
        return None
    network = load_features(encoder, device)
    if not network.shape.has_classes:
        return None
    if network.class_names != tuple(class_names):
        msg = (
            f"{encoder}: knows the classes {', '.join(network.class_names)}, but the generator makes "
            f"{', '.join(class_names)}; give the encoder of the same study"
        )
        raise CheckpointError(msg)
    return network
