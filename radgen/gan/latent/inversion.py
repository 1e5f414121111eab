"""Inversion: the style per layer whose image is nearest to a given one, and a generator bent to it.

Noise is zero throughout: what is found must stand in the styles.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import InputError
from radgen.gan.kinds import ImageGenerator
from radgen.gan.latent.settings import InversionSettings
from radgen.gan.latent.styles import Style
from radgen.gan.sampling import BLOCK_SIZE, from_grey
from radgen.seeds import derive_seed

# Images [n, C, H, W] in [-1, 1] to features [n, d].
Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Likeness:
    """How far images are from the one that is inverted.

    Attributes
    ----------
    target
        Float32 [1, C, H, W] in [-1, 1].
    features
        The domain encoder, or None for pixels alone.
    feature_weight
        Weight of the mean squared difference of features.
    """

    target: Tensor
    features: Features | None
    feature_weight: float

    def loss(self, images: Tensor) -> Tensor:
        """Return one number for each image [n, C, H, W]: mean squared differences of pixels, and of features."""
        loss = (images - self.target).square().mean(dim=(1, 2, 3))
        if self.features is None or self.feature_weight == 0:
            return loss
        differences = self.features(images) - self.features(self.target)
        return loss + self.feature_weight * differences.square().mean(dim=1)


def likeness(
    generator: ImageGenerator, image: NDArray[np.uint8], features: Features | None, settings: InversionSettings
) -> Likeness:
    """Prepare the comparison with one stored image.

    Parameters
    ----------
    generator
        Decides the size.
    image
        uint8 [C, H, W].
    features
        The domain encoder, or None.
    settings
        Of it the weight of the features.

    Raises
    ------
    InputError
        The image has another size than the generator's.
    """
    shape = generator.shape
    expected = (shape.image_channels, shape.resolution, shape.resolution)
    if image.shape != expected or image.dtype != np.uint8:
        msg = f"the image is {image.dtype} {image.shape}, but this generator makes uint8 {expected}; give such a one"
        raise InputError(msg)
    target = from_grey(image[None], generator.mapping.w_avg.device)
    return Likeness(target, features, settings.feature_weight)


@torch.no_grad()
def nearest_start(
    generator: ImageGenerator, near: Likeness, class_ids: Sequence[int], settings: InversionSettings
) -> Tensor:
    """Return the style [w_dim] with the most alike image: a class average or one of many mapped latents.

    Source: the start decides which image optimisation can reach; Abdal et al. 2019, "Image2StyleGAN", section 5.1.
    """
    best: Tensor = generator.mapping.w_avg[class_ids[0]]
    least = math.inf
    for w in _candidates(generator, class_ids, settings):
        images, _ = generator.synthesise(w, _no_noise(generator, len(w)))
        losses = near.loss(images)
        place = int(losses.argmin())
        if float(losses[place]) < least:
            best, least = w[place], float(losses[place])
    return best


def _candidates(generator: ImageGenerator, class_ids: Sequence[int], settings: InversionSettings) -> Iterator[Tensor]:
    yield generator.mapping.w_avg[list(class_ids)]
    device = generator.mapping.w_avg.device
    classes = torch.tensor([class_ids[place % len(class_ids)] for place in range(settings.candidates)], device=device)
    source = torch.Generator().manual_seed(derive_seed("inversion", settings.seed))
    z = torch.randn(settings.candidates, generator.shape.z_dim, generator=source).to(device)
    for start in range(0, settings.candidates, BLOCK_SIZE):
        yield generator.mapping(z[start : start + BLOCK_SIZE], classes[start : start + BLOCK_SIZE])


def invert(generator: ImageGenerator, near: Likeness, start: Tensor, settings: InversionSettings) -> Style:
    """Search the style per layer whose image is nearest to the target, from one style for all layers.

    Parameters
    ----------
    generator
        In evaluation mode, frozen.
    near
        The comparison with the target.
    start
        Style [w_dim].
    settings
        Steps and rate.

    Returns
    -------
    Style
        The nearest that was met, not the last; its noise is zero.

    Source: Abdal et al. 2019, "Image2StyleGAN" (the space W+, and Adam in it).
    """
    w = start.expand(1, generator.layers, -1).clone().requires_grad_()
    noise = _no_noise(generator, 1)
    optimiser = torch.optim.Adam([w], lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    best, least = w.detach().clone(), math.inf
    for step in range(settings.steps + 1):
        loss = near.loss(generator.synthesise(w, noise)[0])[0]
        if float(loss.detach()) < least:
            best, least = w.detach().clone(), float(loss.detach())
        if step < settings.steps:
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return Style(best[0], noise[0])


def tune(
    generator: ImageGenerator, near: Likeness, pivot: Style, class_ids: Sequence[int], settings: InversionSettings
) -> ImageGenerator:
    """Return a copy of the generator whose synthesis is bent so that the pivot's image is the target.

    The mapping stays. Images of styles between the pivot and random ones are held where they were; those styles are a
    share of the way off, where the paper steps a fixed length, because lengths in W differ from generator to generator.

    Source: Roich et al. 2021, "Pivotal tuning for latent-based editing of real images", equations 2 to 5.
    """
    tuned: Any = copy.deepcopy(generator)  # the protocol does not say that it is a torch module
    tuned.requires_grad_(requires_grad=True)
    # The mapping is never called, so it has no gradient and Adam leaves it.
    optimiser = torch.optim.Adam(tuned.parameters(), lr=settings.tune_learning_rate)
    source = torch.Generator().manual_seed(derive_seed("tuning", settings.seed))
    w, noise = pivot.w[None], pivot.noise[None]
    for step in range(settings.tune):
        loss = near.loss(tuned.synthesise(w, noise)[0])[0]
        if settings.locality_weight > 0:
            other = _on_the_way(generator, w, class_ids[step % len(class_ids)], source, settings.locality_share)
            with torch.no_grad():
                before = generator.synthesise(other, noise)[0]
            change = (tuned.synthesise(other, noise)[0] - before).square().mean()
            loss = loss + settings.locality_weight * change
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    tuned.eval().requires_grad_(requires_grad=False)
    result: ImageGenerator = tuned
    return result


@torch.no_grad()
def _on_the_way(generator: ImageGenerator, w: Tensor, class_id: int, source: torch.Generator, share: float) -> Tensor:
    z = torch.randn(1, generator.shape.z_dim, generator=source).to(w.device)
    random = generator.mapping(z, torch.tensor([class_id], device=w.device))
    return torch.lerp(w, random[:, None].expand_as(w), share)


def _no_noise(generator: ImageGenerator, count: int) -> Tensor:
    return torch.zeros(count, generator.noise_length, device=generator.mapping.w_avg.device)


def psnr_db(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two grey pictures in dB, `10 log10(255^2 / mean squared difference)`.

    >>> round(psnr_db(np.zeros(4, dtype=np.uint8), np.full(4, 51, dtype=np.uint8)), 3)
    13.979
    """
    error = float(np.square(one.astype(np.float64) - other.astype(np.float64)).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
