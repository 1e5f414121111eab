"""Which genes shape a nodule: derivatives of what a picture measures, back through generator and encoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.gan.sampling import from_grey
from radgen.radiogenomic.synthesis.networks import Drawn, draw_noise
from radgen.radiogenomic.synthesis.sampling import RadiogenomicSampler

MEASURES = ("area", "density", "edge")
"""Share of the picture that the mask covers; mean grey under it; length of its edge as a share of the picture."""


def measures(drawn: Drawn) -> Tensor:
    """Measure nodules, differentiably: float32 [n, 3] in the order of `MEASURES`, greys and covers from 0 to 1."""
    cover = (drawn.mask + 1) / 2
    area = cover.sum(dim=(1, 2, 3))
    density = ((drawn.image + 1) / 2 * cover).sum(dim=(1, 2, 3)) / area.clamp(min=1)
    down = (cover[..., 1:, :-1] - cover[..., :-1, :-1]).square()
    across = (cover[..., :-1, 1:] - cover[..., :-1, :-1]).square()
    edge = (down + across + 1e-8).sqrt().sum(dim=(1, 2, 3))
    pixels = cover[0].numel()
    return torch.stack([area / pixels, density, edge / pixels], dim=1)


def gene_saliency(
    sampler: RadiogenomicSampler, profiles: NDArray[np.float32], backgrounds: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return how much each gene moves each measure.

    Parameters
    ----------
    sampler
        Whose generator is asked.
    profiles
        Of some patients, float32 [patients, genes].
    backgrounds
        uint8 [patients, H, W], one for each of them.

    Returns
    -------
    array of float64
        [genes, 3]: derivatives of `MEASURES` by one deviation of the gene, averaged over the patients with their signs,
        because a gene that truly drives a measure drives it the same way in everybody (Simonyan et al. 2014, section 3,
        take the derivative at one image).
    """
    generator = sampler.generator
    device = generator.generator.start.weight.device
    total = torch.zeros(len(MEASURES), generator.shape.genes, dtype=torch.float64)
    for number, (profile, background) in enumerate(zip(profiles, backgrounds, strict=True)):
        genes = torch.from_numpy(np.ascontiguousarray(profile))[None].to(device).requires_grad_()
        noise = draw_noise(generator.shape, [sampler.seed_of(number)]).to(device)
        found = measures(generator(genes, noise, from_grey(background[None, None], device)))[0]
        for place, value in enumerate(found):
            (slope,) = torch.autograd.grad(value, genes, retain_graph=True)
            total[place] += slope[0].double().cpu()
    return np.asarray((total / len(profiles)).T.numpy())


def strength(slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number for each gene, from slopes [genes, measures]: their length once measures are on one scale."""
    scale = np.sqrt((slopes**2).mean(axis=0))
    return np.asarray(np.linalg.norm(slopes / np.where(scale > 0, scale, 1.0), axis=1))
