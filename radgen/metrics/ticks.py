"""Scores of a generator in training, by the encoder and not by the judge: they choose and warn, no more."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from radgen.features.network import FeatureNetwork
from radgen.gan.sampling import Sampler
from radgen.gan.scale import as_seen_at, enlarged_grey
from radgen.imageset.core import ImageSet
from radgen.metrics.collapse import NEIGHBOURS, Reference, collapse_line, variety
from radgen.metrics.distances import patient_numbers
from radgen.metrics.frechet import frechet_distance, moments


def tick_scorer(
    images: ImageSet,
    reference: NDArray[np.int64],
    shares: NDArray[np.float64],
    network: FeatureNetwork,
    *,
    count: int,
    warn: Callable[[str], None],
) -> Callable[[Sampler], dict[str, float]]:
    """Return the function that scores samples by the encoder's features, beside real images.

    Scores are the Frechet distance and, where the reference has patients enough, recall and the share of duplicates.

    Parameters
    ----------
    images, reference
        The real images that samples are compared with: positions int64 [n].
    shares
        Of each class among the samples, float64 [classes].
    network
        The domain encoder. Samples of a smaller stage are enlarged for it, and real images coarsened and enlarged.
    count
        Samples of all classes together; of each class at least one.
    warn
        Called with one sentence when samples vary too little.
    """
    size = network.shape.height
    patients = patient_numbers(images.column("patient")[reference])[0]
    real: dict[int, Reference] = {}

    def evaluate(sampler: Sampler) -> dict[str, float]:
        px = int(sampler.generator.shape.resolution)
        if px not in real:
            real[px] = Reference(network.features(as_seen_at(images.images(reference), px)), patients)
        # Of many classes each shows at least one sample, however few are asked for.
        counts = [max(1, round(share * count)) for share in shares]
        parts = [sampler.images(class_id, range(wanted)) for class_id, wanted in enumerate(counts)]
        features = network.features(enlarged_grey(np.concatenate(parts), size))
        scores = {"domain_fid": frechet_distance(*moments(real[px].features), *moments(features))}
        if real[px].says_enough and len(features) > NEIGHBOURS:
            scores |= variety(features, real[px])
            sentence = collapse_line(scores)
            if sentence is not None:
                warn(sentence)
        return scores

    return evaluate
