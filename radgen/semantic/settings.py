"""Settings of semantic synthesis: networks that paint images on label maps, and how they are trained."""

from __future__ import annotations

from radgen.settings import above_zero, one_of, section, setting

MODES = ("paired", "unpaired")
PRECISIONS = ("auto", "bf16", "fp32")


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
    image_noise: int = setting(16, "Noise channels that are constant over an image.")
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
        if self.modulation_channels < 1 or min(self.image_noise, self.pixel_noise) < 0:
            msg = (
                f"modulation_channels must be above 0, image_noise and pixel_noise 0 or more, not "
                f"{self.modulation_channels}, {self.image_noise} and {self.pixel_noise}"
            )
            raise ValueError(msg)


SMALL = SemanticNetworkSettings()
# About 10, 22 and 21 million parameters at 64 pixels and 38 labels.
REFERENCE = SemanticNetworkSettings(
    generator_channels=(256, 256, 256, 128, 64, 32),
    modulation_channels=128,
    segmenter_channels=(128, 128, 256, 256, 512, 512),
    discriminator_channels=(128, 512, 512, 512, 512),
    image_noise=32,
    pixel_noise=32,
)


@section
class SemanticSettings:
    """How a generator learns to paint images on label maps."""

    mode: str = setting(
        "paired", "paired: every image has its map (OASIS); unpaired: maps and images of different people (USIS)."
    )
    networks: SemanticNetworkSettings = setting(SMALL, "Sizes of the networks.")
    images: int = setting(20_000, "Budget: maps shown in training.")
    seed: int = setting(1, "Seed of weights, order and noise.")
    batch_size: int = setting(4, "Maps per step.")
    part_size: int | None = setting(None, "Maps worked on at once, a divisor of batch_size; null for whole batches.")
    precision: str = setting("auto", "Arithmetic of convolutions: bf16 | fp32 | auto (bf16 where there is such).")
    generator_rate: float = setting(4e-4, "Adam's rate of the generator.")
    segmenter_rate: float = setting(4e-4, "Adam's rate of the segmenter.")
    discriminator_rate: float = setting(1e-3, "Adam's rate of the wavelet discriminator.")
    beta1: float = setting(0.0, "Adam's first momentum.")
    beta2: float = setting(0.999, "Adam's second momentum.")
    segmentation: float = setting(1.0, "Weight of the segmenter's verdict on generated images, in the unpaired mode.")
    label_mix: float = setting(5.0, "Weight of LabelMix, in the paired mode; 0 for none.")
    penalty: float = setting(10.0, "Weight of R1 (times one half), in the unpaired mode.")
    penalty_every: int = setting(16, "Steps between penalties, which are weighted to make up for it.")
    mask: float = setting(0.0, "Weight of the mask loss: body of the image against body of the map; 0 for none.")
    mask_threshold: float = setting(-0.8, "Grey level in [-1, 1] above which a pixel belongs to the body.")
    mask_softness: float = setting(0.1, "Grey levels over which the threshold is spread.")
    outside_ids: tuple[int, ...] = setting((0,), "Labels that are not body; what is unlabelled is left out.")
    ema_half_life_images: int = setting(5_000, "Images in which the weights' running average forgets half.")
    ema_rampup: float = setting(0.1, "Early on the half-life is at most this share of the images seen so far.")

    def __post_init__(self) -> None:
        """Refuse values with which no training is possible."""
        one_of("mode", self.mode, MODES)
        one_of("precision", self.precision, PRECISIONS)
        for name in (
            "images",
            "batch_size",
            "generator_rate",
            "segmenter_rate",
            "discriminator_rate",
            "penalty_every",
            "mask_softness",
            "ema_half_life_images",
            "ema_rampup",
        ):
            above_zero(**{name: getattr(self, name)})
        for name in ("segmentation", "label_mix", "penalty", "mask"):
            if getattr(self, name) < 0:
                msg = f"{name} must be 0 or more, not {getattr(self, name)}"
                raise ValueError(msg)
        if self.part_size is not None and (self.part_size < 1 or self.batch_size % self.part_size):
            msg = f"part_size must divide batch_size {self.batch_size}, but it is {self.part_size}"
            raise ValueError(msg)
