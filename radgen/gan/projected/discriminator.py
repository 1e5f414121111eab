"""The projected discriminator, and how it is built from settings."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.features.network import FeatureNetwork
from radgen.gan.kinds import Shape
from radgen.gan.projected.backbones import load_backbone
from radgen.gan.projected.embedding import first_embeddings
from radgen.gan.projected.features import FeatureMaps
from radgen.gan.projected.heads import Head
from radgen.gan.projected.mixing import Mixing
from radgen.gan.projected.settings import ProjectedSettings
from radgen.seeds import derive_seed

EMBEDDING = 64  # length of a class's embedding where no class means are given


class ProjectedDiscriminator(nn.Module):
    """Heads on randomly mixed maps of a frozen feature network.

    Only heads and class embeddings are parameters, and only they and the mixing are in the state.

    Source: Sauer et al. 2021, "Projected GANs converge faster"; Sauer et al. 2022, "StyleGAN-XL", section 3.1.

    Parameters
    ----------
    features
        The frozen network.
    classes
        Number of classes.
    settings
        Channels, width of heads and seed.
    class_means
        Mean features of each class, float64 [classes, D], with which embeddings begin; None for random ones.
    """

    def __init__(
        self,
        features: FeatureMaps,
        classes: int,
        settings: ProjectedSettings,
        class_means: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        channels = [shape[0] for shape in features.shapes]
        self.mixing = Mixing(channels, features.magnitudes, settings.channels, settings.seed)
        sizes = [2 * features.shapes[0][1], *(shape[1] for shape in features.shapes[:-1])]
        table = first_embeddings(classes, EMBEDDING, class_means, settings.seed)
        self.embedding = nn.Parameter(table)
        with torch.random.fork_rng(devices=[]):  # layers draw from the global state, which stays as it was
            torch.manual_seed(derive_seed("projected", settings.seed, "heads"))
            self.heads = nn.ModuleList(
                Head(count, size, settings.head_width, table.shape[1])
                for count, size in zip(self.mixing.channels, sizes, strict=True)
            )

    def project(self, images: Tensor) -> list[Tensor]:
        """Map images [n, C, H, W] in [-1, 1] to mixed maps [n, c, h, w], finest first; nothing here is trained."""
        maps: list[Tensor] = self.mixing(self.features(images))
        return maps

    def judge(self, maps: list[Tensor], class_ids: Tensor) -> list[Tensor]:
        """Map mixed maps and stated classes [n] to each head's float32 logits [n, k], above 0 for real."""
        embeddings = self.embedding[class_ids]
        return [head(x, embeddings) for head, x in zip(self.heads, maps, strict=True)]

    def forward(self, images: Tensor, class_ids: Tensor) -> list[Tensor]:
        """Judge images [n, C, H, W] in [-1, 1] of stated classes [n]: each head's logits [n, k]."""
        return self.judge(self.project(images), class_ids)

    def facts(self) -> dict[str, object]:
        """Return what a manifest should say: digest of the frozen weights, shapes of the maps, trained parameters."""
        return {
            "feature_weights": self.features.digest,
            "maps": [list(shape) for shape in self.features.shapes],
            "trained_parameters": sum(parameter.numel() for parameter in self.parameters()),
        }


def build_projected(
    shape: Shape,
    settings: ProjectedSettings,
    *,
    encoder: FeatureNetwork | None = None,
    class_means: NDArray[np.float64] | None = None,
) -> ProjectedDiscriminator:
    """Build the discriminator that settings ask for, on the CPU.

    Parameters
    ----------
    shape
        Of the generator it plays against.
    settings
        Of the discriminator.
    encoder
        The domain encoder, where that is the feature network.
    class_means
        See `ProjectedDiscriminator`.

    Raises
    ------
    ConfigError
        A file or package is missing, images do not fit, or class means are of another number of classes.
    CheckpointError
        The file does not hold the network's weights.
    """
    if class_means is not None and len(class_means) != shape.classes:
        msg = f"class means are of {len(class_means)} classes, but the generator has {shape.classes}; take them anew"
        raise ConfigError(msg)
    features = FeatureMaps(
        load_backbone(settings, encoder),
        shape.image_channels,
        shape.resolution,
        scales=settings.scales,
        input_px=settings.input_px,
    )
    return ProjectedDiscriminator(features, shape.classes, settings, class_means)
