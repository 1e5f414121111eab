"""Settings of the scores by which synthetic images are judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from radgen.gan.projected.settings import TIMM_PREFIX, TORCHVISION
from radgen.settings import section, setting


@section
class NetworkSettings:
    """A published network by which sets are compared too, its weights in a file."""

    network: str = setting("resnet50", "resnet50, densenet121, inception_v3 of torchvision, or timm:NAME.")
    weights: str = setting(
        "", "File of its weights, safetensors or .pt without code; its digest counts, not its place."
    )
    input_px: int = setting(224, "Side to which images are resized for it; 0 keeps them.")

    def __post_init__(self) -> None:
        """Refuse a network nobody knows."""
        if self.network not in TORCHVISION and not self.network.startswith(TIMM_PREFIX):
            msg = f"network must be one of {', '.join((*TORCHVISION, TIMM_PREFIX + 'NAME'))}, not {self.network!r}"
            raise ValueError(msg)


@section
class MetricsSettings:
    """How synthetic images are compared with held-out real ones by the judge."""

    images: int = setting(5_000, "Most images of each side that enter a score.")
    neighbours: int = setting(5, "k of precision, recall, density and coverage.")
    kid_subsets: int = setting(50, "Random subsets whose spread is the interval of KID.")
    kid_subset_images: int = setting(200, "Images of one subset; at most half of what there is.")
    copy_quantile: float = setting(
        0.01,
        "A sample counts as near copy when it is nearer to a training image than this share of held-out real ones.",
    )
    resamples: int = setting(100, "Draws of patients behind the interval of a score.")
    inception_weights: str = setting(
        "",
        "File pt_inception-2015-12-05-6726825d.pth of pytorch-fid; with it, FID is given beside the judge's distance.",
    )
    alexnet_weights: str = setting(
        "", "File alexnet-owt-7be5be79.pth of torchvision; with it, semantic pairs have a distance in its features too."
    )
    lpips_weights: str = setting("", "File alex.pth of LPIPS, version 0.1: its weights of AlexNet's channels.")
    networks: dict[str, NetworkSettings] = setting({}, "Further networks by name, such as radimagenet or dinov2.")
    radiomics: bool = setting(True, "Give a Frechet distance over first-order and texture features too.")
    seed: int = setting(3, "Seed of every random choice of images.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    @property
    def weights(self) -> dict[str, Path]:
        """Files of weights by the name of their network; those of no file are left out."""
        named = {"inception": self.inception_weights, **{name: own.weights for name, own in self.networks.items()}}
        return {name: Path(path) for name, path in named.items() if path}

    @property
    def pair_weights(self) -> dict[str, Path]:
        """Files of weights that compare pairs of images, by name; those that are not given are left out."""
        named = {"alexnet": self.alexnet_weights, "lpips": self.lpips_weights}
        return {name: Path(path) for name, path in named.items() if path}

    def without_places(self) -> MetricsSettings:
        """Leave out where weights lie: their digests count, among the inputs."""
        networks = {name: replace(network, weights="") for name, network in self.networks.items()}
        return replace(self, inception_weights="", alexnet_weights="", lpips_weights="", networks=networks)

    def __post_init__(self) -> None:
        """Refuse numbers with which no score is defined."""
        for name in ("images", "neighbours", "kid_subsets", "kid_subset_images", "resamples", "threads"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, not {getattr(self, name)}"
                raise ValueError(msg)
        if self.kid_subset_images < 2:
            msg = f"kid_subset_images must be at least 2, not {self.kid_subset_images}"
            raise ValueError(msg)
        if not 0 < self.copy_quantile < 1:
            msg = f"copy_quantile must lie between 0 and 1, not {self.copy_quantile}"
            raise ValueError(msg)
        if self.lpips_weights and not self.alexnet_weights:
            msg = "lpips_weights weigh AlexNet's channels; give alexnet_weights too"
            raise ValueError(msg)
        taken = sorted({"judge", "inception", "radiomics"} & set(self.networks))
        if taken:
            msg = f"networks: the name {taken[0]!r} is taken; choose another"
            raise ValueError(msg)
