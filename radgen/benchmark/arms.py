"""Which images an arm trains on and chooses its state by, and how many patients' labels that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.benchmark.ancestry import Study
from radgen.benchmark.settings import HEADLINES, SEGMENTATION, ArmSettings
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import LowSettings
from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, by_split
from radgen.seeds import stable_unit

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Arm:
    """One arm of one task, resolved against a real image set.

    Attributes
    ----------
    name, task
        What the scores are filed under.
    settings
        The arm's row of the configuration.
    setting
        What the arm claims about its ancestry; None without synthetic images.
    real_fraction
        Share of the training patients, low resolved to its number.
    evaluation
        test, or development: patients of train and val that no network of this fold learns from.
    train, val, test
        Positions in the real image set, sorted.
    further
        Those of `train` that were annotated beyond the arm's own fraction.
    unlabelled
        Positions whose pixels alone are used; empty unless the method uses them.
    """

    name: str
    task: str
    settings: ArmSettings
    setting: str | None
    real_fraction: float
    evaluation: str
    train: Positions
    val: Positions
    test: Positions
    further: Positions
    unlabelled: Positions

    @property
    def painted(self) -> Positions:
        """Those of `train` whose masks the simulated annotator paints."""
        return self.further if self.settings.extra_real == "annotator_masks" else self.further[:0]

    @property
    def headline(self) -> bool:
        """Whether the arm may head a report: it has synthetic images, and their ancestry makes the test a fair one."""
        return self.settings.synthetic is not None and self.setting in HEADLINES

    def facts(self) -> dict[str, Any]:
        """Return what every table row tells about the arm, by column name."""
        return {
            "task": self.task,
            "arm": self.name,
            "setting": self.setting,
            "synthetic": self.settings.synthetic,
            "headline": self.headline,
            "on_curve": self.settings.on_curve,
            "rival": self.settings.is_rival,
            "extra_real": self.settings.extra_real,
            "method": self.settings.method,
            "schedule": self.settings.schedule,
            "augmentation": self.settings.augmentation,
            "evaluation": self.evaluation,
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


@dataclass(frozen=True)
class Fold:
    """One development fold: the `number`-th of `count`."""

    number: int
    count: int

    def patients(self, study: Study, seed: int) -> frozenset[str]:
        """Return the fold's patients: of train and val, without those of the low fraction, dealt by a stable rank.

        The low patients teach every arm, so they are never held out: a fold takes none of the few labels away.

        Raises
        ------
        CohortError
            There are fewer such patients than folds.
        """
        others = study.of("train", "val") - study.low
        if len(others) < self.count:
            msg = (
                f"{len(others)} patients of train and val lie outside the low fraction, too few for {self.count} "
                "development folds; lower low.fraction or benchmark.training.seeds, or set benchmark.sealed: false"
            )
            raise CohortError(msg)
        ranked = sorted(others, key=lambda patient: (stable_unit("development fold", seed, patient), patient))
        return frozenset(ranked[self.number :: self.count])


def resolve_arm(
    *,
    name: str,
    task: str,
    settings: ArmSettings,
    real: ImageSet,
    study: Study,
    low: LowSettings,
    fold: Fold | None = None,
) -> Arm:
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
    fold
        Its patients are scored instead of the test's, and nothing is learnt from them.

    Raises
    ------
    CohortError
        There is no training (of an arm without synthetic images), validation or test image, or too few further ones.
    """
    fraction = low.fraction if isinstance(settings.real_fraction, str) else float(settings.real_fraction)
    held = frozenset() if fold is None else fold.patients(study, low.seed)
    train = subset(study.by_split, "train", fraction + _extra_fraction(settings, study), low.seed) - held
    if settings.extra_real == "generator":
        train |= study.of("generator")
    # An arm without real training images still has to choose its state: it may do so as the low arm does.
    val = subset(study.by_split, "val", fraction or low.fraction, low.seed) - held
    rows = _positions(real, train, ("train", "generator"), task)
    extra = _further_images(name, settings, real, study.of("train") - train - held, task)
    tested = ("test",) if fold is None else ("train", "val")
    places = {
        "training": np.union1d(rows, extra),
        "validation": _positions(real, val, ("val",), task),
        "test": _positions(real, held if fold is not None else study.of("test"), tested, task),
    }
    for what, found in places.items():
        if len(found) == 0 and (what != "training" or settings.synthetic is None):
            msg = f"arm {name} of {task}: no {what} image with a label; raise its fraction or the cohort's shares"
            raise CohortError(msg)
    nothing = np.zeros(0, dtype=np.int64)
    used = study.of(settings.unlabelled) - held
    return Arm(
        name=name,
        task=task,
        settings=settings,
        setting=(settings.setting or "shared") if settings.synthetic is not None else None,  # the claim of least worth
        real_fraction=fraction,
        evaluation="test" if fold is None else "development",
        train=places["training"],
        val=places["validation"],
        test=places["test"],
        further=extra,
        unlabelled=nothing if settings.method == "supervised" else real.rows_where(patient=used),
    )


