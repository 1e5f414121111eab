"""A trial: the same study on a few patients with small budgets, so that a report stands within minutes."""

from __future__ import annotations

from dataclasses import replace

from radgen.config import StudyConfig

# Budgets of a trial, in images or steps: enough to see every stage work, far too few for a result.
ENCODER_IMAGES = 1_024
GAN_IMAGES = 1_024
ANNOTATOR_IMAGES = 1_024
ANNOTATED_IMAGES = 8
HEAD_IMAGES = 128
SYNTHETIC_PER_CLASS = 48
ARM_STEPS = 20
NODULE_EPOCHS = 4
LEAST_LOW = 2 / 3
"""Share of a handful of patients that the low arm gets: one of them alone may lack a class."""


def trial_of(config: StudyConfig) -> StudyConfig:
    """Shrink every budget of a study; nothing a trial shows is a result, and its report says TRIAL."""
    patients = config.limit.patients or 0
    phantom = config.phantom and replace(config.phantom, patients=max(2 * patients, 16), broken_files=0)
    nodules = config.radiogenomic_phantom and replace(
        config.radiogenomic_phantom, patients=max(2 * patients, 16), without_rna=1, rna_alone=1
    )
    return replace(
        config,
        phantom=phantom,
        radiogenomic_phantom=nodules,
        cohort=replace(
            config.cohort,
            min_patients=1,
            min_images=1,
            max_refused_fraction=max(config.cohort.max_refused_fraction, 0.1),
        ),
        low=replace(config.low, fraction=max(config.low.fraction, LEAST_LOW)),
        encoder=replace(config.encoder, images=ENCODER_IMAGES),
        judge=replace(config.judge, images=ENCODER_IMAGES, check_images=256),
        gan=replace(
            config.gan,
            images=GAN_IMAGES,
            tick_images=GAN_IMAGES // 2,
            save_every_images=GAN_IMAGES // 2,
            evaluate_images=64,
        ),
        semantic=replace(
            config.semantic,
            images=GAN_IMAGES,
            tick_images=GAN_IMAGES // 2,
            save_every_images=GAN_IMAGES // 2,
            evaluate_maps=16,
            samples_per_map=2,
        ),
        semantic_sample=replace(config.semantic_sample, most_maps=SYNTHETIC_PER_CLASS),
        annotator=replace(config.annotator, images=ANNOTATOR_IMAGES),
        annotation=replace(config.annotation, count=ANNOTATED_IMAGES, candidates_per_class=32),
        labels=replace(config.labels, images=HEAD_IMAGES, teacher_images=HEAD_IMAGES),
        annotation_curve=replace(
            config.annotation_curve,
            counts=(1, 4),
            held_out=ANNOTATED_IMAGES,
            head_images=HEAD_IMAGES,
            pairs_per_class=SYNTHETIC_PER_CLASS,
            segmenter_images=HEAD_IMAGES,
            bootstrap_samples=100,
        ),
        sample=replace(
            config.sample,
            match=None,
            counts=dict.fromkeys(config.classes.names, SYNTHETIC_PER_CLASS),
            rows_per_shard=256,
        ),
        radiogenomic=replace(config.radiogenomic, ep=NODULE_EPOCHS, save_interval=NODULE_EPOCHS),
        radiogenomic_scores=replace(
            config.radiogenomic_scores,
            permutations=199,
            bootstrap_samples=100,
            segmenter=replace(config.radiogenomic_scores.segmenter, images=HEAD_IMAGES),
        ),
        survival=replace(config.survival, folds=2, repeats=1, bootstrap_samples=100),
        benchmark=replace(
            config.benchmark,
            curve_fractions=(),
            # Too few patients for development folds, and steps that teach nothing about anybody's test.
            sealed=False,
            annotated_arm=False,
            rivals=(),
            training=replace(config.benchmark.training, max_steps=ARM_STEPS, eval_every=ARM_STEPS // 2),
            summary=replace(config.benchmark.summary, bootstrap_samples=100),
        ),
    )
