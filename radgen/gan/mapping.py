"""From latent and class to style: the mapping network, its space W, and the average style of each class."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from radgen.gan.layers import ACTIVATION_GAIN, EqualLinear, activate, normalise

MAPPING_RATE = 0.1  # the mapping network learns slower than the rest, as its output scales every layer
CLASS_SHARE = 0.5  # length of the class embedding as a share of z
AVERAGE_DECAY = 0.998  # per image, as in StyleGAN-XL's per-class average


class ClassAverages(nn.Module):
    """What every mapping network keeps of the styles it made: the running average of each class.

    Parameters
    ----------
    classes
        Number of classes.
    w_dim
        Length of a style.

    Attributes
    ----------
    w_avg
        Buffer [classes, w_dim]: running average style of each class, towards which truncation draws.
    """

    w_avg: Tensor

    def __init__(self, classes: int, w_dim: int) -> None:
        super().__init__()
        self.register_buffer("w_avg", torch.zeros(classes, w_dim))

    def truncate(self, w: Tensor, class_ids: Tensor, truncation: float) -> Tensor:
        """Draw styles towards their class's average: 0 gives the average, 1 changes nothing."""
        average = self.w_avg[class_ids]
        return average + truncation * (w - average)

    @torch.no_grad()
    def track(self, w: Tensor, class_ids: Tensor) -> None:
        """Move each class's running average towards the styles of this batch that belong to it."""
        for class_id in torch.unique(class_ids).tolist():
            styles = w[class_ids == class_id].float()
            decay = AVERAGE_DECAY ** len(styles)
            self.w_avg[class_id].lerp_(styles.mean(dim=0), 1 - decay)


class Mapping(ClassAverages):
    """Map a latent z and a class to a style w.

    Parameters
    ----------
    z_dim, w_dim
        Lengths of z and w.
    classes
        Number of classes.
    layers
        Fully connected layers after latent and class embedding are joined.
    """

    def __init__(self, z_dim: int, w_dim: int, classes: int, layers: int) -> None:
        super().__init__(classes, w_dim)
        # Shorter than z: a class that fills most of the input leaves little variety within it.
        length = max(1, round(z_dim * CLASS_SHARE))
        self.embedding = nn.Parameter(torch.randn(classes, length))
        sizes = [z_dim + length] + [w_dim] * layers
        self.layers = nn.ModuleList(
            EqualLinear(inputs, outputs, gain=ACTIVATION_GAIN, rate=MAPPING_RATE)
            for inputs, outputs in itertools.pairwise(sizes)
        )

    def forward(self, z: Tensor, class_ids: Tensor) -> Tensor:
        """Map z [n, z_dim] and class ids [n] to w [n, w_dim]."""
        with torch.autocast(z.device.type, enabled=False):
            w = torch.cat([normalise(z), normalise(self.embedding[class_ids])], dim=1)
            for layer in self.layers:
                w = activate(layer(w))
        return w
