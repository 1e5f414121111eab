"""Settings of the benchmark: its arms, how their networks are trained, and how scores are summed up."""

from __future__ import annotations

from collections.abc import Mapping

from radgen.settings import above_zero, one_of, section, setting

CLASSIFICATION = "classification"
SEGMENTATION = "segmentation"
TASKS = (CLASSIFICATION, SEGMENTATION)
SETTINGS = ("external", "disjoint", "scarce-labels", "scarce", "shared")
# `scarce` stands beside them; a generator that saw everything in training (`shared`) never heads a report.
HEADLINES = ("external", "disjoint", "scarce-labels")
EXTRA_REAL = ("generator", "annotator")
LOW = "low"
FULL_ARM = "real_100"
LOW_ARM = "real_low"
BUDGET_ARM = "real_low_budget"


@section
class ArmSettings:
    """One row of the benchmark: what its network is trained on."""

    real_fraction: float | str = setting(
        LOW, "Share of the training patients whose real images are used: a number, low (the study's), or 0 for none."
    )
    synthetic: str | None = setting(None, "Name of the source whose images are added, half of each batch.")
    extra_real: str | None = setting(
        None,
        "More real images: generator (those the generator learnt from) or annotator (as many further training "
        "patients as the simulated annotator learnt from).",
    )
    tasks: tuple[str, ...] = setting((), "Tasks in which the arm runs; empty means all of the benchmark.")
    # Last, because inside the class body the field hides the function of the same name.
    setting: str | None = setting(None, "What the arm claims about its ancestry; null takes what its source claims.")

    def __post_init__(self) -> None:
        """Refuse an arm without images, and unknown words."""
        if isinstance(self.real_fraction, str):
            one_of("real_fraction", self.real_fraction, (LOW,))
        elif not 0 <= self.real_fraction <= 1:
            msg = f"real_fraction must lie between 0 and 1 or be low, not {self.real_fraction}"
            raise ValueError(msg)
        if self.real_fraction == 0 and self.synthetic is None and self.extra_real is None:
            msg = "an arm without real and without synthetic images has nothing to learn from; name a source"
            raise ValueError(msg)
        if self.extra_real is not None:
            one_of("extra_real", self.extra_real, EXTRA_REAL)
        if self.setting is not None:
            one_of("setting", self.setting, SETTINGS)
        for task in self.tasks:
            one_of("tasks", task, TASKS)

    @property
    def on_curve(self) -> bool:
        """Whether the arm is a point of the real-only curve."""
        return self.synthetic is None and self.extra_real is None


@section
class ArmTrainingSettings:
    """How the network of every arm is trained: the same for all of them, so that only the images differ."""

    seeds: int = setting(3, "Networks per arm, each from its own seed; at least 3.")
    seed: int = setting(1, "First seed: of initial weights, of batches and of augmentation.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")
    max_steps: int = setting(
        1500, "Steps in every arm; enough for real 100 % to reach its plateau, as the history shows."
    )
    eval_every: int = setting(100, "Steps between scores on the arm's own validation patients.")
    val_images: int = setting(256, "At most so many validation images score a state, spread evenly over all of them.")
    weight_decay: float = setting(1e-2, "Weight decay of AdamW.")
    synthetic_share: float = setting(0.5, "Share of synthetic images in a batch of an arm that has both kinds.")
    classifier_batch_size: int = setting(16, "Classification: images per step.")
    classifier_learning_rate: float = setting(3e-3, "Classification: peak rate of AdamW, which falls along a cosine.")
    classifier_channels: tuple[int, ...] = setting(
        (12, 24, 48, 96), "Channels of the residual classifier's four stages."
    )
    segmenter_batch_size: int = setting(8, "Segmentation: images per step.")
    segmenter_learning_rate: float = setting(6e-3, "Segmentation: peak rate of AdamW, which falls along a cosine.")
    segmenter_channels: tuple[int, ...] = setting(
        (8, 16, 32, 64, 96), "Channels of the U-Net's levels; levels below 4 pixels are left out."
    )
    shift: float = setting(0.06, "Augmentation: largest shift, as a share of the image's width.")
    scale: float = setting(0.1, "Augmentation: largest zoom in or out, as a share.")
    intensity: float = setting(0.1, "Augmentation: largest change of brightness and contrast, as a share of the range.")
    surface_tolerance_mm: float = setting(2.0, "Surface Dice: farthest that two surfaces lie apart and count as one.")
    mirror: bool = setting(False, "Augmentation: mirror left to right, only where both sides occur in nature.")

    def __post_init__(self) -> None:
        """Refuse values with which no training, or no interval over seeds, is possible."""
        if self.seeds < 3:
            msg = f"seeds must be at least 3, not {self.seeds}: fewer say nothing about how much a result varies"
            raise ValueError(msg)
        for name in ("threads", "max_steps", "eval_every", "val_images"):
            above_zero(**{name: getattr(self, name)})
        for name in ("batch_size", "learning_rate"):
            for network in ("classifier", "segmenter"):
                above_zero(**{f"{network}_{name}": getattr(self, f"{network}_{name}")})
        above_zero(surface_tolerance_mm=self.surface_tolerance_mm)
        if not 0 < self.synthetic_share < 1:
            msg = f"synthetic_share must lie between 0 and 1, not {self.synthetic_share}; for none, name no source"
            raise ValueError(msg)
        for name in ("shift", "scale", "intensity"):
            if not 0 <= getattr(self, name) < 0.5:
                msg = f"{name} must be at least 0 and below 0.5, not {getattr(self, name)}"
                raise ValueError(msg)
        if len(self.classifier_channels) != 4 or min(self.classifier_channels) < 1:
            msg = f"classifier_channels needs four numbers above 0, not {self.classifier_channels}"
            raise ValueError(msg)
        if len(self.segmenter_channels) < 2 or min(self.segmenter_channels) < 1:
            msg = f"segmenter_channels needs at least two numbers above 0, not {self.segmenter_channels}"
            raise ValueError(msg)


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
    primary: str | None = setting(
        None, "The one arm whose paired difference to real low is the primary endpoint, named before the test is read."
    )
    training: ArmTrainingSettings = setting(ArmTrainingSettings(), "How every arm's network is trained.")
    summary: SummarySettings = setting(SummarySettings(), "How scores are summed up.")

    def __post_init__(self) -> None:
        """Refuse unknown tasks and impossible fractions."""
        for task in self.tasks:
            one_of("tasks", task, TASKS)
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
) -> dict[str, ArmSettings]:
    """Return every arm of one task by name: the real-only curve first, then the study's own arms.

    The curve always holds real_100 and real_low; a curve fraction equal to the low one is the low arm itself.
    The budget-matched arm belongs to segmentation, where the simulated annotator's masks are used.
    """
    fractions = sorted({1.0, *benchmark.curve_fractions} - {low_fraction}, reverse=True)
    table = {fraction_arm(fraction): ArmSettings(real_fraction=fraction) for fraction in fractions}
    table[LOW_ARM] = ArmSettings(real_fraction=LOW)
    if benchmark.budget_matched and simulated_annotator and task == SEGMENTATION:
        table[BUDGET_ARM] = ArmSettings(real_fraction=LOW, extra_real="annotator")
    own = {name: arm for name, arm in arms.items() if not arm.tasks or task in arm.tasks}
    return table | own
