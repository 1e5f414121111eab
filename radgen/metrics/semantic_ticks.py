"""Scores of a semantic generator in training, on validation maps: they choose weights and draw curves, no more.

The encoder and the annotator measure here; what is published is the judge's (`semantic_scores`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.features.embed import features_of
from radgen.features.network import FeatureNetwork
from radgen.gan.sampling import from_grey
from radgen.imageset.core import ImageSet
from radgen.labels.overlap import score_structures
from radgen.labels.segmenter import Segmenter, predict
from radgen.metrics.frechet import frechet_distance, moments
from radgen.semantic.maps.schema import MapSchema
from radgen.semantic.maps.surroundings import MapReader, Surroundings
from radgen.semantic.sampling import SemanticSampler
from radgen.semantic.scores import encoder_distance, psnr, rmse, sameness, ssim

VARIED_MAPS = 16  # maps of which several images are made
GREY_RANGE = 255.0
LEAST_IMAGES = 50  # fewer real images than this say too little about a distance


@dataclass(frozen=True, eq=False)
class Exam:
    """Held-out maps that are painted, and held-out images that the paintings are compared with.

    Attributes
    ----------
    maps, map_rows
        A set with masks and positions int64 [m].
    images, image_rows
        A set of images and positions int64 [n].
    paired
        Whether each map's own image is in `maps`.
    schema
        Of the maps.
    segmenter
        Names labels; it learnt from other patients.
    device
        Where the segmenter works.
    surroundings
        How background of the maps is told apart.
    """

    maps: ImageSet
    map_rows: NDArray[np.int64]
    images: ImageSet
    image_rows: NDArray[np.int64]
    paired: bool
    schema: MapSchema
    segmenter: Segmenter
    device: torch.device
    surroundings: Surroundings | None = None

    def classes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return maps as the generator sees them, int64 [n, H, W]."""
        return MapReader(self.maps, self.schema, self.surroundings).classes(rows)

    def painted(self, sampler: SemanticSampler) -> NDArray[np.uint8]:
        """Return one image of each map, uint8 [m, C, H, W]."""
        classes = self.classes(self.map_rows)
        names = self.maps.column("image_id")[self.map_rows]
        return np.concatenate([sampler.images(one, name, [0]) for one, name in zip(classes, names, strict=True)])

    def dice(self, images: NDArray[np.uint8], rows: NDArray[np.int64] | None = None) -> dict[str, float]:
        """Return the segmenter's Dice of each structure on images with the masks of these rows, by name."""
        truth = self.maps.masks(self.map_rows if rows is None else rows)
        found = predict(self.segmenter, images, self.device)
        scores = score_structures(found, truth, self.segmenter.shape.labels[1:])
        return {score.structure: score.dice for score in scores if score.n}

    def likeness(self, sampler: SemanticSampler, samples: int) -> list[float]:
        """Return the mean MS-SSIM between images of each of a few maps."""
        rows = self.map_rows[:: max(1, len(self.map_rows) // VARIED_MAPS)][:VARIED_MAPS]
        classes = self.classes(rows)
        names = self.maps.column("image_id")[rows]
        return [
            sameness(grey_tensor(sampler.images(one, name, range(samples))), data_range=GREY_RANGE)
            for one, name in zip(classes, names, strict=True)
        ]


def grey_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Return stored grey levels as float32, 0 to 255."""
    return torch.from_numpy(images).float()


def pair_scores(made: NDArray[np.uint8], real: NDArray[np.uint8], network: FeatureNetwork) -> dict[str, float]:
    """Compare images [n, C, H, W] with those that their maps were drawn on: means over pairs."""
    one, two = grey_tensor(made), grey_tensor(real)
    scores = {
        "psnr": float(psnr(one, two, data_range=GREY_RANGE).mean()),
        "rmse": float(rmse(one, two).mean()),
        "ssim": float(ssim(one, two, data_range=GREY_RANGE).mean()),
    }
    pairs = (from_grey(made, network.device), from_grey(real, network.device))
    return scores | {"encoder_distance": float(encoder_distance(network.module, *pairs).mean())}


def semantic_tick_scorer(
    exam: Exam, network: FeatureNetwork, *, samples_per_map: int
) -> Callable[[SemanticSampler], dict[str, float]]:
    """Return the function that scores a generator at a tick.

    Scores are `domain_fid` (the encoder's Frechet distance to real images), `dice` (mean over structures) and
    `dice_<structure>`, `ms_ssim` between images of one map, and where maps have their own images `psnr`, `rmse`, `ssim`
    (grey levels 0 to 255) and `encoder_distance`.
    """
    real = moments(features_of(network, exam.images, exam.image_rows)) if len(exam.image_rows) >= LEAST_IMAGES else None

    def evaluate(sampler: SemanticSampler) -> dict[str, float]:
        made = exam.painted(sampler)
        scores: dict[str, float] = {}
        if real is not None and len(made) > 1:
            scores["domain_fid"] = frechet_distance(*real, *moments(network.features(made)))
        found = exam.dice(made)
        scores |= {"dice": float(np.mean(list(found.values())))} if found else {}
        scores |= {f"dice_{name}": value for name, value in found.items()}
        scores["ms_ssim"] = float(np.mean(exam.likeness(sampler, samples_per_map)))
        if exam.paired:
            scores |= pair_scores(made, exam.maps.images(exam.map_rows), network)
        return scores

    return evaluate
