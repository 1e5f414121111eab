"""Noise for the slices of one case: alike from slice to slice, so that a volume made slice by slice hangs together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from radgen.errors import ConfigError
from radgen.seeds import derive_seed

REACH = 3.0  # standard deviations of the kernel that are summed


def case_noise(
    shape: tuple[int, ...], slices: Sequence[int], *, seed: int, case: str, length_slices: float = math.inf
) -> Tensor:
    """Draw standard normal noise for slices of a case.

    Parameters
    ----------
    shape
        Of one slice's noise: (z,) for an image's vector, (z, H, W) for noise of every pixel.
    slices
        Slice indices, any integers in any order.
    seed, case
        Decide the field, together with the shape; another sample of the same case is another seed.
    length_slices
        How far noise stays alike: slices d apart correlate by exp(-d^2 / (4 length^2)). Infinite: all slices are given
        the same noise. 0: every slice its own.

    Returns
    -------
    Tensor
        float32 [slices, *shape] on the CPU, each element of mean 0 and variance 1. A slice's noise depends on its index
        alone, not on which slices are asked for with it.

    Raises
    ------
    ConfigError
        The length is negative or no number.

    Notes
    -----
    White noise drawn for every slice index is convolved along slices with a Gaussian of that standard deviation, cut
    at three of them, and scaled to unit variance.
    """
    if math.isnan(length_slices) or length_slices < 0:
        msg = f"noise of {length_slices} slices' length; give 0 (every slice its own), a length, or inf (all the same)"
        raise ConfigError(msg)
    if math.isinf(length_slices):
        return _white(shape, seed, case, "all")[None].repeat(len(slices), *(1 for _ in shape))
    reach = math.ceil(REACH * length_slices)
    weights = [math.exp(-0.5 * (step / length_slices) ** 2) if step else 1.0 for step in range(-reach, reach + 1)]
    norm = math.sqrt(sum(weight**2 for weight in weights))
    drawn: dict[int, Tensor] = {}
    fields = []
    for place in slices:
        near = range(place - reach, place + reach + 1)
        drawn = {index: drawn[index] if index in drawn else _white(shape, seed, case, index) for index in near}
        fields.append(sum(drawn[index] * (weight / norm) for index, weight in zip(near, weights, strict=True)))
    return torch.stack([torch.as_tensor(field) for field in fields])


def _white(shape: tuple[int, ...], seed: int, case: str, index: int | str) -> Tensor:
    random = torch.Generator().manual_seed(derive_seed("case noise", seed, case, index))
    return torch.randn(shape, generator=random)
