"""Scores of a generator in training, by the encoder and not by the judge: they choose and warn, no more."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from radgen.features.network import FeatureNetwork
from radgen.gan.sampling import Sampler
from radgen.gan.scale import as_seen_at, enlarged_grey
from radgen.imageset.core import ImageSet
from radgen.metrics.frechet import frechet_distance, moments


def tick_scorer(
    images: ImageSet, reference: NDArray[np.int64], shares: NDArray[np.float64], network: FeatureNetwork, count: int
) -> Callable[[Sampler], dict[str, float]]:
    """Return the function that scores samples: the Frechet distance in the encoder's features to real images.

    Parameters
    ----------
    images, reference
        The real images that samples are compared with: positions int64 [n].
    shares
        Of each class among the samples, float64 [classes].
    network
        The domain encoder. Samples of a smaller stage are enlarged for it, and real images coarsened and enlarged.
    count
        Samples of all classes together.
    """
    size = network.shape.height
    real: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def evaluate(sampler: Sampler) -> dict[str, float]:
        px = int(sampler.generator.shape.resolution)
        if px not in real:
            real[px] = moments(network.features(as_seen_at(images.images(reference), px)))
        parts = [sampler.images(class_id, range(round(share * count))) for class_id, share in enumerate(shares)]
        features = network.features(enlarged_grey(np.concatenate(parts), size))
        return {"domain_fid": frechet_distance(*real[px], *moments(features))}

    return evaluate
