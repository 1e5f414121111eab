"""Bring one source's samples, the judge and the real image set together: all scores and the audit of one source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.cohort.settings import ClassSettings
from radgen.errors import CohortError
from radgen.features.network import FeatureNetwork
from radgen.features.rows import held_out_rows, with_class
from radgen.imageset.core import ImageSet
from radgen.metrics.audit import Queries, nearest_table
from radgen.metrics.class_agreement import class_rows
from radgen.metrics.distances import patient_numbers
from radgen.metrics.extractors import Extractor, extra_extractors, judge_extractor
from radgen.metrics.feature_tables import FeatureTables
from radgen.metrics.quality import Side, audit_rows, quality_rows, quality_table, signed
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
    images: ImageSet,
    training: NDArray[np.int64],
    judge_saw: frozenset[str],
    classes: ClassSettings,
    modalities: frozenset[str] = frozenset(),
) -> RealSide:
    """Find held-out and floor images.

    Parameters
    ----------
    images
        The real image set.
    training
        Rows int64 the source learnt from.
    judge_saw
        Patients the judge learnt from.
    classes
        Rows of other classes are left out.
    modalities
        What the samples are of: MR made on maps of CT is compared with MR. Empty: all rows count.

    Raises
    ------
    CohortError
        One of them has no image.
    """
    patients = images.column("patient")
    train = with_class(images, images.rows_where(split="train"), classes)
    unseen = train[[patient not in judge_saw for patient in patients[train]]]
    held_out = held_out_rows(images, classes)
    if modalities:
        unseen, held_out = (
            rows[np.isin(images.column("modality")[rows].astype(str), list(modalities))] for rows in (unseen, held_out)
        )
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
    *,
    tables: FeatureTables,
) -> tuple[pa.Table, pa.Table]:
    """Score a source by the judge, and by whatever else the study names.

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
    tables
        Where features are kept.

    Returns
    -------
    quality, nearest
        Tables of QUALITY_SCHEMA and NEAREST_SCHEMA.
    """
    classes = judge.class_names
    everything = np.arange(len(synthetic))
    extractor = judge_extractor(judge)
    held_out, others = _sides(extractor, synthetic, real, tables)
    rows = quality_rows(source, held_out, others, classes, settings)
    rows += class_rows(source, others, judge, classes)
    control = np.arange(len(held_out))
    if len(control) > settings.images:
        rng = random_generator("metrics", settings.seed, "control")
        control = np.sort(rng.choice(control, settings.images, replace=False))
    queries = [
        Queries("synthetic", synthetic, everything, others["synthetic"].features),
        Queries("control", real.images, real.held_out[control], held_out.features[control]),
    ]
    nearest = nearest_table(
        queries, real.images, real.training, np.asarray(tables.of(extractor, real.images.index)[real.training])
    )
    rows = signed([*rows, *audit_rows(source, nearest, classes, settings)], extractor)
    for extra in extra_extractors(settings, real.images.image_shape, judge.device):
        sides = _sides(extra, synthetic, real, tables)
        rows += signed(quality_rows(source, *sides, classes, settings, extractor=extra.name), extra)
    return quality_table(rows), nearest


def _sides(
    extractor: Extractor, synthetic: ImageSet, real: RealSide, tables: FeatureTables
) -> tuple[Side, dict[str, Side]]:
    """Return the held-out images, and samples and floor by role, with an extractor's features."""
    made, ours = tables.of(extractor, synthetic.index), tables.of(extractor, real.images.index)
    samples = _side(synthetic, np.arange(len(synthetic)), made)
    return _side(real.images, real.held_out, ours), {
        "synthetic": samples,
        "floor": _side(real.images, real.unseen, ours),
    }


def _side(images: ImageSet, rows: NDArray[np.int64], features: NDArray[np.float32]) -> Side:
    return Side(
        np.asarray(features[rows]),
        images.column("class_name")[rows],
        patient_numbers(images.column("patient")[rows])[0],
    )
