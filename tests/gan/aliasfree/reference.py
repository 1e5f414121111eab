"""Each operation written out slowly in float64: zero stuffing, direct convolution, one kernel for each image."""

from __future__ import annotations

import math

import numpy as np
import scipy.signal
import scipy.special
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from radgen.gan.aliasfree.layer import FilteredLayer
from radgen.gan.aliasfree.schedule import TAPS_PER_SAMPLE, Layer

Array = NDArray[np.float64]


def firwin(taps: int, cutoff: float, half_width: float, rate: float) -> Array:
    return np.asarray(scipy.signal.firwin(taps, cutoff=cutoff, width=2 * half_width, fs=rate))


def radial(taps: int, cutoff: float, half_width: float, rate: float) -> Array:
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, half_width / (rate / 2) * 2))
    window = scipy.signal.get_window(("kaiser", beta), taps, fftbins=False)
    place = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot.outer(place, place)
    values = scipy.special.j1(2 * cutoff * np.pi * radius) / (np.pi * radius) * np.outer(window, window)
    return np.asarray(values / values.sum())


def stuff(x: Array, factor: int) -> Array:
    """Put factor - 1 zeros behind each sample along both axes."""
    out = np.zeros([side * factor for side in x.shape])
    out[::factor, ::factor] = x
    return out


def filters_of(layer: Layer) -> tuple[Array, Array]:
    """Up-filter (gain included) and down-filter in two dimensions."""
    rise = firwin(TAPS_PER_SAMPLE * layer.up, layer.in_cutoff, layer.in_half_width, layer.inner_rate) * layer.up
    down = (TAPS_PER_SAMPLE * layer.down, layer.out_cutoff, layer.out_half_width, layer.inner_rate)
    return np.outer(rise, rise), radial(*down) if layer.radial else np.outer(firwin(*down), firwin(*down))


def filtered_activation(x: Array, layer: Layer) -> Array:
    """Upsample one map by zero stuffing, filter, rectify, clamp, filter, take every n-th sample; centres stay."""
    rise, fall = filters_of(layer)
    span = (layer.out_size - 1) * layer.down + len(fall) + len(rise) - 1
    stuffed = stuff(x, layer.up)
    # Positions at the inner rate: the middle of input pixel 0 is up / 2 - 1 / 2 behind where zero stuffing puts it.
    first = (stuffed.shape[0] - layer.out_size * layer.down) / 2 + layer.down / 2 - layer.up / 2
    before = math.floor((len(rise) - 1) / 2 + (len(fall) - 1) / 2 - first + 0.5)
    field = np.zeros((span, span))
    for row in range(span):
        for column in range(span):
            if 0 <= row - before < len(stuffed) and 0 <= column - before < len(stuffed):
                field[row, column] = stuffed[row - before, column - before]
    inner = scipy.signal.correlate(field, rise, mode="valid", method="direct")
    inner = np.where(inner > 0, inner, 0.2 * inner) * math.sqrt(2)
    return np.asarray(
        scipy.signal.correlate(np.clip(inner, -256, 256), fall, mode="valid", method="direct")[
            :: layer.down, :: layer.down
        ]
    )


def modulated(layer: FilteredLayer, x: Tensor, w: Tensor) -> Tensor:
    """Convolve each image with a kernel of its own, scaled by its style and to unit norm; full convolution."""
    results = []
    for image, style_code in zip(x.double(), w.double(), strict=True):
        affine = layer.affine
        style = affine.weight.double() @ style_code / math.sqrt(len(style_code)) + affine.bias.double()
        kernel = layer.weight.double() * style[None, :, None, None]
        kernel = kernel / kernel.square().sum(dim=(1, 2, 3), keepdim=True).sqrt() / layer.magnitude.double().sqrt()
        result = F.conv2d(image[None], kernel, padding=kernel.shape[-1] - 1)
        results.append(result[0] + layer.bias.double()[:, None, None])
    return torch.stack(results)


def filtered_layer(layer: FilteredLayer, x: Tensor, w: Tensor) -> Tensor:
    """The whole layer, every row of its output."""
    maps = modulated(layer, x, w).detach().numpy()
    out = [[filtered_activation(channel, layer.plan) for channel in image] for image in maps]
    return torch.from_numpy(np.array(out))
