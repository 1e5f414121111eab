"""Changes shown to the discriminator on both sides, real and generated, that do not leak into samples.

Each change is applied with a probability well below one and includes "no change", so the generator can only match the
real distribution by matching the unchanged one. Nothing is mirrored, rotated or scaled here.

Source: Karras et al. 2020, "Training generative adversarial networks with limited data", section 3.1; Zhao et al.
2020, "Differentiable augmentation for data-efficient GAN training".
"""

from __future__ import annotations

import torch
from torch import Tensor

from radgen.gan.settings import AugmentSettings

FULL_RANGE = 2.0  # of grey levels in [-1, 1]


def augment(images: Tensor, settings: AugmentSettings, random: torch.Generator) -> Tensor:
    """Change images [n, C, H, W] at random; gradients pass through.

    Parameters
    ----------
    images
        Grey levels in [-1, 1].
    settings
        Probability and strength of each change.
    random
        A generator on the CPU; the same state gives the same changes on every device.
    """
    if settings.probability == 0:
        return images
    images = shift_grey(images, settings, random)
    images = translate(images, settings, random)
    return cutout(images, settings, random)


def shift_grey(images: Tensor, settings: AugmentSettings, random: torch.Generator) -> Tensor:
    """Change contrast about the image's mean, and brightness."""
    count = len(images)
    factor = 1 + settings.contrast * _uniform(count, random) * _chosen(count, settings, random)
    shift = FULL_RANGE * settings.brightness * _uniform(count, random) * _chosen(count, settings, random)
    factor, shift = (value.to(images.device)[:, None, None, None] for value in (factor, shift))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * factor + mean + shift


def translate(images: Tensor, settings: AugmentSettings, random: torch.Generator) -> Tensor:
    """Shift by whole pixels; what enters repeats the border."""
    count, _, height, width = images.shape
    chosen = _chosen(count, settings, random)
    shifts = torch.stack([(_uniform(count, random) * settings.translate * width).round() * chosen for _ in range(2)], 1)
    if not shifts.any():
        return images
    rows, columns = (
        (torch.arange(size) + shift[:, None]).clamp(0, size - 1).long().to(images.device)
        for size, shift in ((height, shifts[:, 1]), (width, shifts[:, 0]))
    )  # [n, H] and [n, W]: which row and column of the image each row and column shows
    images = images.gather(2, rows[:, None, :, None].expand_as(images))
    return images.gather(3, columns[:, None, None, :].expand_as(images))


def cutout(images: Tensor, settings: AugmentSettings, random: torch.Generator) -> Tensor:
    """Blank a square with middle grey."""
    count, _, height, width = images.shape
    side = round(settings.cutout * width)
    centre = torch.rand(count, 2, generator=random) * torch.tensor([height, width])
    chosen = _chosen(count, settings, random).bool()
    rows = (torch.arange(height) - centre[:, :1]).abs() < side / 2  # [n, H]
    columns = (torch.arange(width) - centre[:, 1:]).abs() < side / 2  # [n, W]
    hole = rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]
    return images * (~hole[:, None]).to(images.device, images.dtype)


def _uniform(count: int, random: torch.Generator) -> Tensor:
    return torch.rand(count, generator=random) * 2 - 1


def _chosen(count: int, settings: AugmentSettings, random: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=random) < settings.probability).float()
