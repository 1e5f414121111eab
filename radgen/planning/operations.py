"""Floating-point operations of generator training, counted from the shapes of layers; nothing is built or run."""

from __future__ import annotations

from collections.abc import Sequence

from radgen.gan.aliasfree.presets import chain_shape
from radgen.gan.aliasfree.schedule import AliasFreeShape, plan
from radgen.gan.settings import GanSettings

GIGA = 1e9
KERNEL_TAPS = 9
# Passes of a network to an image shown: both sides' steps run it forward, and a backward pass costs two forward ones.
GENERATOR_PASSES = 2 + 2  # forward for each side, backward once
DISCRIMINATOR_PASSES = 3 * 3  # real and generated images, and generated ones again for the generator; with gradients
FROZEN_PASSES = 3 + 1  # the same three without weights' gradients; one of them passes on the gradient of its input


def residual_gflop(px: int, channels: Sequence[int], convolutions: int = 2) -> float:
    """Return 10^9 operations of one pass of a small convolutional network with scales of 4, 8, ... `px` pixels a side.

    The last number of channels serves all larger scales.

    >>> round(residual_gflop(64, (96, 96, 64, 32, 16)), 3)
    0.14
    """
    sides = [4 << step for step in range(max(1, (px // 4).bit_length()))]
    given = [channels[min(place, len(channels) - 1)] for place in range(len(sides))]
    each = (2 * KERNEL_TAPS * convolutions * c * c * side * side for c, side in zip(given, sides, strict=True))
    return sum(each) / GIGA


def alias_free_gflop(shape: AliasFreeShape) -> float:
    """Return 10^9 operations of one pass of an alias-free generator: its convolutions."""
    each = (
        2 * layer.kernel**2 * layer.inputs * layer.outputs * (layer.in_size + layer.kernel - 1) ** 2
        for layer in plan(shape)
    )
    return sum(each) / GIGA


def training_gflop(gan: GanSettings, px: int, classes: int, image_channels: int = 1) -> float:
    """Return 10^9 operations per image shown in training one stage at a resolution."""
    if gan.generator == "alias-free":
        shape = chain_shape(gan.alias_free.preset, px, image_channels=image_channels, classes=max(classes, 2))
        generator = alias_free_gflop(shape)
    else:
        generator = residual_gflop(px, gan.generator_channels)
    discriminator = residual_gflop(px, gan.discriminator_channels)
    return GENERATOR_PASSES * generator + DISCRIMINATOR_PASSES * discriminator
