"""Settings of the simulated annotator, of the label head, and of image and mask pairs."""

from __future__ import annotations

from radgen.settings import section, setting


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            msg = f"{name} must be above 0, not {value}"
            raise ValueError(msg)


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
        _positive(
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

    members: int = setting(5, "Heads in the ensemble; their disagreement is a pair's uncertainty.")
    images: int = setting(2_000, "Budget of each head: annotated images shown, again and again.")
    batch_size: int = setting(8, "Images per step.")
    width: int = setting(16, "Channels to which every scale is reduced before anything is enlarged.")
    embedding: int = setting(16, "Length of the class embedding that modulates the head.")
    dropout: float = setting(0.1, "Share of feature channels dropped in training.")
    learning_rate: float = setting(4e-3, "AdamW's highest rate; it falls to zero along a cosine.")
    weight_decay: float = setting(1e-2, "AdamW's weight decay.")
    validation_fraction: float = setting(
        0.2, "Share of the annotated images held out; the head's Dice is measured on them."
    )
    seed: int = setting(1, "Seed of initial weights, bootstraps and order.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")

    def __post_init__(self) -> None:
        """Refuse values with which no training is possible."""
        _positive(
            members=self.members,
            images=self.images,
            batch_size=self.batch_size,
            width=self.width,
            embedding=self.embedding,
            learning_rate=self.learning_rate,
            validation_fraction=self.validation_fraction,
            threads=self.threads,
        )
        _fraction(dropout=self.dropout, validation_fraction=self.validation_fraction, weight_decay=self.weight_decay)


@section
class PairsSettings:
    """Image and mask pairs: how many are thrown away for uncertainty."""

    drop_fraction: float = setting(0.1, "Share of each class's images dropped: those on which the heads disagree most.")

    def __post_init__(self) -> None:
        """Refuse a share that would drop everything."""
        _fraction(drop_fraction=self.drop_fraction)
        if self.drop_fraction > 0.9:
            msg = f"drop_fraction must be at most 0.9, not {self.drop_fraction}: too few images would be left"
            raise ValueError(msg)
