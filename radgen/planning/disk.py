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
    """Return MiB of the real image set, of synthetic ones, and of weights and states.

    Pixels lie uncompressed, one byte each, masks likewise.
    """
    px, sources = study.config.slices.size_px, len(study.sources)
    image = px * px * (2 if study.has_masks else 1) + ROW_BYTES
    made = synthetic_images(study, cohort)
    drafts = 2 / (1 - study.config.pairs.drop_fraction) if study.has_masks else 0.0  # drafts, and what is kept
    synthetic = made * (px * px + ROW_BYTES) + made * drafts * image
    stages = len(gan_images(study)) if sources else 0
    weights = GENERATOR_FILES * BYTES_PER_WEIGHT * weights_per_generator * stages
    return {
        "real images": cohort.slices * image / MIB,
        "synthetic images": sources * synthetic / MIB,
        "weights and states": SMALL_MIB + sources * weights / MIB,
    }
