"""Settings of semantic synthesis: networks that paint images on label maps, and how they are trained."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from radgen.settings import above_zero, one_of, section, setting

SIDE_STEP_PX = 32  # sides are multiples of it: the networks halve them five times
MODES = ("paired", "unpaired")
PRECISIONS = ("auto", "bf16", "fp32")
PUBLISH = ("best", "last")
BEST = ("domain_fid", "dice")
WHERE = ("image", "body")
ALONG = ("slice", "case")
SURROUNDINGS_FROM = ("map", "images")
START = ("best", "last")
STUDY_MAPS = ("learnt", "val", "test")
MOST_GROUPS = 8


@section
class SemanticNetworkSettings:
    """Sizes of the three networks."""

    generator_channels: tuple[int, ...] = setting(
        (64, 64, 48, 32, 24, 16), "Channels from the smallest scale (1/32 of a side) to the full one."
    )
    modulation_channels: int = setting(32, "Hidden channels between the map and the scales and shifts it gives.")
    segmenter_channels: tuple[int, ...] = setting(
        (24, 32, 48, 64, 64), "Channels of the U-Net, full size first; each further number halves the sides."
    )
    discriminator_channels: tuple[int, ...] = setting(
        (32, 64, 64, 64, 64), "Of the unpaired mode's wavelet discriminator, half size first, 1/32 of a side last."
    )
    image_noise: int = setting(8, "Noise channels that are constant over an image.")
    region_noise: int = setting(8, "Noise channels that change slowly over an image.")
    pixel_noise: int = setting(16, "Noise channels that differ from pixel to pixel.")
    wavelet: bool = setting(False, "Let the generator work on Haar coefficients.")

    def __post_init__(self) -> None:
        """Refuse networks of no or another depth, and a generator without noise."""
        lengths = {"generator_channels": 6, "discriminator_channels": 5}
        for name in ("generator_channels", "segmenter_channels", "discriminator_channels"):
            channels = getattr(self, name)
            if not channels or min(channels) < 1 or len(channels) != lengths.get(name, len(channels)):
                msg = f"{name} needs {lengths.get(name, 'some')} numbers above 0, not {channels}"
                raise ValueError(msg)
        if not 1 <= len(self.segmenter_channels) <= 6:
            msg = (
                f"segmenter_channels takes 1 to 6 numbers, as sides are multiples of 32, not {self.segmenter_channels}"
            )
            raise ValueError(msg)
        noise = self.image_noise, self.region_noise, self.pixel_noise
        if self.modulation_channels < 1 or min(noise) < 0:
            msg = (
                f"modulation_channels must be above 0, image_noise, region_noise and pixel_noise 0 or more, not "
                f"{self.modulation_channels} and {', '.join(map(str, noise))}"
            )
            raise ValueError(msg)


SMALL = SemanticNetworkSettings()
# About 10, 22 and 21 million parameters at 64 pixels and 38 labels.
REFERENCE = SemanticNetworkSettings(
    generator_channels=(256, 256, 256, 128, 64, 32),
    modulation_channels=128,
    segmenter_channels=(128, 128, 256, 256, 512, 512),
    discriminator_channels=(128, 512, 512, 512, 512),
    image_noise=24,
    region_noise=8,
    pixel_noise=32,
)


@section
class SemanticSourceSettings:
    """What one source of kind semantic does otherwise than `semantic` says; null leaves it as it is there."""

    mode: str | None = setting(None, "paired or unpaired.")
    images: int | None = setting(None, "Budget: maps shown in training.")
    maps: str | None = setting(None, "Folder of imported or drawn label maps.")
    map_modality: str | None = setting(None, "Modality of the slices whose masks are maps.")
    image_modality: str | None = setting(None, "Modality of the images.")
    image_split: str | None = setting(None, "The split whose images are learnt.")
    balance_power: float | None = setting(None, "How much rare labels count.")
    variety: float | None = setting(None, "How hard images of one map are driven apart.")
    variety_ramp_images: int | None = setting(None, "Maps over which that grows from nothing.")
    mask: float | None = setting(None, "Weight of the mask loss.")
    generated_label: bool | None = setting(
        None, "Whether the paired mode's segmenter has a label for generated pixels."
    )
    surroundings: int | None = setting(None, "Groups of grey levels that background is told apart by.")
    surroundings_from: str | None = setting(None, "Whose image tells surroundings apart in training: map, or images.")
    init_from: str | None = setting(None, "Weights to go on from.")


@section
class SemanticSettings:
    """How a generator learns to paint images on label maps, and which weights are published."""

    mode: str = setting(
        "paired", "paired: every image has its map (OASIS); unpaired: maps and images of different people (USIS)."
    )
    maps: str | None = setting(
        None, "Unpaired: folder of label maps that import-maps or semantic-maps wrote; null for the study's own masks."
    )
    map_modality: str | None = setting(
        None, "Only masks of slices of this modality are maps, such as CT; null for all."
    )
    image_modality: str | None = setting(None, "Only images of this modality are learnt, such as MR; null for all.")
    image_split: str | None = setting(
        None,
        "Unpaired: the split whose images are learnt, such as generator, where people are dealt by hand; null for that "
        "of the maps, whose patients are then dealt to the two sides.",
    )
    surroundings: int = setting(
        0,
        "Groups of grey levels into which the background of a map is told apart by the map's own image, for masks that "
        "name little of what a picture shows: 2 to 8; 0 leaves background one label. They are found and not drawn: no "
        "sample's mask holds them.",
    )
    surroundings_blur_px: float = setting(1.0, "Standard deviation of the Gaussian that smooths that image before.")
    surroundings_padding: bool = setting(
        False,
        "Whether black around a crop keeps the background's label for itself, so that dark tissue has another one.",
    )
    surroundings_from: str = setting(
        "map",
        "Whose image tells them apart in training: map (its own), or images (unpaired: one of side B, of the map's "
        "class where classes are by position, drawn anew each time): masks of few people stand in the anatomy of many.",
    )
    networks: SemanticNetworkSettings = setting(SMALL, "Sizes of the networks.")
    images: int = setting(20_000, "Budget: maps shown in training. Raising it later goes on from the saved state.")
    seed: int = setting(1, "Seed of weights, order and noise.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")
    batch_size: int = setting(4, "Maps per step.")
    part_size: int | None = setting(None, "Maps worked on at once, a divisor of batch_size; null for whole batches.")
    precision: str = setting("auto", "Arithmetic of convolutions: bf16 | fp32 | auto (bf16 where there is such).")
    balance: bool = setting(
        True, "Paired mode: let labels take turns, so that maps of a rare one come as often as others."
    )
    balance_power: float = setting(
        1.0,
        "Pixels of a label count by the inverse of its share to this power: 1 for all labels alike, 0 for all pixels.",
    )
    generator_rate: float = setting(4e-4, "Adam's rate of the generator.")
    segmenter_rate: float = setting(4e-4, "Adam's rate of the segmenter.")
    discriminator_rate: float = setting(1e-3, "Adam's rate of the wavelet discriminator.")
    beta1: float = setting(0.0, "Adam's first momentum.")
    beta2: float = setting(0.999, "Adam's second momentum.")
    segmentation: float = setting(1.0, "Weight of the segmenter's verdict on generated images, in the unpaired mode.")
    generated_label: bool = setting(
        True, "Paired mode: one label more, for generated pixels. Without it nothing tells real from generated."
    )
    label_mix: float = setting(5.0, "Weight of LabelMix, in the paired mode; 0 for none.")
    penalty: float = setting(10.0, "Weight of R1 (times one half), in the unpaired mode.")
    penalty_every: int = setting(16, "Steps between penalties, which are weighted to make up for it.")
    variety: float = setting(
        0.0,
        "How hard two images of one map are driven apart in shading, as a share of the judges' push; 0: not at all.",
    )
    variety_ramp_images: int = setting(
        2_000, "Maps over which that share grows from nothing, as the first pushes of judges are long; 0: at once."
    )
    variety_most: float = setting(
        0.3, "Distance of two images of one map, in shading (0 to 2), beyond which nothing is gained."
    )
    variety_where: str = setting(
        "image",
        "Where shading is looked at: image, or body (labels but outside_ids). Where no mask loss keeps the air black, "
        "images of one map would differ in it, as that costs least.",
    )
    mask: float = setting(
        0.0, "Weight of the mask loss: body of the image against body of the map (structures.body); 0 for none."
    )
    mask_threshold: float = setting(-0.8, "Grey level in [-1, 1] above which a pixel belongs to the body.")
    mask_softness: float = setting(0.1, "Grey levels over which the threshold is spread.")
    outside_ids: tuple[int, ...] = setting((0,), "Labels that are not body; what is unlabelled is left out.")
    ema_half_life_images: int = setting(5_000, "Images in which the weights' running average forgets half.")
    ema_rampup: float = setting(0.1, "Early on the half-life is at most this share of the images seen so far.")
    most_bad_steps: int = setting(
        20, "Steps whose gradients are not finite are left out and counted; more of them end the training."
    )
    init_from: str | None = setting(
        None,
        "Weights of a generator to go on from: a file, or best or last of another source of the study, such as "
        "paired/best. Its judges are learnt anew.",
    )
    tick_images: int = setting(4_000, "Images between progress lines, pictures and scores.")
    evaluate_maps: int = setting(200, "Validation maps on which images are scored at ticks.")
    samples_per_map: int = setting(4, "Images of one map whose likeness (MS-SSIM) tells of variety; for up to 16 maps.")
    save_every_images: int = setting(4_000, "Images between saved states.")
    publish: str = setting("best", "best or last weights.")
    best: str = setting(
        "domain_fid",
        "What best means, on validation patients, over the last half of the budget: domain_fid (the encoder's Frechet "
        "distance, lowest) or dice (of the annotator's masks of images with their maps, highest).",
    )
    sources: dict[str, SemanticSourceSettings] = setting({}, "What single sources do otherwise, by name.")

    def __post_init__(self) -> None:
        """Refuse values with which no training is possible."""
        words = {"mode": MODES, "precision": PRECISIONS, "publish": PUBLISH, "best": BEST, "variety_where": WHERE}
        words |= {"surroundings_from": SURROUNDINGS_FROM}
        for name, allowed in words.items():
            one_of(name, getattr(self, name), allowed)
        for name in (
            "images",
            "threads",
            "batch_size",
            "generator_rate",
            "segmenter_rate",
            "discriminator_rate",
            "penalty_every",
            "mask_softness",
            "variety_most",
            "ema_half_life_images",
            "ema_rampup",
            "tick_images",
            "evaluate_maps",
            "save_every_images",
        ):
            above_zero(**{name: getattr(self, name)})
        for name in (
            "balance_power",
            "segmentation",
            "variety",
            "variety_ramp_images",
            "label_mix",
            "penalty",
            "mask",
            "most_bad_steps",
            "surroundings_blur_px",
        ):
            if getattr(self, name) < 0:
                msg = f"{name} must be 0 or more, not {getattr(self, name)}"
                raise ValueError(msg)
        if self.samples_per_map < 2:
            msg = f"samples_per_map must be at least 2, not {self.samples_per_map}: one image has nothing to vary from"
            raise ValueError(msg)
        if self.part_size is not None and (self.part_size < 1 or self.batch_size % self.part_size):
            msg = f"part_size must divide batch_size {self.batch_size}, but it is {self.part_size}"
            raise ValueError(msg)
        if self.surroundings not in (0, *range(2, MOST_GROUPS + 1)):
            msg = f"surroundings must be 0 for none, or 2 to {MOST_GROUPS} groups, not {self.surroundings}"
            raise ValueError(msg)
        if self.maps is not None and self.surroundings:
            msg = (
                f"maps is {self.maps!r}, but surroundings is {self.surroundings}: maps of a folder have no images to "
                "tell their background apart by; set surroundings: 0"
            )
            raise ValueError(msg)
        if self.surroundings_from == "images":
            self._refuse_to_borrow()
        if self.maps is not None and self.mode == "paired":
            msg = f"maps is {self.maps!r}, but mode is paired: maps of a folder have no images; set mode: unpaired"
            raise ValueError(msg)

    def _refuse_to_borrow(self) -> None:
        """Refuse surroundings of other images where there are none, or none that can be told apart alike."""
        if self.mode == "paired" or not self.surroundings:
            msg = (
                f"surroundings_from is images, but mode is {self.mode} and surroundings {self.surroundings}: other "
                "images lend surroundings in the unpaired mode, where some are told apart; set surroundings_from: map"
            )
            raise ValueError(msg)
        if self.map_modality != self.image_modality:
            msg = (
                f"surroundings_from is images, but maps are of modality {self.map_modality} and images of "
                f"{self.image_modality}: their grey levels are not told apart alike; set surroundings_from: map"
            )
            raise ValueError(msg)


Settings = TypeVar("Settings", "SemanticSettings", "SemanticSampleSettings")


def at_source(settings: Settings, source: str) -> Settings:
    """Return the settings of one source, from which what other sources do is left out.

    >>> at_source(SemanticSettings(sources={"two": SemanticSourceSettings(mode="unpaired")}), "two").mode
    'unpaired'
    """
    chosen = dataclasses.asdict(settings.sources[source]) if source in settings.sources else {}
    given = {name: value for name, value in chosen.items() if value is not None}
    return dataclasses.replace(settings, sources={}, **given)


def maps_modality(mode: str | None, map_modality: str | None, image_modality: str | None) -> str | None:
    """Return the modality of the slices whose masks are maps; None where any is: of pairs it is that of their images.

    >>> maps_modality("paired", None, "MR"), maps_modality("unpaired", None, "MR")
    ('MR', None)
    """
    return map_modality or (image_modality if mode == "paired" else None)


def started_from(init_from: str | None, sources: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the source and which of its weights `init_from` names; None where it names a file or nothing.

    >>> started_from("paired/best", ("paired",)), started_from("old/generator.safetensors", ("paired",))
    (('paired', 'best'), None)
    """
    source, _, which = (init_from or "").partition("/")
    return (source, which) if source in sources and which in START else None


