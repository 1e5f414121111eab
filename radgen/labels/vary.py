"""Other styles for the generator's fine layers: other grain and contrast of the same picture, so its mask stays."""

from __future__ import annotations

import torch
from torch import Tensor

from radgen.gan.sampling import Sampler
from radgen.labels.settings import LabelHeadSettings


@torch.no_grad()
def vary_styles(
    sampler: Sampler, w: Tensor, class_ids: Tensor, settings: LabelHeadSettings, random: torch.Generator
) -> Tensor:
    """Mix and stretch the styles of the last layers; all other layers keep theirs.

    Parameters
    ----------
    sampler
        Of the generator.
    w
        Styles [n, w_dim].
    class_ids
        int64 [n].
    settings
        Which layers, how often and how far.
    random
        Source of all random numbers, on the CPU.

    Returns
    -------
    Styles [n, layers, w_dim].

    Notes
    -----
    Source: Karras et al. 2019, "A style-based generator" (arXiv 1812.04948), section 3.1 for mixing, appendix B for
    truncation of chosen layers.
    """
    generator = sampler.generator
    fine = min(settings.fine_layers, generator.layers - 1)
    latents = torch.randn(len(w), generator.shape.z_dim, generator=random).to(w.device)
    mixed = (torch.rand(len(w), generator=random) < settings.mixing).to(w.device)
    reach = (2 * torch.rand(len(w), generator=random) - 1) * settings.truncation_jitter
    other = torch.where(mixed[:, None], sampler.styles(latents, class_ids), w)
    average = generator.mapping.w_avg[class_ids]
    other = average + (1 + reach[:, None].to(w.device)) * (other - average)
    styles = w[:, None].repeat(1, generator.layers, 1)
    if fine:
        styles[:, -fine:] = other[:, None]
    return styles
