"""Settings of the class-conditional generator and of sampling."""

from __future__ import annotations

import dataclasses

from radgen.gan.projected.settings import ProjectedSettings
from radgen.settings import above_zero, one_of, section, setting

GENERATORS = ("residual", "alias-free")
DISCRIMINATORS = ("residual", "projected")
FILTERS = ("separable", "radial")
PRESETS = ("tiny", "7/4", "10/7")
STEM_PX = 16
LOSSES = ("relativistic", "nonsaturating")
PRECISIONS = ("auto", "bf16", "fp32")
MOST_AUGMENTED = 0.8
PUBLISH = ("best", "last")


def _probability(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            msg = f"{name} must lie between 0 and 1, not {value}"
            raise ValueError(msg)


@section
class AugmentSettings:
    """What discriminator sees of real and generated images alike, so that few images do not get learnt by heart."""

    probability: float = setting(
        0.2, "Chance that each kind of change is applied to an image. Well below 1, or it leaks."
    )
    adapt_images: int = setting(
        0,
        "Images within which that chance may move from 0 to 1: up while the residual discriminator knows real images "
        "by heart, down while it is in doubt; for small cohorts. 0 keeps it as it is.",
    )
    target_sureness: float = setting(
        0.6, "The chance rises above this mean sign of the verdicts on real images (1 = sure of every one)."
    )
    translate: float = setting(0.08, "Largest shift, as a share of the image's width.")
    brightness: float = setting(0.05, "Largest shift of the grey level, as a share of the full range.")
    contrast: float = setting(0.05, "Largest change of contrast, as a share.")
    cutout: float = setting(0.3, "Width of the square that is blanked, as a share of the image's width.")

    def __post_init__(self) -> None:
        """Refuse values outside [0, 1], and a probability of one, which leaks into samples."""
        _probability(
            probability=self.probability,
            translate=self.translate,
            brightness=self.brightness,
            contrast=self.contrast,
            cutout=self.cutout,
            target_sureness=self.target_sureness,
        )
        if self.probability > MOST_AUGMENTED:
            above = "above, samples show the changes themselves"
            msg = f"probability must be at most {MOST_AUGMENTED}, not {self.probability}: {above}"
            raise ValueError(msg)
        if self.adapt_images < 0:
            msg = f"adapt_images must be 0 or more, not {self.adapt_images}"
            raise ValueError(msg)


@section
class RebuildSettings:
    """How the generator learns to rebuild real images from latents that the discriminator's trunk reads off them."""

    alone_images: int = setting(
        8_000, "Images at the start in which rebuilding is all there is to learn; the adversarial game follows."
    )
    weight: float = setting(20.0, "Weight of the squared difference per pixel, grey levels in [-1, 1].")
    tolerance: float = setting(
        0.25, "Grey-level difference that does not matter; smaller makes latents tell more of each image."
    )
    coarser: int = setting(
        2, "In the game, squares of so many pixels a side are compared: what is finer is the discriminator's to judge."
    )

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        above_zero(tolerance=self.tolerance, coarser=self.coarser)
        if self.alone_images < 0 or self.weight < 0:
            msg = f"alone_images and weight must be 0 or more, not {self.alone_images} and {self.weight}"
            raise ValueError(msg)


@section
class AliasFreeSettings:
    """StyleGAN-XL's generator: grown from a stem of 16 pixels, twice as large at each stage."""

    preset: str = setting(
        "7/4",
        "Layers of the stem and of each stage grown on it: 7/4 (small or well curated data), 10/7 (published), tiny.",
    )
    filters: str = setting("separable", "separable (3 x 3 convolutions) or radial (1 x 1, rotations too are kept).")

    def __post_init__(self) -> None:
        """Refuse unknown words."""
        one_of("preset", self.preset, PRESETS)
        one_of("filters", self.filters, FILTERS)


@section
class StageSettings:
    """What one stage of a growing generator does otherwise than `gan` says."""

    images: int | None = setting(None, "Budget of this stage.")
    batch_size: int | None = setting(None, "Images per step.")
    part_size: int | None = setting(None, "Images worked on at once.")

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        given = {name: getattr(self, name) for name in ("images", "batch_size", "part_size")}
        above_zero(**{name: value for name, value in given.items() if value is not None})


@section
class GanSettings:
    """The class-conditional generator, its discriminator, and how they are trained."""

    generator: str = setting("residual", "residual (small, fast) or alias-free (StyleGAN-XL's, grown stage by stage).")
    discriminator: str = setting(
        "residual", "residual (learns everything itself) or projected (heads on a frozen feature network)."
    )

    images: int = setting(
        45_000, "Budget: real images shown in training. Raising it later goes on from the saved state."
    )
    seed: int = setting(1, "Seed of initial weights, of the order of images, of latents and of augmentation.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")
    precision: str = setting(
        "auto",
        "Arithmetic of convolutions: bf16 | fp32 | auto (bf16 where the GPU or processor has it, else fp32, as bf16 is "
        "then ten times slower). What auto chose counts as the setting: in the manifest and in the key of the job.",
    )
    batch_size: int = setting(8, "Images per step.")
    part_size: int | None = setting(
        None,
        "Images worked on at once, a divisor of batch_size: less memory, or parts for several processes. What compares "
        "images of a batch sees a part; null for whole batches.",
    )
    compile: bool = setting(
        False,
        "Compile the generator with torch.compile: slower to start, faster where it pays; falls back where it fails.",
    )
    most_bad_steps: int = setting(
        20, "Steps whose gradients are not finite are left out and counted; more of them end the training."
    )
    z_dim: int = setting(64, "Length of the latent z.")
    w_dim: int = setting(128, "Length of the style vector w.")
    mapping_layers: int = setting(2, "Layers of the mapping network from z and class to w.")
    generator_channels: tuple[int, ...] = setting(
        (96, 96, 64, 32, 16), "Channels at 4, 8, 16, ... pixels; the last number serves all larger scales."
    )
    discriminator_channels: tuple[int, ...] = setting((96, 96, 64, 32, 16), "The same for the discriminator.")
    noise: bool = setting(
        False, "Feed noise per pixel, so that w need not describe grain; it is fixed by the image's seed."
    )
    loss: str = setting(
        "nonsaturating",
        "Of the residual discriminator: nonsaturating (logistic, R1 on real images) or relativistic (R1 and R2). The "
        "projected one plays for the hinge loss.",
    )
    gamma: float = setting(1.0, "Weight of the gradient penalties.")
    variety: float = setting(
        1.0,
        "Weight of what log distances between generated images of a class lack of those between real ones, so that "
        "they do not crowd; 0 for none. Without effect where a batch (or part of it) holds no two images of one class.",
    )
    guidance: float = setting(
        0.5,
        "Weight of the encoder's class loss on generated images, so that each shows its class; 0 for none. Without "
        "effect where the encoder may not see labels or there is one class.",
    )
    penalty_every: int = setting(8, "Steps between gradient penalties, which are weighted to make up for it.")
    learning_rate: float = setting(5e-3, "Adam's rate for both networks; layers are scaled to equalise it.")
    beta1: float = setting(0.5, "Adam's first momentum.")
    beta2: float = setting(0.99, "Adam's second momentum.")
    ema_half_life_images: int = setting(5_000, "Images in which the weights' running average forgets half.")
    ema_rampup: float = setting(0.1, "Early on the half-life is at most this share of the images seen so far.")
    mirror: bool = setting(False, "Show images also mirrored left to right: only where both sides occur in nature.")
    rebuild: RebuildSettings = setting(
        RebuildSettings(), "Rebuilding real images, alone at first, then beside the game."
    )
    balance_classes: bool = setting(True, "Show every class equally often, however rare it is.")
    augment: AugmentSettings = setting(AugmentSettings(), "Changes shown to the discriminator.")
    alias_free: AliasFreeSettings = setting(AliasFreeSettings(), "Of the alias-free generator.")
    projected: ProjectedSettings = setting(ProjectedSettings(), "Of the projected discriminator.")
    stages: dict[int, StageSettings] = setting(
        {}, "What stages of a growing generator do otherwise, by their pixels, such as {16: {images: 100000}}."
    )
    init_from: str | None = setting(
        None,
        "Weights to go on from: a generator.safetensors of this or another study, or an imported one. Classes of the "
        "same name go on; a new class starts as the one whose images look most like it.",
    )
    freeze: tuple[str, ...] = setting(
        (), "Beginnings of names of the generator's parameters that stay as they are, such as mapping or blocks.0."
    )
    tick_images: int = setting(5_000, "Images between progress lines, sample grids and scores.")
    evaluate_images: int = setting(1_000, "Samples per score: the domain FID against real validation images.")
    save_every_images: int = setting(5_000, "Images between saved states.")
    publish: str = setting(
        "last",
        "last or best weights: best by that score over the last half of a budget; the encoder's guidance misleads it.",
    )

    def __post_init__(self) -> None:
        """Refuse values with which no training is possible."""
        one_of("generator", self.generator, GENERATORS)
        one_of("discriminator", self.discriminator, DISCRIMINATORS)
        one_of("loss", self.loss, LOSSES)
        one_of("precision", self.precision, PRECISIONS)
        one_of("publish", self.publish, PUBLISH)
        _probability(beta1=self.beta1, beta2=self.beta2)
        if self.part_size is not None and (self.part_size < 1 or self.batch_size % self.part_size):
            msg = f"part_size must divide batch_size {self.batch_size}, but it is {self.part_size}"
            raise ValueError(msg)
        if self.most_bad_steps < 0:
            msg = f"most_bad_steps must be 0 or more, not {self.most_bad_steps}"
            raise ValueError(msg)
        above_zero(
            images=self.images,
            threads=self.threads,
            batch_size=self.batch_size,
            z_dim=self.z_dim,
            w_dim=self.w_dim,
            mapping_layers=self.mapping_layers,
            penalty_every=self.penalty_every,
            learning_rate=self.learning_rate,
            ema_half_life_images=self.ema_half_life_images,
            ema_rampup=self.ema_rampup,
            tick_images=self.tick_images,
            evaluate_images=self.evaluate_images,
            save_every_images=self.save_every_images,
        )
        for name in ("generator_channels", "discriminator_channels"):
            channels = getattr(self, name)
            if not channels or min(channels) < 1:
                msg = f"{name} needs at least one number above 0, not {channels}"
                raise ValueError(msg)


def growth_px(settings: GanSettings, size_px: int) -> tuple[int, ...]:
    """Return the resolutions of the stages before the last one: none, unless the generator grows from its stem.

    >>> growth_px(GanSettings(generator="alias-free"), 64)
    (16, 32)
    """
    if settings.generator != "alias-free" or settings.init_from is not None:
        return ()
    return tuple(STEM_PX << step for step in range(max(0, (size_px // STEM_PX).bit_length() - 1)))


def at_stage(settings: GanSettings, px: int) -> GanSettings:
    """Return the settings of one stage, from which what other stages do is left out."""
    chosen = dataclasses.asdict(settings.stages[px]) if px in settings.stages else {}
    given = {name: value for name, value in chosen.items() if value is not None}
    return dataclasses.replace(settings, stages={}, **given)


@section
class SampleSettings:
    """How many images of each class are made, and how."""

    counts: dict[str, int] | None = setting(None, "Images per class, such as {normal: 500}; null with `match`.")
    match: str | None = setting("train", "train: fill the low fraction up to the full training set, class by class.")
    truncation: float = setting(1.0, "1 = full variety; smaller draws w towards its class's average.")
    centroids: int = setting(
        0, "Truncate towards the nearest of so many centroids of the class's styles; 0 for the class's average."
    )
    seed: int = setting(1, "Seed of the latents.")
    rows_per_shard: int = setting(1_024, "Images per shard.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")
    jobs: int = setting(1, "Jobs that make images side by side, whole shards each; the bytes are the same.")

    def __post_init__(self) -> None:
        """Refuse both or neither of counts and match, and impossible numbers."""
        if not 1 <= self.jobs <= 1000:
            msg = f"jobs must be 1 to 1000, not {self.jobs}"
            raise ValueError(msg)
        if (self.counts is None) == (self.match is None):
            msg = "give either counts or match: train, not both and not neither"
            raise ValueError(msg)
        if self.match is not None:
            one_of("match", self.match, ("train",))
        for name, count in (self.counts or {}).items():
            if count < 0:
                msg = f"counts.{name} must be 0 or more, not {count}"
                raise ValueError(msg)
        if not 0 <= self.truncation <= 1.5:
            msg = f"truncation must lie between 0 and 1.5, not {self.truncation}"
            raise ValueError(msg)
        if self.centroids < 0:
            msg = f"centroids must be 0 or more, not {self.centroids}"
            raise ValueError(msg)
        above_zero(rows_per_shard=self.rows_per_shard, threads=self.threads)
