"""Styles by seed, and the image of one style.

Images are made one at a time: each is then a function of the weights, its style and its noise alone, whatever sheet or
film it stands in. A seed means the same latent in every class, so that a column of a sheet shares it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.gan.kinds import ImageGenerator
from radgen.gan.latent.centroids import Centroids, truncate
from radgen.gan.sampling import to_grey
from radgen.seeds import derive_seed


@dataclass(frozen=True)
class Style:
    """What one image is made from.

    Attributes
    ----------
    w
        A style for each layer, float32 [layers, w_dim].
    noise
        Standard normal numbers, float32 [noise_length].
    """

    w: Tensor
    noise: Tensor


@dataclass(frozen=True)
class Truncation:
    """How far styles are drawn towards a centre.

    Attributes
    ----------
    psi
        1 changes nothing, 0 gives the centre.
    centroids
        The nearest of these is the centre; without them it is the average style of the class.
    """

    psi: float = 1.0
    centroids: Centroids | None = None

    def of(self, generator: ImageGenerator, w: Tensor, class_ids: Tensor) -> Tensor:
        """Draw styles [n, w_dim] of classes [n] towards their centres."""
        if self.centroids is None:
            return truncate(w, generator.mapping.w_avg[class_ids], self.psi)
        return truncate(w, self.centroids.nearest(w, class_ids), self.psi)


@torch.no_grad()
def draw_style(generator: ImageGenerator, class_id: int, seed: int, truncation: Truncation | None = None) -> Style:
    """Return the style of a seed in a class.

    Parameters
    ----------
    generator
        In evaluation mode.
    class_id
        Number of the class.
    seed
        The same seed gives every class the same latent and the same noise.
    truncation
        None keeps the style as it is.
    """
    shape, device = generator.shape, generator.mapping.w_avg.device
    # Drawn on the CPU: the same numbers on every device.
    source = torch.Generator().manual_seed(derive_seed("latent", seed))
    draws = torch.randn(shape.z_dim + generator.noise_length, generator=source).to(device)
    z, noise = draws.split_with_sizes([shape.z_dim, generator.noise_length])
    class_ids = torch.tensor([class_id], device=device)
    w = generator.mapping(z[None], class_ids)
    if truncation is not None:
        w = truncation.of(generator, w, class_ids)
    return Style(w.expand(generator.layers, -1), noise)


@torch.no_grad()
def paint(generator: ImageGenerator, style: Style) -> NDArray[np.uint8]:
    """Make the image of one style: uint8 [C, H, W]."""
    with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
        images, _ = generator.synthesise(style.w[None], style.noise[None])
    return np.asarray(to_grey(images)[0])
