"""Which rows of the real image set a network may learn from, and which of them may show their class label."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import CohortError
from radgen.imageset.core import ImageSet, images_path, read_index
from radgen.provenance import SawPatients, by_split, input_digest
from radgen.seeds import stable_unit
from radgen.sources import SourceSettings

HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class TrainingRows:
    """Rows of an image set that teach a network.

    Attributes
    ----------
    pixels
        Positions int64 [n] of images that are shown.
    labelled
        Positions int64 [m] among them whose class may be used; empty where no class label may be.
    few_labels
        Whether the setting withholds class labels of some of the images shown.
    """

    pixels: NDArray[np.int64]
    labelled: NDArray[np.int64]
    few_labels: bool = False


def source_rows(images: ImageSet, source: SourceSettings, low: LowSettings, classes: ClassSettings) -> TrainingRows:
    """Return what a source may learn from, so that whatever guides it does not break its setting.

    A source on the low fraction sees the low patients alone; one of scarce labels sees all training pixels but class
    labels of the low patients only. Classes by position are no labels: nobody has to give them.

    Raises
    ------
    CohortError
        No image is left.
    """
    split = "generator" if source.train_on == "generator" else "train"
    pixels = images.rows_where(split=split)
    patients = images.column("patient")
    few = low_patients(patients[images.rows_where(split="train")].tolist(), low.fraction, low.seed)
    is_low = np.array([patient in few for patient in patients], dtype=bool)
    if source.train_on == "low":
        pixels = pixels[is_low[pixels]]
    if len(pixels) == 0:
        msg = f"{len(images)} images, but none of split {split!r} to learn from; see the rejects tables"
        raise CohortError(msg)
    labelled = with_class(images, pixels, classes)
    few_labels = source.setting == "scarce-labels" and classes.by != "position"
    if few_labels:
        labelled = labelled[is_low[labelled]]
    return TrainingRows(pixels, labelled, few_labels)


def judge_rows(images: ImageSet, classes: ClassSettings, seed: int) -> tuple[TrainingRows, NDArray[np.int64]]:
    """Split the training rows by patient: the half the judge learns from, and the half it never sees.

    Returns
    -------
    learnt, unseen
        The second is the real half that sets the floor of every score.

    Raises
    ------
    CohortError
        Fewer than two training patients.
    """
    train = images.rows_where(split="train")
    patients = images.column("patient")
    half = judge_patients(patients[train].tolist(), seed)
    learnt = train[[patient in half for patient in patients[train]]]
    unseen = train[[patient not in half for patient in patients[train]]]
    if len(learnt) == 0 or len(unseen) == 0:
        msg = (
            f"the judge needs 2 training patients, one to learn from and one for the floor, but there is {len(half)}; "
            "add patients or lower the shares of validation and test"
        )
        raise CohortError(msg)
    return TrainingRows(learnt, with_class(images, learnt, classes)), unseen


def judge_patients(patients: Iterable[str], seed: int) -> frozenset[str]:
    """Return the half of the patients, rounded up, that comes first by stable rank.

    >>> len(judge_patients(["a", "b", "c", "a"], seed=2))
    2
    """
    ranked = sorted(set(patients), key=lambda patient: (stable_unit("judge", seed, patient), patient))
    return frozenset(ranked[: math.ceil(len(ranked) / 2)])


def held_out_rows(images: ImageSet, classes: ClassSettings) -> NDArray[np.int64]:
    """Return the validation and test rows that have a class: the real side of every score."""
    return with_class(images, images.rows_where(split=HELD_OUT), classes)


def with_class(images: ImageSet, positions: NDArray[np.int64], classes: ClassSettings) -> NDArray[np.int64]:
    """Keep the rows whose class is one of the study's: a slice may be neither."""
    return positions[np.isin(images.column("class_name")[positions].astype(str), classes.names)]


def class_ids(images: ImageSet, positions: NDArray[np.int64], classes: ClassSettings) -> NDArray[np.int64]:
    """Return class ids int64 [n] by the order of the study's class names."""
    number = {name: place for place, name in enumerate(classes.names)}
    return np.array([number[name] for name in images.column("class_name")[positions]], dtype=np.int64)


def ancestry(images: ImageSet, rows: TrainingRows, classes: ClassSettings) -> SawPatients:
    """Return the patients whose pixels and class labels reached a network.

    Classes by position count as no label, nor does the class of a study that has one.
    """
    free = classes.by == "position" or len(classes.names) == 1
    return SawPatients(
        pixels=patients_of(images, rows.pixels), labels={} if free else patients_of(images, rows.labelled)
    )


def patients_of(images: ImageSet, positions: NDArray[np.int64]) -> dict[str, frozenset[str]]:
    """Return the patients of some rows by split, as `SawPatients` holds them."""
    split, patient = images.column("split")[positions], images.column("patient")[positions]
    return by_split(zip(split.tolist(), patient.tolist(), strict=True))


def pixel_digests(index: Path, name: str) -> dict[str, str]:
    """Return digests of an image set's index and of its pixels, shard by shard; masks are left out.

    An index can stay equal while a picture changes, and masks teach no feature network.
    """
    shards = sorted(set(read_index(index).column("shard").to_pylist()))
    pixels = {f"{name}/{shard}": input_digest(images_path(index.parent / shard)) for shard in shards}
    return {name: input_digest(index)} | pixels
