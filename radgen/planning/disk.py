"""Disk that a study's results and work take, from numbers of images and of weights."""

from __future__ import annotations

from collections import defaultdict

from radgen.planning.amounts import gan_images, semantic_labels
from radgen.planning.sets import Cohort, gene_count, made_by
from radgen.planning.steps import Weights, radiogenomic_weights, semantic_weights
from radgen.study import Study

MIB = 2**20
# Index, quality control and near-duplicate rows of one image, and its share of the side tables.
ROW_BYTES = 700
# Weights of the tiny networks of features, judge, annotator and heads, with their states; and figures.
SMALL_MIB = 120.0
# Files of one generator's size: published and last, two states of both networks with two moments each, and candidates.
GENERATOR_FILES = 2 + 2 * 2 * 3 + 4
BYTES_PER_WEIGHT = 4
# Saved states, each with the generator's average and three numbers to a weight that learns: itself and two moments.
STATES, NUMBERS = 2, 3
# Files of weights beside them: three of a semantic source in results and work, and two candidates; else one in each.
SEMANTIC_FILES, RADIOGENOMIC_FILES = 2 * 3 + 2, 2


def disk_mib(study: Study, cohort: Cohort, weights_per_generator: float = 2e6) -> dict[str, float]:
    """Return MiB of what stages leave behind, by stage; pairs with their drafts, which go when the pairs are there.

    Pixels lie uncompressed, one byte each, masks likewise. Small networks and figures stand under `report`.
    """
    config = study.config
    found: defaultdict[str, float] = defaultdict(float)
    found |= {"slices": cohort.slices * _slice_bytes(study), "report": SMALL_MIB * MIB}
    if config.has_genes:
        # Nodules with masks and healthy patches without, in results and in work.
        healthy = config.nodules.backgrounds_per_nodule / config.nodules.slices_per_nodule
        found["nodules"] = 2 * cohort.patches * (_patch_bytes(study, 2) + healthy * _patch_bytes(study, 1))
    for source in study.sources:
        for stage, size in _of_source(study, source, cohort, weights_per_generator).items():
            found[stage] += size
    return {stage: size / MIB for stage, size in found.items()}


def _of_source(study: Study, source: str, cohort: Cohort, weights_per_generator: float) -> dict[str, float]:
    """Return bytes by stage."""
    config, px, kind = study.config, study.config.slices.size_px, study.config.sources[source].kind
    made = made_by(study, source, cohort) or 0
    if kind == "semantic":
        weights = semantic_weights(study.semantic(source), px, semantic_labels(study, source))
        return {
            "semantic": _training_bytes(weights, SEMANTIC_FILES),
            "semantic-sample": made * _slice_bytes(study),
        }
    if kind == "radiogenomic":
        weights = radiogenomic_weights(config.radiogenomic, config.nodules.size_px, gene_count(study))
        return {
            "radiogenomic": _training_bytes(weights, RADIOGENOMIC_FILES),
            "radiogenomic-sample": made * _patch_bytes(study, 2),
        }
    if kind == "images":
        return {"images": made * _slice_bytes(study)}
    stages = len(gan_images(study))
    found = {
        "gan": stages * GENERATOR_FILES * BYTES_PER_WEIGHT * weights_per_generator,
        "sample": made * (px * px + ROW_BYTES),
    }
    if study.has_masks:
        found["pairs"] = made * _slice_bytes(study) * 2 / (1 - config.pairs.drop_fraction)
    return found


def _slice_bytes(study: Study) -> int:
    return study.config.slices.size_px**2 * (2 if study.has_masks else 1) + ROW_BYTES


def _patch_bytes(study: Study, planes: int) -> int:
    return planes * study.config.nodules.size_px**2 + ROW_BYTES


def _training_bytes(weights: Weights, files: int) -> float:
    states = STATES * (weights.generator + NUMBERS * weights.learning)
    return BYTES_PER_WEIGHT * (files * weights.generator + states)