@section
class SemanticSampleSourceSettings:
    """What images of one source are made with otherwise than `semantic_sample` says; null leaves it as it is there."""

    region_spread: float | None = setting(None, "Factor on the noise that changes slowly over an image.")
    surroundings_from: str | None = setting(None, "Whose image gives a map its surroundings: map, or images.")


@section
class SemanticSampleSettings:
    """On which label maps images are made, how many, and how."""

    maps: str = setting(
        "learnt",
        "learnt (maps the source learnt from), val, test, or a folder of import-maps, semantic-maps or pairs.",
    )
    most_maps: int = setting(
        500, "At most so many maps, spread evenly over all; those of background alone are left out."
    )
    per_map: int = setting(2, "Images of each map.")
    along: str = setting(
        "slice", "slice: each has noise of its own; case: slices of a case share it, so that a volume hangs together."
    )
    seed: int = setting(1, "Seed of the noise.")
    region_spread: float = setting(
        1.0,
        "Factor on the noise that changes slowly over an image. Above 1 images of a map differ more in shading than "
        "in training; too much leaves what was learnt.",
    )
    surroundings_from: str = setting(
        "map",
        "Whose image gives a map its surroundings, where they are told apart: map (its own), or images (one that the "
        "generator learnt, of the map's class where classes are by position, drawn for each image): few maps give "
        "images of many anatomies.",
    )
    precision: str = setting(
        "fp32",
        "Arithmetic of convolutions: fp32 | bf16 | auto (bf16 where there is such: twice as fast, of other grey levels "
        "by up to a few).",
    )
    rows_per_shard: int = setting(1_024, "Images per shard.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")
    sources: dict[str, SemanticSampleSourceSettings] = setting({}, "What single sources do otherwise, by name.")

    def __post_init__(self) -> None:
        """Refuse impossible numbers and unknown words."""
        one_of("along", self.along, ALONG)
        one_of("surroundings_from", self.surroundings_from, SURROUNDINGS_FROM)
        if self.surroundings_from == "images" and (self.along, self.maps) != ("slice", "learnt"):
            msg = (
                f"surroundings_from is images, but along is {self.along} and maps are {self.maps}: images that were "
                "learnt lend surroundings to single slices that were learnt; set along: slice and maps: learnt, or "
                "surroundings_from: map"
            )
            raise ValueError(msg)
        one_of("precision", self.precision, PRECISIONS)
        for name in ("most_maps", "per_map", "region_spread", "rows_per_shard", "threads"):
            above_zero(**{name: getattr(self, name)})
