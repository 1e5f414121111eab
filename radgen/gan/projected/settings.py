"""Settings of the projected discriminator."""

from __future__ import annotations

from radgen.settings import section, setting

TORCHVISION = ("resnet50", "densenet121", "inception_v3")
TIMM_PREFIX = "timm:"
ENCODER = "encoder"


@section
class ProjectedSettings:
    """The frozen feature network a discriminator looks through, how its maps are mixed, and the heads that judge."""

    network: str = setting(
        ENCODER,
        "encoder (the domain's own), resnet50, densenet121, inception_v3, or timm:NAME, such as "
        "timm:tf_efficientnet_lite0.",
    )
    weights: str = setting(
        "", "File with that network's weights, safetensors or .pt without code; its digest counts and not its place."
    )
    mean: tuple[float, ...] = setting(
        (), "Mean of red, green and blue the network was trained with, grey levels in [0, 1]; empty for its usual one."
    )
    std: tuple[float, ...] = setting((), "Standard deviations likewise.")
    input_px: int = setting(
        0, "Side to which images are resized for the network; 0 keeps them, or takes the one side it accepts."
    )
    scales: int = setting(4, "Feature maps at falling scales, one head each; small images have fewer.")
    channels: int = setting(32, "Channels of the finest mixed map; each coarser one has twice as many.")
    head_width: int = setting(32, "Channels of a head at 32 pixels and above; twice at 16, four times at 8 and below.")
    blur_sigma_px: float = setting(2.0, "Standard deviation of the blur that early images are shown with.")
    blur_images: int = setting(8_000, "Images over which the blur falls to none.")
    seed: int = setting(1, "Seed of the random mixing and of the heads' first weights.")

    def __post_init__(self) -> None:
        """Refuse a network nobody knows, weights that do not belong, and impossible numbers."""
        if self.network != ENCODER and self.network not in TORCHVISION and not self.network.startswith(TIMM_PREFIX):
            allowed = ", ".join((ENCODER, *TORCHVISION, f"{TIMM_PREFIX}NAME"))
            msg = f"network must be one of {allowed}, not {self.network!r}"
            raise ValueError(msg)
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in {0, 3}:
                msg = f"{name} needs three numbers or none, not {getattr(self, name)}"
                raise ValueError(msg)
        if any(not value > 0 for value in self.std):
            msg = f"std must be above 0, not {self.std}"
            raise ValueError(msg)
        for name in ("scales", "channels", "head_width"):
            if getattr(self, name) < 1:
                msg = f"{name} must be 1 or more, not {getattr(self, name)}"
                raise ValueError(msg)
        for name in ("input_px", "blur_sigma_px", "blur_images"):
            if getattr(self, name) < 0:
                msg = f"{name} must be 0 or more, not {getattr(self, name)}"
                raise ValueError(msg)
