"""Bring one source's samples, the judge and the real image set together: all scores and the audit of one source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.cohort.settings import ClassSettings
from radgen.errors import CohortError
from radgen.features.embed import features_of
from radgen.features.network import FeatureNetwork
from radgen.features.rows import held_out_rows, with_class
from radgen.imageset.core import ImageSet
from radgen.metrics.audit import Queries, nearest_table
from radgen.metrics.class_agreement import class_rows
from radgen.metrics.distances import patient_numbers
from radgen.metrics.quality import Side, audit_rows, quality_rows, quality_table
from radgen.metrics.settings import MetricsSettings
from radgen.seeds import random_generator


@dataclass(frozen=True)
class RealSide:
    """The real images of a study as one source's samples meet them.

    Attributes
    ----------
    images
        The real image set.
    training
        Rows int64 the source learnt from: what a sample may be a copy of.
    held_out
        Validation and test rows int64: what scores are made against.
    unseen
        Training rows int64 of patients the judge never saw: the floor.
    """

    images: ImageSet
    training: NDArray[np.int64]
    held_out: NDArray[np.int64]
    unseen: NDArray[np.int64]

    @property
    def read(self) -> NDArray[np.int64]:
        """Every row that is read."""
        return np.unique(np.concatenate([self.training, self.held_out, self.unseen]))


def real_side(
    images: ImageSet, training: NDArray[np.int64], judge_saw: frozenset[str], classes: ClassSettings
) -> RealSide:
    """Find held-out and floor images.

    Raises
    ------
    CohortError
        One of them has no image.
    """
    patients = images.column("patient")
    train = with_class(images, images.rows_where(split="train"), classes)
    unseen = train[[patient not in judge_saw for patient in patients[train]]]
    held_out = held_out_rows(images, classes)
    if len(held_out) == 0 or len(unseen) == 0:
        msg = (
            f"{len(held_out)} held-out images and {len(unseen)} training images unseen by the judge, but scores need "
            "both; raise the shares of validation and test, or add patients"
        )
        raise CohortError(msg)
    return RealSide(images, training, held_out, unseen)


def score_source(
    source: str,
    synthetic: ImageSet,
    real: RealSide,
    judge: FeatureNetwork,
    settings: MetricsSettings,
) -> tuple[pa.Table, pa.Table]:
    """Score a source.

    Parameters
    ----------
    source
        Its name.
    synthetic
        Its samples.
    real
        From `real_side`.
    judge
        The judge.
    settings
        How much to compare.

    Returns
    -------
    quality, nearest
        Tables of QUALITY_SCHEMA and NEAREST_SCHEMA.
    """
    classes = judge.class_names
    everything = np.arange(len(synthetic))
    features = features_of(judge, synthetic, everything)
    held_out = _side(real.images, real.held_out, judge)
    samples = Side(features, synthetic.column("class_name"), patient_numbers(synthetic.column("patient"))[0])
    others = {"synthetic": samples, "floor": _side(real.images, real.unseen, judge)}
    rows = quality_rows(source, held_out, others, classes, settings)
    rows += class_rows(source, others, judge, classes)
    control = np.arange(len(held_out))
    if len(control) > settings.images:
        rng = random_generator("metrics", settings.seed, "control")
        control = np.sort(rng.choice(control, settings.images, replace=False))
    queries = [
        Queries("synthetic", synthetic, everything, features),
        Queries("control", real.images, real.held_out[control], held_out.features[control]),
    ]
    nearest = nearest_table(queries, real.images, real.training, judge)
    return quality_table([*rows, *audit_rows(source, nearest, classes, settings)]), nearest


def _side(images: ImageSet, rows: NDArray[np.int64], judge: FeatureNetwork) -> Side:
    return Side(
        features_of(judge, images, rows),
        images.column("class_name")[rows],
        patient_numbers(images.column("patient")[rows])[0],
    )
