"""Settings of the simulated annotator, of the label head, and of image and mask pairs."""

from __future__ import annotations

from radgen.settings import above_zero, section, setting


def _fraction(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < 1:
            msg = f"{name} must lie in [0, 1), not {value}"
            raise ValueError(msg)


@section
class AnnotatorSettings:
    """The simulated annotator: a small U-Net taught on the masks of patients set apart for it."""

    images: int = setting(5_000, "Budget: augmented training images shown.")
    batch_size: int = setting(8, "Images per step.")
    channels: tuple[int, ...] = setting((16, 32, 64, 96), "Channels at full, half, quarter, ... resolution.")
    learning_rate: float = setting(3e-3, "AdamW's highest rate; it falls to zero along a cosine.")
    validation_fraction: float = setting(
        0.2, "Share of the set-apart patients held out; the annotator's own Dice is measured on them."
    )
    shift: float = setting(0.08, "Augmentation: largest shift, as a share of the width.")
    scale: float = setting(0.12, "Augmentation: largest change of size, as a share.")
    rotation_degrees: float = setting(8.0, "Augmentation: largest rotation.")
    contrast: float = setting(0.2, "Augmentation: largest change of brightness, contrast and gamma, as a share.")
    noise: float = setting(0.05, "Augmentation: largest noise, as a share of the grey range.")
    seed: int = setting(1, "Seed of initial weights, of the order of images and of augmentation.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")

    def __post_init__(self) -> None:
        """Refuse values with which no training is possible."""
        above_zero(
            images=self.images,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            validation_fraction=self.validation_fraction,
            threads=self.threads,
        )
        _fraction(
            validation_fraction=self.validation_fraction,
            shift=self.shift,
            scale=self.scale,
            contrast=self.contrast,
            noise=self.noise,
        )
        if len(self.channels) < 2 or min(self.channels) < 1:
            msg = f"channels needs at least two numbers above 0, not {self.channels}"
            raise ValueError(msg)


@section
class LabelHeadSettings:
    """The label head: it reads masks off the features of the frozen generator."""

    members: int = setting(2, "Heads in the ensemble; their mean opinion paints, and says how sure a pair's mask is.")
    teacher_images: int = setting(
        2_400,
        "Budget of each head's teacher, a segmenter: changed annotated images shown. 0: heads learn from masks alone.",
    )
    teacher_channels: tuple[int, ...] = setting(
        (16, 32, 64, 96), "Channels of the teachers at full, half, quarter, ... resolution."
    )
    images: int = setting(
        2_400, "Budget: samples that teachers paint for the heads, or, without teachers, annotated images shown again."
    )
    batch_size: int = setting(8, "Images per step.")
    width: int = setting(16, "Most channels of each head at a scale; half of the generator's where that is less.")
    dropout: float = setting(0.0, "Share of the generator's feature channels left out in training.")
    learning_rate: float = setting(0.05, "AdamW's highest rate; it falls to zero along a cosine.")
    weight_decay: float = setting(1e-2, "AdamW's weight decay.")
    focus: float = setting(0.0, "Focal loss: pixels that are right already count (1 - p)^focus; 0 is cross entropy.")
    balance: float = setting(0.5, "A label weighs its share of pixels to the power of -balance; 0 weighs all alike.")
    fine_layers: int = setting(
        0, "Last layers of the generator whose style is varied while the mask stays: only where it does; 0 varies none."
    )
    mixing: float = setting(0.5, "Share of the shown images whose fine layers take another image's style.")
    truncation_jitter: float = setting(0.2, "Largest change of the fine layers' truncation, as a share.")
    validation_fraction: float = setting(
        0.1,
        "Share of the annotated images each head holds out, others each; they end its training and measure its Dice.",
    )
    checks: int = setting(20, "How often the held-out images are looked at in training; each head's best is kept.")
    patience: int = setting(12, "Checks without a better loss after which a head stops.")
    folds: int = setting(
        0, "Parts of the annotated images, each left out once and whole ensembles taught without; 0 leaves this out."
    )
    seed: int = setting(1, "Seed of initial weights, of what is held out and of order.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")

    def __post_init__(self) -> None:
        """Refuse values with which no training is possible."""
        above_zero(
            members=self.members,
            images=self.images,
            batch_size=self.batch_size,
            width=self.width,
            learning_rate=self.learning_rate,
            validation_fraction=self.validation_fraction,
            checks=self.checks,
            patience=self.patience,
            threads=self.threads,
        )
        _fraction(
            dropout=self.dropout,
            validation_fraction=self.validation_fraction,
            weight_decay=self.weight_decay,
            truncation_jitter=self.truncation_jitter,
        )
        if self.validation_fraction > 0.5:
            msg = f"validation_fraction must be at most 0.5, not {self.validation_fraction}: each head must learn too"
            raise ValueError(msg)
        if not 0 <= self.mixing <= 1:
            msg = f"mixing must lie in [0, 1], not {self.mixing}"
            raise ValueError(msg)
        for name in ("focus", "balance", "fine_layers", "teacher_images"):
            if getattr(self, name) < 0:
                msg = f"{name} must be at least 0, not {getattr(self, name)}"
                raise ValueError(msg)
        if len(self.teacher_channels) < 2 or min(self.teacher_channels) < 1:
            msg = f"teacher_channels needs at least two numbers above 0, not {self.teacher_channels}"
            raise ValueError(msg)
        if self.fine_layers and self.teacher_images:
            msg = (
                f"fine_layers is {self.fine_layers}, but with teacher_images {self.teacher_images} no annotated image "
                "is shown to the heads; set one of them to 0"
            )
            raise ValueError(msg)
        if self.folds < 0 or self.folds == 1:
            msg = f"folds must be 0 or at least 2, not {self.folds}"
            raise ValueError(msg)


@section
class CalibrationSettings:
    """Whether the heads' uncertainty tells where they are wrong, asked where the truth is known."""

    split: str = setting("val", "Held-out real slices with masks come from this split.")
    images: int = setting(48, "Held-out slices that are inverted into the generator, in equal shares of the classes.")
    samples: int = setting(256, "Samples of each class whose masks are compared with those of an oracle segmenter.")
    candidates: int = setting(256, "Inversion: mapped styles tried as the start.")
    steps: int = setting(200, "Inversion: steps of the search for a style per layer.")
    learning_rate: float = setting(0.1, "Inversion: Adam's rate at the start; it falls to 0 along a cosine.")
    seed: int = setting(1, "Seed of the choice of slices and of the candidates.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    def __post_init__(self) -> None:
        """Refuse splits that are not held out, and numbers with which nothing can be measured."""
        if self.split not in {"val", "test"}:
            msg = f"split must be val or test, not {self.split}: the others teach the generator or the annotator"
            raise ValueError(msg)
        above_zero(
            images=self.images,
            samples=self.samples,
            candidates=self.candidates,
            steps=self.steps,
            learning_rate=self.learning_rate,
            threads=self.threads,
        )


@section
class AnnotationCurveSettings:
    """What a number of annotations is worth: masks and a downstream task against it, real masks beside synthetic."""

    counts: tuple[int, ...] = setting(
        (1, 4, 16, 64), "Numbers of annotated images, rising; each adds to the one before."
    )
    seeds: int = setting(3, "Repetitions of every number, each with images, heads, pairs and segmenters of its own.")
    held_out: int = setting(32, "Annotated images that no number learns from: the heads' masks are scored on them.")
    head_images: int = setting(2_000, "Budget of the label heads of one point; their teachers have that of `labels`.")
    pairs_per_class: int = setting(128, "Pairs of each class that a downstream segmenter learns from.")
    segmenter_images: int = setting(
        4_800, "Budget of each downstream segmenter, on pairs or on real images: augmented images shown."
    )
    segmenter_channels: tuple[int, ...] = setting(
        (8, 16, 32, 64), "Channels of the downstream segmenter at full, half, quarter, ... resolution."
    )
    split: str = setting("val", "The real patients on whom the segmenters are scored; val or test.")
    seconds_per_image: float | None = setting(
        None, "Assumed seconds to annotate an image, where none were noted; null leaves the axis of minutes out."
    )
    seed: int = setting(1, "First seed.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")
    bootstrap_samples: int = setting(1_000, "Bootstrap samples behind every interval.")
    confidence: float = setting(0.95, "Coverage of the intervals.")

    def __post_init__(self) -> None:
        """Refuse numbers with which there is no curve or no interval."""
        if not self.counts or min(self.counts) < 1 or list(self.counts) != sorted(set(self.counts)):
            msg = f"counts must be rising numbers above 0, not {self.counts}"
            raise ValueError(msg)
        if self.seeds < 3:
            msg = f"seeds must be at least 3, not {self.seeds}: fewer say nothing about how much a result varies"
            raise ValueError(msg)
        if self.split not in {"val", "test"}:
            msg = f"split must be val or test, not {self.split}: the others teach the generator or the annotator"
            raise ValueError(msg)
        above_zero(
            held_out=self.held_out,
            head_images=self.head_images,
            pairs_per_class=self.pairs_per_class,
            segmenter_images=self.segmenter_images,
            threads=self.threads,
        )
        if len(self.segmenter_channels) < 2 or min(self.segmenter_channels) < 1:
            msg = f"segmenter_channels needs at least two numbers above 0, not {self.segmenter_channels}"
            raise ValueError(msg)
        if self.seconds_per_image is not None:
            above_zero(seconds_per_image=self.seconds_per_image)
        if self.bootstrap_samples < 100:
            msg = f"bootstrap_samples must be at least 100, not {self.bootstrap_samples}: an interval needs tails"
            raise ValueError(msg)
        if not 0.5 <= self.confidence < 1:
            msg = f"confidence must be at least 0.5 and below 1, not {self.confidence}"
            raise ValueError(msg)

    @property
    def images(self) -> int:
        """Annotated images that the whole curve needs.

        >>> AnnotationCurveSettings(counts=(1, 8), held_out=4).images
        12
        """
        return self.counts[-1] + self.held_out


@section
class PairsSettings:
    """Image and mask pairs: how many are thrown away, why, and how many jobs draw them."""

    drop_fraction: float = setting(
        0.1, "Share of each class's images dropped: those of whose masks the heads expect the largest error."
    )
    least_class_probability: float = setting(
        0.0, "Images to whose own class the domain encoder gives less are dropped too; 0 does not ask it."
    )
    spare_fraction: float = setting(
        0.1, "Share of each class's images drawn beyond, to be dropped for their class; unused where nobody asks."
    )
    jobs: int = setting(1, "Jobs that draw pairs side by side; the pairs are the same whatever their number.")

    def __post_init__(self) -> None:
        """Refuse shares that would drop everything, and numbers that are none."""
        _fraction(
            drop_fraction=self.drop_fraction,
            spare_fraction=self.spare_fraction,
            least_class_probability=self.least_class_probability,
        )
        for name in ("drop_fraction", "spare_fraction"):
            if getattr(self, name) > 0.9:
                msg = f"{name} must be at most 0.9, not {getattr(self, name)}: too few images would be left"
                raise ValueError(msg)
        if not 1 <= self.jobs <= 1000:
            msg = f"jobs must be 1 to 1000, not {self.jobs}"
            raise ValueError(msg)
