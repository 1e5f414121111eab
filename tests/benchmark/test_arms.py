"""Which patients and images an arm gets, and what they cost."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from radgen.benchmark.arms import Arm, label_budget, patients_used, resolve_arm, study_of
from radgen.benchmark.settings import ArmSettings, BenchmarkSettings, SummarySettings, arm_table
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cohort.settings import LowSettings
from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients
from tests.benchmark.toys import SLICES, write_real

LOW = LowSettings(fraction=0.25)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return ImageSet(write_real(tmp_path_factory.mktemp("real"))[0])


def resolve(real: ImageSet, settings: ArmSettings, task: str = "classification", low: LowSettings = LOW) -> Arm:
    study = study_of(real, low, free_labels=False)
    return resolve_arm(name="arm", task=task, settings=settings, real=real, study=study, low=low)


def patients(real: ImageSet, arm: Arm, part: str) -> set[str]:
    return set(real.column("patient")[getattr(arm, part)])


def test_fractions_are_nested_and_keep_all_images_of_a_patient(real: ImageSet) -> None:
    found = [resolve(real, ArmSettings(real_fraction=fraction)) for fraction in (0.125, 0.25, 0.5, 1.0)]
    sets = [patients(real, arm, "train") for arm in found]
    assert [len(one) for one in sets] == [1, 2, 4, 8]
    assert all(small < large for small, large in itertools.pairwise(sets))
    assert all(len(arm.train) == SLICES * len(one) for arm, one in zip(found, sets, strict=True))


def test_state_is_chosen_by_validation_patients_of_the_same_fraction(real: ImageSet) -> None:
    assert len(patients(real, resolve(real, ArmSettings(real_fraction=1.0)), "val")) == 4
    assert len(patients(real, resolve(real, ArmSettings(real_fraction=0.5)), "val")) == 2
    low = patients(real, resolve(real, ArmSettings()), "val")
    assert len(low) == 1
    only = resolve(real, ArmSettings(real_fraction=0, synthetic="main"))
    assert len(only.train) == 0
    assert patients(real, only, "val") == low


def test_every_arm_is_tested_on_the_same_images(real: ImageSet) -> None:
    tables = [ArmSettings(), ArmSettings(real_fraction=1.0), ArmSettings(real_fraction=0, synthetic="main")]
    tests = [resolve(real, settings).test.tolist() for settings in tables]
    assert tests[0] == tests[1] == tests[2]
    assert len(tests[0]) == 4 * SLICES


def test_generator_images_raise_the_ceiling(real: ImageSet) -> None:
    ceiling = patients(real, resolve(real, ArmSettings(extra_real="generator")), "train")
    assert ceiling == patients(real, resolve(real, ArmSettings()), "train") | {f"generator-{n}" for n in range(3)}


def test_budget_arm_gets_as_many_more_patients_as_the_annotator_had(real: ImageSet) -> None:
    low = patients(real, resolve(real, ArmSettings()), "train")
    budget = patients(real, resolve(real, ArmSettings(extra_real="annotator")), "train")
    assert low < budget
    assert len(budget) == len(low) + 2
    assert all(name.startswith("train-") for name in budget)


def test_annotator_and_generator_patients_train_no_other_arm(real: ImageSet) -> None:
    full = patients(real, resolve(real, ArmSettings(real_fraction=1.0)), "train")
    assert all(name.startswith("train-") for name in full)


def test_budget_counts_annotator_and_borrowed_patients_once(real: ImageSet) -> None:
    arm = resolve(real, ArmSettings(synthetic="main"), task="segmentation")
    own = patients(real, arm, "train")
    other = next(name for name in (f"train-{n}" for n in range(8)) if name not in own)
    masks = {"train": frozenset(own | {other}), "annotator": frozenset({"annotator-0", "annotator-1"})}
    budget = label_budget(arm, real, 24, SawPatients(masks=masks), study_of(real, LOW, free_labels=False))
    assert (budget.n_train_patients, budget.n_val_patients) == (2, 1)
    assert (budget.n_annotator_patients, budget.n_borrowed_patients) == (2, 1)
    assert (budget.n_train_images, budget.n_synthetic_images) == (2 * SLICES, 24)


def test_class_labels_are_borrowed_in_classification(real: ImageSet) -> None:
    arm = resolve(real, ArmSettings(synthetic="main"))
    labels = {"generator": frozenset({"generator-0", "generator-1"})}
    budget = label_budget(arm, real, 24, SawPatients(labels=labels), study_of(real, LOW, free_labels=False))
    assert budget.n_borrowed_patients == 2


def test_ancestry_of_an_arm_names_all_it_used(real: ImageSet) -> None:
    arm = resolve(real, ArmSettings(), task="segmentation")
    used = patients_used([arm], real)
    assert {split: len(names) for split, names in used.masks.items()} == {"train": 2, "val": 1, "test": 4}
    assert patients_used([resolve(real, ArmSettings())], real).masks == {}


@pytest.mark.parametrize(
    ("settings", "setting", "headline"),
    [
        (ArmSettings(), None, False),
        (ArmSettings(synthetic="main"), "shared", False),
        (ArmSettings(synthetic="main", setting="scarce"), "scarce", False),
        (ArmSettings(synthetic="main", setting="scarce-labels"), "scarce-labels", True),
        (ArmSettings(synthetic="main", setting="disjoint"), "disjoint", True),
        (ArmSettings(extra_real="generator"), None, False),
    ],
)
def test_shared_is_never_a_headline(
    real: ImageSet, settings: ArmSettings, setting: str | None, *, headline: bool
) -> None:
    arm = resolve(real, settings)
    assert (arm.setting, arm.headline) == (setting, headline)


def test_an_arm_without_validation_images_is_refused(tmp_path: Path) -> None:
    real = ImageSet(write_real(tmp_path, splits={"train": 3, "test": 1})[0])
    with pytest.raises(CohortError, match="arm arm of classification: no validation image with a label; raise"):
        resolve(real, ArmSettings())


# ---------------------------------------------------------------- the table of arms


def test_table_holds_the_curve_once_and_the_study_arms() -> None:
    settings = BenchmarkSettings(curve_fractions=(1.0, 0.1, 0.03))
    own = {"low_plus": ArmSettings(synthetic="main"), "clf": ArmSettings(synthetic="main", tasks=("classification",))}
    table = arm_table(settings, own, task="segmentation", low_fraction=0.1, simulated_annotator=True)
    assert list(table) == ["real_100", "real_3", "real_low", "real_low_budget", "low_plus"]
    assert [name for name, arm in table.items() if arm.on_curve] == ["real_100", "real_3", "real_low"]
    table = arm_table(settings, own, task="classification", low_fraction=0.2, simulated_annotator=True)
    assert list(table) == ["real_100", "real_10", "real_3", "real_low", "low_plus", "clf"]


def test_budget_arm_needs_a_simulated_annotator() -> None:
    keywords = {"task": "segmentation", "low_fraction": 0.1}
    assert "real_low_budget" not in arm_table(BenchmarkSettings(), {}, simulated_annotator=False, **keywords)  # type: ignore[arg-type]
    without = BenchmarkSettings(budget_matched=False)
    assert "real_low_budget" not in arm_table(without, {}, simulated_annotator=True, **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ArmSettings(real_fraction=0), "nothing to learn from"),
        (lambda: ArmSettings(real_fraction="some"), "real_fraction must be one of low"),
        (lambda: ArmSettings(real_fraction=1.5), "between 0 and 1"),
        (lambda: ArmSettings(setting="secret"), "setting must be one of external"),
        (lambda: ArmSettings(extra_real="all"), "extra_real must be one of"),
        (lambda: ArmTrainingSettings(seeds=2), "seeds must be at least 3, not 2"),
        (lambda: ArmTrainingSettings(synthetic_share=1.0), "synthetic_share"),
        (lambda: ArmTrainingSettings(classifier_channels=(8, 16, 32)), "four numbers above 0"),
        (lambda: ArmTrainingSettings(segmenter_batch_size=0), "segmenter_batch_size must be above 0, not 0"),
        (lambda: SummarySettings(bootstrap_samples=10), "at least 100, not 10"),
        (lambda: BenchmarkSettings(tasks=("detection",)), "tasks must be one of"),
        (lambda: replace(BenchmarkSettings(), curve_fractions=(0.0,)), "curve_fractions"),
    ],
)
def test_impossible_settings_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
