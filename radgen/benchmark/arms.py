"""Which images an arm trains on and chooses its state by, and how many patients' labels that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.benchmark.ancestry import Study
from radgen.benchmark.settings import HEADLINES, SEGMENTATION, ArmSettings, ArmTrainingSettings
from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import LowSettings
from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, by_split

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Arm:
    """One arm of one task, resolved against a real image set.

    Attributes
    ----------
    name, task
        What the scores are filed under.
    setting
        What the arm claims about its ancestry; None without synthetic images.
    synthetic
        Name of its source, or None.
    real_fraction
        Share of the training patients, low resolved to its number.
    train, val, test
        Positions in the real image set, sorted.
    """

    name: str
    task: str
    setting: str | None
    synthetic: str | None
    real_fraction: float
    train: Positions
    val: Positions
    test: Positions

    @property
    def headline(self) -> bool:
        """Whether the arm may head a report: it has synthetic images, and their ancestry makes the test a fair one."""
        return self.synthetic is not None and self.setting in HEADLINES

    def facts(self) -> dict[str, Any]:
        """Return what every table row tells about the arm, by column name."""
        return {
            "task": self.task,
            "arm": self.name,
            "setting": self.setting,
            "synthetic": self.synthetic,
            "headline": self.headline,
            "real_fraction": self.real_fraction,
        }


def study_of(real: ImageSet, low: LowSettings, *, free_labels: bool) -> Study:
    """Return the patients of a real image set by split, and those of the low fraction."""
    splits = by_split(zip(real.column("split"), real.column("patient"), strict=True))
    chosen = subset(splits, "train", low.fraction, low.seed) | subset(splits, "val", low.fraction, low.seed)
    return Study(by_split=splits, low=chosen, free_labels=free_labels)


def subset(splits: Mapping[str, frozenset[str]], split: str, fraction: float, seed: int) -> frozenset[str]:
    """Return a nested fraction of a split's patients; none of a fraction of 0."""
    return low_patients(splits.get(split, frozenset()), fraction, seed) if fraction > 0 else frozenset()


def resolve_arm(*, name: str, task: str, settings: ArmSettings, real: ImageSet, study: Study, low: LowSettings) -> Arm:
    """Choose the images of an arm.

    Parameters
    ----------
    name, task, settings
        The arm.
    real
        The real image set of the study.
    study
        From `study_of`.
    low
        The study's low fraction and the seed of the nested ranking.

    Raises
    ------
    CohortError
        There is no training (of an arm without synthetic images), validation or test image.
    """
    fraction = low.fraction if isinstance(settings.real_fraction, str) else float(settings.real_fraction)
    train = subset(study.by_split, "train", fraction + _extra_fraction(settings, study), low.seed)
    if settings.extra_real == "generator":
        train |= study.of("generator")
    # An arm without real training images still has to choose its state: it may do so as the low arm does.
    val = subset(study.by_split, "val", fraction or low.fraction, low.seed)
    places = {
        "training": _positions(real, train, ("train", "generator"), task),
        "validation": _positions(real, val, ("val",), task),
        "test": _positions(real, study.of("test"), ("test",), task),
    }
    for what, found in places.items():
        if len(found) == 0 and (what != "training" or settings.synthetic is None):
            msg = f"arm {name} of {task}: no {what} image with a label; raise its fraction or the cohort's shares"
            raise CohortError(msg)
    setting = (settings.setting or "shared") if settings.synthetic is not None else None  # the claim of least worth
    return Arm(name, task, setting, settings.synthetic, fraction, *places.values())


def _extra_fraction(settings: ArmSettings, study: Study) -> float:
    if settings.extra_real != "annotator" or not study.of("train"):
        return 0.0
    return len(study.of("annotator")) / len(study.of("train"))


def _positions(real: ImageSet, patients: frozenset[str], splits: tuple[str, ...], task: str) -> Positions:
    rows = real.rows_where(patient=patients, split=splits)
    return rows if task == SEGMENTATION else rows[real.column("class_name")[rows] != None]  # noqa: E711 - elementwise


# ---------------------------------------------------------------- label budget


@dataclass(frozen=True)
class LabelBudget:
    """How many images an arm learns from, and how many patients' labels it costs.

    `n_annotator_patients` are the simulated annotator's; `n_borrowed_patients` are all further patients whose class
    labels (classification) or masks (segmentation) reached the arm through its synthetic images only.
    """

    n_train_patients: int
    n_train_images: int
    n_synthetic_images: int
    n_val_patients: int
    n_annotator_patients: int
    n_borrowed_patients: int

    def to_dict(self) -> dict[str, int]:
        """Return the numbers by column name."""
        return asdict(self)


def label_budget(arm: Arm, real: ImageSet, synthetic_images: int, saw: SawPatients, study: Study) -> LabelBudget:
    """Count the images and patients behind an arm; `saw` is the ancestry of its synthetic images."""
    patient = real.column("patient")
    train, val = frozenset(patient[arm.train]), frozenset(patient[arm.val])
    borrowed = saw.patients("masks" if arm.task == SEGMENTATION else "labels")
    annotator = saw.patients("masks") & study.of("annotator")
    return LabelBudget(
        n_train_patients=len(train),
        n_train_images=len(arm.train),
        n_synthetic_images=synthetic_images,
        n_val_patients=len(val),
        n_annotator_patients=len(annotator),
        n_borrowed_patients=len(borrowed - train - val - annotator),
    )


def patients_used(arm: Arm, real: ImageSet) -> SawPatients:
    """Return the ancestry an arm adds itself: the patients it trained on, chose its state by and was tested on."""
    positions = np.concatenate([arm.train, arm.val, arm.test])
    seen = by_split(zip(real.column("split")[positions], real.column("patient")[positions], strict=True))
    masks = seen if arm.task == SEGMENTATION else {}
    return SawPatients(pixels=seen, labels=seen, masks=masks)


@dataclass(frozen=True)
class ArmInputs:
    """Everything an arm is made of.

    Attributes
    ----------
    arm, budget
        Which images, and what they cost.
    real, synthetic
        Image sets; synthetic is None for real arms.
    volumes
        Reference volumes of the test series; segmentation only.
    class_names, structures
        In the order of class ids, and of mask labels from 1.
    settings
        How networks are trained.
    """

    arm: Arm
    budget: LabelBudget
    real: ImageSet
    synthetic: ImageSet | None
    volumes: Sequence[Path]
    class_names: tuple[str, ...]
    structures: tuple[str, ...]
    settings: ArmTrainingSettings
