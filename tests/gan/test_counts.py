"""How many images of each class are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import LowSettings
from radgen.errors import ConfigError
from radgen.gan.counts import class_counts
from radgen.gan.settings import SampleSettings
from tests.gan import toys

LOW = LowSettings(fraction=0.3, seed=1)


def test_match_fills_the_low_fraction_up_to_the_full_training_set(study: Path) -> None:
    real = toys.images_of(study)
    counts = class_counts(SampleSettings(), real, toys.CLASS_NAMES, LOW)
    rows = real.rows_where(split="train")
    few = low_patients(real.column("patient")[rows].tolist(), LOW.fraction, LOW.seed)
    assert len(few) == 3
    for name in toys.CLASS_NAMES:
        own = real.rows_where(split="train", class_name=name)
        kept = sum(patient in few for patient in real.column("patient")[own])
        assert kept > 0
        assert counts[name] + kept == len(own)


def test_counts_are_obeyed_and_missing_classes_get_none(study: Path) -> None:
    settings = SampleSettings(counts={"large": 5}, match=None)
    assert class_counts(settings, toys.images_of(study), toys.CLASS_NAMES, LOW) == {"small": 0, "large": 5}


def test_unknown_class_and_nothing_at_all_are_refused(study: Path) -> None:
    real = toys.images_of(study)
    with pytest.raises(ConfigError, match="unknown class 'huge'; classes are small, large"):
        class_counts(SampleSettings(counts={"huge": 5}, match=None), real, toys.CLASS_NAMES, LOW)
    with pytest.raises(ConfigError, match="no image is asked for"):
        class_counts(SampleSettings(), real, toys.CLASS_NAMES, LowSettings(fraction=1.0))
