"""Settings of the statistics of generated nodules."""

from __future__ import annotations

from radgen.labels.settings import AnnotatorSettings
from radgen.settings import at_least, section, setting


@section
class RadiogenomicScoresSettings:
    """How generated nodules are judged."""

    permutations: int = setting(9_999, "Random pairings of patients in each coupling test.")
    shuffles: int = setting(
        20, "Times that the held-out patients' genes are shuffled: the test must then find nothing, but by chance."
    )
    profiles: int = setting(10, "Held-out patients whose genes are swapped, each with every background and noise.")
    backgrounds: int = setting(3, "Backgrounds of that design.")
    noises: int = setting(3, "Draws of noise of that design.")
    saliency_patients: int = setting(32, "Training patients over whom the derivatives by genes are averaged.")
    quantile: float = setting(0.01, "Share of held-out nodules that may be as near to training ones as a copy is.")
    bootstrap_samples: int = setting(1_000, "Samples of patients behind each interval.")
    segmenter: AnnotatorSettings = setting(
        AnnotatorSettings(images=4_000, channels=(8, 16, 32, 48)),
        "The segmenter of real nodules that judges masks.",
    )
    seed: int = setting(1, "Of permutations, shuffles and samples.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    def __post_init__(self) -> None:
        """Refuse values with which there is nothing to test."""
        at_least(
            permutations=(self.permutations, 99),
            shuffles=(self.shuffles, 1),
            profiles=(self.profiles, 2),
            backgrounds=(self.backgrounds, 2),
            noises=(self.noises, 2),
            saliency_patients=(self.saliency_patients, 1),
            bootstrap_samples=(self.bootstrap_samples, 10),
            threads=(self.threads, 1),
        )
        if not 0 < self.quantile < 0.5:
            msg = f"quantile is {self.quantile:g}, but must lie between 0 and 0.5"
            raise ValueError(msg)


@section
class SurvivalSettings:
    """How embedding and clinical variables are compared by the survival that they tell."""

    folds: int = setting(5, "Parts of the patients, each held out once.")
    repeats: int = setting(5, "Divisions into folds; their pairs are pooled.")
    bootstrap_samples: int = setting(1_000, "Samples of patients behind each interval.")
    confidence: float = setting(0.95, "Of the intervals.")
    seed: int = setting(1, "Of folds and samples.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    def __post_init__(self) -> None:
        """Refuse divisions that hold out nobody."""
        at_least(
            folds=(self.folds, 2),
            repeats=(self.repeats, 1),
            bootstrap_samples=(self.bootstrap_samples, 10),
            threads=(self.threads, 1),
        )
        if not 0.5 < self.confidence < 1:
            msg = f"confidence is {self.confidence:g}, but must lie between 0.5 and 1"
            raise ValueError(msg)
