"""From latent and class to style, with one average style for each class.

Source: Sauer et al. 2022, "StyleGAN-XL", section 3.1 (pretrained class embeddings).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from radgen.gan.aliasfree.schedule import AliasFreeShape
from radgen.gan.layers import ACTIVATION_GAIN, EqualLinear, activate, normalise
from radgen.gan.mapping import ClassAverages

RATE = 0.01  # share of the learning rate
LAYERS = 2


class EmbeddedMapping(ClassAverages):
    """Map a latent and a class to a style by way of the class's embedding.

    Parameters
    ----------
    shape
        Of the generator.
    embeddings
        One row [classes, embedding_dim] for each class, such as its mean feature in a domain encoder; they learn on.
        Standard normal numbers without.
    """

    def __init__(self, shape: AliasFreeShape, embeddings: Tensor | None = None) -> None:
        super().__init__(shape.classes, shape.w_dim)
        inputs = shape.z_dim
        self.embedding: nn.Parameter | None = None
        if shape.embedding_dim:
            if embeddings is None:
                embeddings = torch.randn(shape.classes, shape.embedding_dim)
            self.embedding = nn.Parameter(embeddings.detach().float().clone())
            self.project = EqualLinear(shape.embedding_dim, shape.z_dim, gain=ACTIVATION_GAIN)
            inputs += shape.z_dim
        lengths = [inputs, *[shape.w_dim] * LAYERS]
        self.layers = nn.ModuleList(
            EqualLinear(one, two, gain=ACTIVATION_GAIN, rate=RATE) for one, two in itertools.pairwise(lengths)
        )

    def forward(self, z: Tensor, class_ids: Tensor) -> Tensor:
        """Map z [n, z_dim] and class ids [n] to w [n, w_dim]."""
        with torch.autocast(z.device.type, enabled=False):
            w = normalise(z)
            if self.embedding is not None:
                w = torch.cat([w, normalise(activate(self.project(self.embedding[class_ids])))], dim=1)
            for layer in self.layers:
                w = activate(layer(w))
        return w
