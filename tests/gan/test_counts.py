"""How many images of each class are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import ConfigError
from radgen.gan.counts import _in_shares, class_counts
from radgen.gan.settings import SampleSettings
from radgen.imageset.core import ImageSet, write_index
from radgen.sources import SourceSettings
from tests.gan import toys

LOW = LowSettings(fraction=0.3, seed=1)
CLASSES = ClassSettings(by="folder", names=toys.CLASS_NAMES)


def test_match_fills_the_low_fraction_up_to_the_full_training_set(study: Path) -> None:
    real = toys.images_of(study)
    counts = class_counts(SampleSettings(), real, SourceSettings(), LOW, CLASSES)
    rows = real.rows_where(split="train")
    few = low_patients(real.column("patient")[rows].tolist(), LOW.fraction, LOW.seed)
    assert len(few) == 3
    for name in toys.CLASS_NAMES:
        own = real.rows_where(split="train", class_name=name)
        kept = sum(patient in few for patient in real.column("patient")[own])
        assert kept > 0
        assert counts[name] + kept == len(own)


@pytest.fixture
def uneven(tmp_path: Path) -> ImageSet:
    """Ten patients: the low three have 3 small, 6 large and 1 image of no class, the others 10 small ones each."""
    patients = [f"patient-{number}" for number in range(10)]
    few = low_patients(patients, LOW.fraction, LOW.seed)
    names = {patient: ["small"] * 10 for patient in patients}
    names |= dict(zip(sorted(few), (["small"] * 3, ["large"] * 6, [None]), strict=True))
    rows = [
        {"image_id": f"{patient}-{number}", "shard": "s", "row": 0, "source": "real", "split": "train"}
        | {"patient": patient, "class_name": name}
        for patient in patients
        for number, name in enumerate(names[patient])
    ]
    write_index(tmp_path / "index.parquet", rows)
    return ImageSet(tmp_path / "index.parquet")


@pytest.mark.parametrize(
    ("setting", "by", "counts"),
    [
        ("shared", "folder", {"small": 70, "large": 0}),
        ("scarce-labels", "position", {"small": 70, "large": 0}),  # a position is no label
        ("scarce-labels", "folder", {"small": 21, "large": 42}),  # of 70, a tenth is of no class
        ("scarce", "folder", {"small": 21, "large": 42}),
        ("scarce", "position", {"small": 21, "large": 42}),
    ],
)
def test_match_tells_a_scarce_source_no_class_of_the_other_patients(
    uneven: ImageSet, setting: str, by: str, counts: dict[str, int]
) -> None:
    classes = ClassSettings(by=by, names=toys.CLASS_NAMES)
    assert class_counts(SampleSettings(), uneven, SourceSettings(setting=setting), LOW, classes) == counts


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=50), st.integers(0, 1000))
def test_shares_add_up_to_the_total(classes: list[int], total: int) -> None:
    parts = _in_shares(np.array([np.array(classes) == number for number in range(3)]), total)
    assert parts.sum() == total
    assert abs(parts - np.bincount(classes, minlength=3) * total / len(classes)).max() <= 1


def test_counts_are_obeyed_and_missing_classes_get_none(study: Path) -> None:
    settings = SampleSettings(counts={"large": 5}, match=None)
    assert class_counts(settings, toys.images_of(study), SourceSettings(), LOW, CLASSES) == {"small": 0, "large": 5}


def test_unknown_class_and_nothing_at_all_are_refused(study: Path) -> None:
    real = toys.images_of(study)
    with pytest.raises(ConfigError, match="unknown class 'huge'; classes are small, large"):
        class_counts(SampleSettings(counts={"huge": 5}, match=None), real, SourceSettings(), LOW, CLASSES)
    with pytest.raises(ConfigError, match="no image is asked for"):
        class_counts(SampleSettings(), real, SourceSettings(), LowSettings(fraction=1.0), CLASSES)
