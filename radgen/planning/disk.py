"""Disk that a study's results and work take, from numbers of images and of weights."""

from __future__ import annotations

from radgen.planning.amounts import Cohort, gan_images, synthetic_images
from radgen.study import Study

MIB = 2**20
# Index, quality control and near-duplicate rows of one image, and its share of the side tables.
ROW_BYTES = 700
# Weights of the tiny networks of features, judge, annotator and heads, with their states; and figures.
SMALL_MIB = 120.0
# Files of one generator's size: published and last, two states of both networks with two moments each, and candidates.
GENERATOR_FILES = 2 + 2 * 2 * 3 + 4
BYTES_PER_WEIGHT = 4


def disk_mib(study: Study, cohort: Cohort, weights_per_generator: float = 2e6) -> dict[str, float]:
    """Return MiB of what stages leave behind, by stage; pairs with their drafts, which go when the pairs are there.

    Pixels lie uncompressed, one byte each, masks likewise. Small networks and figures stand under `report`.
    """
    px, sources = study.config.slices.size_px, len(study.sources_of("gan"))
    image = px * px * (2 if study.has_masks else 1) + ROW_BYTES
    found = {"slices": cohort.slices * image, "report": SMALL_MIB * MIB}
    if sources:
        made = sources * synthetic_images(study, cohort)
        stages = len(gan_images(study))
        found["gan"] = sources * stages * GENERATOR_FILES * BYTES_PER_WEIGHT * weights_per_generator
        found["sample"] = made * (px * px + ROW_BYTES)
        if study.has_masks:
            found["pairs"] = made * image * 2 / (1 - study.config.pairs.drop_fraction)
    return {stage: size / MIB for stage, size in found.items()}