def _further_images(name: str, settings: ArmSettings, real: ImageSet, patients: frozenset[str], task: str) -> Positions:
    """Return as many images of further training patients as were annotated, spread evenly over all of them.

    Where a study has fewer, all of them; the label budget says how many.
    """
    if settings.extra_real not in {"annotated", "annotator_masks"}:
        return np.zeros(0, dtype=np.int64)
    rows, wanted = _positions(real, patients, ("train",), task), settings.annotated_images or 0
    if not wanted or not len(rows):
        msg = (
            f"arm {name} of {task}: {wanted} further training images are asked for and {len(rows)} are there; set "
            "annotated_images, or lower low.fraction so that training patients are left"
        )
        raise CohortError(msg)
    return spread(rows, wanted)


def spread(positions: Positions, most: int) -> Positions:
    """Return at most `most` positions, evenly spread over all of them.

    >>> spread(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).round().astype(np.int64)]


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

    `n_annotated_images` were annotated for this arm: synthetic ones, or further real ones.
    `n_annotator_patients` are the simulated annotator's; `n_borrowed_patients` are all further patients whose class
    labels (classification) or masks (segmentation) reached the arm through its synthetic images only.
    """

    n_train_patients: int
    n_train_images: int
    n_synthetic_images: int
    n_annotated_images: int
    n_unlabelled_images: int
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
        n_annotated_images=len(arm.further) or arm.settings.annotated_images or 0,
        n_unlabelled_images=len(arm.unlabelled),
        n_val_patients=len(val),
        n_annotator_patients=len(annotator),
        n_borrowed_patients=len(borrowed - train - val - annotator),
    )


def patients_used(arms: Sequence[Arm], real: ImageSet) -> SawPatients:
    """Return the ancestry that arms add themselves: who taught them, chose their state, was scored or lent pixels."""
    labelled = np.unique(np.concatenate([rows for arm in arms for rows in (arm.train, arm.val, arm.test)]))
    pixels = np.union1d(labelled, np.concatenate([arm.unlabelled for arm in arms]))

    def patients(rows: Positions) -> Mapping[str, frozenset[str]]:
        return by_split(zip(real.column("split")[rows], real.column("patient")[rows], strict=True))

    seen = patients(labelled)
    return SawPatients(pixels=patients(pixels), labels=seen, masks=seen if arms[0].task == SEGMENTATION else {})


@dataclass(frozen=True)
class ArmInputs:
    """Everything an arm is made of.

    Attributes
    ----------
    arms
        Which images, one for each network: all alike where the test is scored, fold by fold in development.
    seeds
        Of these networks.
    budget
        What the arm costs.
    real
        The real image set.
    synthetic
        Image sets by source, none for real arms; the k-th network of the study learns from the k-th of them.
    volumes
        Reference volumes of the test series; segmentation only.
    class_names, structures
        In the order of class ids, and of mask labels from 1.
    settings
        How networks are trained.
    annotator
        Weights of the simulated annotator where it paints real images.
    stream
        What online pairs are drawn from: generator, label head, manifest of the pairs, domain encoder.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    budget: LabelBudget
    real: ImageSet
    synthetic: Mapping[str, ImageSet]
    volumes: Sequence[Path]
    class_names: tuple[str, ...]
    structures: tuple[str, ...]
    settings: ArmTrainingSettings
    annotator: Path | None = None
    stream: tuple[Path, ...] = ()

    @property
    def arm(self) -> Arm:
        """Return the first network's arm, which tells what all have in common."""
        return self.arms[0]

    def source_of(self, seed: int) -> str | None:
        """Return the source that a network learns from."""
        names = list(self.synthetic)
        return names[(seed - self.settings.seed) % len(names)] if names else None
