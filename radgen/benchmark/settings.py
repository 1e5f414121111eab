"""Settings of the benchmark: its arms, how their networks are trained, and how scores are summed up."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.settings import above_zero, one_of, section, setting

CLASSIFICATION = "classification"
SEGMENTATION = "segmentation"
TASKS = (CLASSIFICATION, SEGMENTATION)
SETTINGS = ("external", "disjoint", "scarce-labels", "scarce", "shared")
# `scarce` stands beside them; a generator that saw everything in training (`shared`) never heads a report.
HEADLINES = ("external", "disjoint", "scarce-labels")
EXTRA_REAL = ("generator", "annotator", "annotated", "annotator_masks")
SCHEDULES = ("mixed", "pretrain", "pretrain_mixed")
AUGMENTATIONS = ("standard", "strong")
METHODS = ("supervised", "mean_teacher", "self_supervised")
UNLABELLED = ("train", "generator")
JOBS = ("arm", "seed")
LOW = "low"
FULL_ARM = "real_100"
LOW_ARM = "real_low"
BUDGET_ARM = "real_low_budget"
ANNOTATED_ARM = "real_low_annotated"
_ANNOTATED = ("annotated", "annotator_masks")
# Other uses of the same pixels, labels and annotator; each is an arm of this name.
RIVALS = ("mean_teacher", "self_supervised", "strong_augmentation", "annotator_masks")


@section
class ArmSettings:
    """One row of the benchmark: what its network is trained on."""

    real_fraction: float | str = setting(
        LOW, "Share of the training patients whose real images are used: a number, low (the study's), or 0 for none."
    )
    synthetic: str | None = setting(None, "Name of the source whose images are added.")
    redrawn: tuple[str, ...] = setting(
        (),
        "Further sources of the same recipe and other seeds; the k-th network learns from the k-th source of all, so "
        "that intervals hold over generators (3 or more).",
    )
    synthetic_share: float | None = setting(
        None, "Mixing ratio: share of synthetic images in a batch; null takes benchmark.training.synthetic_share."
    )
    schedule: str = setting(
        "mixed",
        "Synthetic images: mixed (beside real ones in every batch), pretrain (alone first, then real ones alone) or "
        "pretrain_mixed (alone first, then both).",
    )
    online: bool = setting(False, "Draw new pairs in every step instead of the pairs on disk; segmentation only.")
    extra_real: str | None = setting(
        None,
        "More real images: generator (those the generator learnt from), annotator (as many further training patients "
        "as the simulated annotator learnt from), annotated (as many further training images, with their masks, as "
        "synthetic ones were annotated) or annotator_masks (those images with the simulated annotator's masks).",
    )
    augmentation: str = setting("standard", "Classical augmentation: standard (as in training) or strong.")
    method: str = setting(
        "supervised",
        "supervised, mean_teacher (agrees with its own average on unlabelled real images) or self_supervised (a "
        "pretext task on them first).",
    )
    unlabelled: str = setting(
        "train", "Where those unlabelled images come from: train (all training patients) or generator (its own ones)."
    )
    annotated_images: int | None = setting(
        None, "Images annotated for this arm; null takes what the study's annotation asks for."
    )
    tasks: tuple[str, ...] = setting((), "Tasks in which the arm runs; empty means all of the benchmark.")
    # Last, because inside the class body the field hides the function of the same name.
    setting: str | None = setting(None, "What the arm claims about its ancestry; null takes what its source claims.")

    def __post_init__(self) -> None:
        """Refuse an arm without images, unknown words, and choices that exclude each other."""
        if isinstance(self.real_fraction, str):
            one_of("real_fraction", self.real_fraction, (LOW,))
        elif not 0 <= self.real_fraction <= 1:
            msg = f"real_fraction must lie between 0 and 1 or be low, not {self.real_fraction}"
            raise ValueError(msg)
        if self.real_fraction == 0 and self.synthetic is None and self.extra_real is None:
            msg = "an arm without real and without synthetic images has nothing to learn from; name a source"
            raise ValueError(msg)
        for name, words in (
            ("extra_real", EXTRA_REAL),
            ("setting", SETTINGS),
            ("schedule", SCHEDULES),
            ("augmentation", AUGMENTATIONS),
            ("method", METHODS),
            ("unlabelled", UNLABELLED),
        ):
            if getattr(self, name) is not None:
                one_of(name, getattr(self, name), words)
        for task in self.tasks:
            one_of("tasks", task, TASKS)
        self._check_synthetic()

    def _check_synthetic(self) -> None:
        """Refuse what needs synthetic images where there are none, or real ones where there are none."""
        if self.synthetic is None:
            for name, default in (("redrawn", ()), ("schedule", "mixed"), ("online", False), ("synthetic_share", None)):
                if getattr(self, name) != default:
                    msg = f"{name} is {getattr(self, name)!r}, but the arm names no source; give synthetic: SOURCE"
                    raise ValueError(msg)
        if self.synthetic_share is not None and not 0 < self.synthetic_share < 1:
            msg = f"synthetic_share must lie between 0 and 1, not {self.synthetic_share}; for none, name no source"
            raise ValueError(msg)
        without_real = self.real_fraction == 0 and self.extra_real is None
        if without_real and (self.schedule != "mixed" or self.synthetic_share is not None):
            given = f"schedule {self.schedule} and synthetic_share {self.synthetic_share}"
            msg = f"{given} need real images beside synthetic ones; give real_fraction"
            raise ValueError(msg)
        if self.online and self.redrawn:
            msg = "online and redrawn exclude each other: an online arm draws from one generator; make an arm for each"
            raise ValueError(msg)

    @property
    def sources(self) -> tuple[str, ...]:
        """Return all sources of the arm, none for a real one."""
        return () if self.synthetic is None else (self.synthetic, *self.redrawn)

    @property
    def on_curve(self) -> bool:
        """Whether the arm is a point of the real-only curve."""
        plain = self.method == "supervised" and self.augmentation == "standard"
        return self.synthetic is None and self.extra_real is None and plain

    @property
    def is_rival(self) -> bool:
        """Whether the arm spends the same pixels or labels on something else than synthetic images.

        The generator's own real images are no rival but the ceiling: labels that the low arm does not have.
        """
        return self.synthetic is None and not self.on_curve and self.extra_real != "generator"


@section
class SummarySettings:
    """How scores become means, intervals and the verdict on the low fraction."""

    bootstrap_samples: int = setting(1_000, "Patient-level bootstrap samples behind every interval.")
    confidence: float = setting(0.95, "Coverage of the intervals.")
    permutations: int = setting(2_000, "Permutations behind every p value.")
    least_gain: float = setting(0.03, "The least gain over the low arm that is worth having: sizes what can be told.")
    rule_gap: float = setting(0.05, "The low fraction must score at least this much below 100 %.")
    rule_standard_errors: float = setting(4.0, "And its gap must be at least this many standard errors.")

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        if self.bootstrap_samples < 100:
            msg = f"bootstrap_samples must be at least 100, not {self.bootstrap_samples}: an interval needs tails"
            raise ValueError(msg)
        if self.permutations < 100:
            msg = (
                f"permutations must be at least 100, not {self.permutations}: a p value cannot be finer than 1 in them"
            )
            raise ValueError(msg)
        above_zero(least_gain=self.least_gain)
        if not 0.5 <= self.confidence < 1:
            msg = f"confidence must be at least 0.5 and below 1, not {self.confidence}"
            raise ValueError(msg)
        above_zero(rule_gap=self.rule_gap, rule_standard_errors=self.rule_standard_errors)


@section
class BenchmarkSettings:
    """Which tasks and real fractions run, how arms are trained and how their scores are summed up."""

    tasks: tuple[str, ...] = setting(TASKS, "Any of classification and segmentation.")
    curve_fractions: tuple[float, ...] = setting(
        (), "Further points of the real-only curve besides 1 and the low fraction, such as 0.1, 0.03 and 0.015."
    )
    budget_matched: bool = setting(
        True, "With a simulated annotator: also run real low plus as many training patients as the annotator had."
    )
    annotated_arm: bool = setting(
        True, "Where images were annotated: also run real low plus as many further real images with their masks."
    )
    rivals: tuple[str, ...] = setting(
        (),
        "Other uses of the same pixels and labels, each an arm beside real low: mean_teacher, self_supervised, "
        "strong_augmentation, annotator_masks (the simulated annotator paints further real images).",
    )
    sealed: bool = setting(
        True,
        "Keep the test sealed: scores are of development folds, as many as seeds, inside train and validation, until "
        "`radgen unseal` opens the test for this configuration. false: the test is open from the first run.",
    )
    jobs: str = setting("arm", "What a job is: arm (all its networks) or seed (one of them); the bytes are the same.")
    primary: str | None = setting(
        None, "The one arm whose paired difference to real low is the primary endpoint, named before the test is read."
    )
    training: ArmTrainingSettings = setting(ArmTrainingSettings(), "How every arm's network is trained.")
    summary: SummarySettings = setting(SummarySettings(), "How scores are summed up.")

    def __post_init__(self) -> None:
        """Refuse unknown tasks and impossible fractions."""
        for task in self.tasks:
            one_of("tasks", task, TASKS)
        for rival in self.rivals:
            one_of("rivals", rival, RIVALS)
        one_of("jobs", self.jobs, JOBS)
        for fraction in self.curve_fractions:
            if not 0 < fraction <= 1:
                msg = f"curve_fractions must lie above 0 and at most at 1, not {fraction}"
                raise ValueError(msg)


def fraction_arm(fraction: float) -> str:
    """Name the arm of a real fraction.

    >>> fraction_arm(1.0), fraction_arm(0.03), fraction_arm(0.015)
    ('real_100', 'real_3', 'real_1p5')
    """
    return f"real_{100 * fraction:.6g}".replace(".", "p")


def arm_table(
    benchmark: BenchmarkSettings,
    arms: Mapping[str, ArmSettings],
    *,
    task: str,
    low_fraction: float,
    simulated_annotator: bool,
    annotated_images: int = 0,
    annotated_sources: Collection[str] = (),
) -> dict[str, ArmSettings]:
    """Return every arm of one task by name: the real-only curve, honest comparisons, rivals, the study's own arms.

    The curve always holds real_100 and real_low; a curve fraction equal to the low one is the low arm itself.
    Comparisons of masks belong to segmentation: as many further patients as the simulated annotator had, and as many
    further real images as synthetic ones were annotated. That number is one of arms of `annotated_sources`: images that
    are painted on label maps, or drawn from genes, nobody annotated.
    """
    fractions = sorted({1.0, *benchmark.curve_fractions} - {low_fraction}, reverse=True)
    table = {fraction_arm(fraction): ArmSettings(real_fraction=fraction) for fraction in fractions}
    table[LOW_ARM] = ArmSettings(real_fraction=LOW)
    segments = task == SEGMENTATION
    if benchmark.budget_matched and simulated_annotator and segments:
        table[BUDGET_ARM] = ArmSettings(extra_real="annotator")
    if benchmark.annotated_arm and annotated_images and segments and low_fraction < 1:
        table[ANNOTATED_ARM] = ArmSettings(extra_real="annotated")
    rivals = {
        "mean_teacher": ArmSettings(method="mean_teacher"),
        "self_supervised": ArmSettings(method="self_supervised"),
        "strong_augmentation": ArmSettings(augmentation="strong"),
    }
    if segments and simulated_annotator and annotated_images:
        rivals["annotator_masks"] = ArmSettings(extra_real="annotator_masks")
    table |= {name: rivals[name] for name in benchmark.rivals if name in rivals}
    own = {name: arm for name, arm in arms.items() if not arm.tasks or task in arm.tasks}
    table |= {name: arm for name, arm in own.items() if segments or not arm.online}
    for name, arm in table.items():
        counts = arm.extra_real in _ANNOTATED or not set(arm.sources).isdisjoint(annotated_sources)
        if arm.annotated_images is None and segments and counts:
            table[name] = dataclasses.replace(arm, annotated_images=annotated_images)
    return table
