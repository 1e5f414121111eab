"""A trial leaves the low arm enough patients to hold every class."""

from __future__ import annotations

from dataclasses import replace

from radgen.cohort.settings import LimitSettings
from radgen.demo import demo_config
from radgen.trial import trial_of


def test_the_low_arm_of_a_trial_is_more_than_one_of_three_patients() -> None:
    demo = replace(demo_config(), limit=LimitSettings(patients=8))
    assert round(trial_of(demo).low.fraction * 3) >= 2


def test_a_larger_low_fraction_stays() -> None:
    demo = demo_config()
    wide = replace(demo, low=replace(demo.low, fraction=0.9), limit=LimitSettings(patients=8))
    assert trial_of(wide).low.fraction == 0.9
