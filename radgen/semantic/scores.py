"""Scores of images against images: each with a stated data range, or in [-1, 1] where features are asked.

PSNR, RMSE and SSIM ask for pairs; MS-SSIM between samples of one map tells of their variety (1: all alike).
"""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.errors import InputError
from radgen.features.network import ConvEncoder

WINDOW, SIGMA = 11, 1.5
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def rmse(one: Tensor, two: Tensor) -> Tensor:
    """Root mean squared difference of each pair, in the images' own units: [n]."""
    return (one - two).square().flatten(1).mean(dim=1).sqrt()


def psnr(one: Tensor, two: Tensor, *, data_range: float) -> Tensor:
    """Peak signal-to-noise ratio of each pair in dB, [n]; infinite for equal images."""
    return 20 * torch.log10(data_range / rmse(one, two))


def ssim(one: Tensor, two: Tensor, *, data_range: float) -> Tensor:
    """Structural similarity of each pair, [n].

    Source: Wang et al. 2004, "Image quality assessment", equation 13, with a Gaussian window of 11 pixels.

    Parameters
    ----------
    one, two
        [n, C, H, W].
    data_range
        Largest minus smallest possible value: 2 for images in [-1, 1], 255 for uint8.

    Raises
    ------
    InputError
        Images are smaller than the window.
    """
    return _similarity(one, two, data_range)[0]


def ms_ssim(one: Tensor, two: Tensor, *, data_range: float) -> Tensor:
    """Structural similarity over scales of each pair, [n]: up to five, as many as leave room for the window.

    Weights of fewer scales are scaled to a sum of 1; negative similarities count as 0.

    Source: Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity", equation 7.
    """
    scales = max(1, min(len(SCALE_WEIGHTS), (min(one.shape[-2:]) // WINDOW).bit_length()))
    weights = SCALE_WEIGHTS[:scales]
    product = torch.ones(len(one), device=one.device)
    for number, weight in enumerate(weights):
        whole, contrast = _similarity(one, two, data_range)
        value = whole if number == scales - 1 else contrast
        product = product * value.clamp(min=0) ** (weight / sum(weights))
        one, two = F.avg_pool2d(one, 2), F.avg_pool2d(two, 2)
    return product


def sameness(samples: Tensor, *, data_range: float) -> float:
    """Return the mean MS-SSIM between all pairs of samples [n, C, H, W] of one map: the lower, the more variety.

    Raises
    ------
    InputError
        There is one sample only.
    """
    if len(samples) < 2:
        msg = f"{len(samples)} sample(s) of a map cannot be compared with each other; make at least 2"
        raise InputError(msg)
    first, second = (list(side) for side in zip(*combinations(range(len(samples)), 2), strict=True))
    return float(ms_ssim(samples[first], samples[second], data_range=data_range).mean())


@torch.no_grad()
def encoder_distance(encoder: ConvEncoder, one: Tensor, two: Tensor) -> Tensor:
    """Distance of each pair in the stages of the study's encoder, [n]; it is not LPIPS, whose network it lacks.

    Maps are scaled to unit length at each place, their squared difference is averaged over places and stages.

    Source: Zhang et al. 2018, "The unreasonable effectiveness of deep features", equation 1, without learnt weights.

    Parameters
    ----------
    encoder
        In evaluation mode.
    one, two
        [n, C, H, W] in [-1, 1].
    """
    distances = []
    for stage in encoder.stages:
        one, two = stage(one), stage(two)
        difference = F.normalize(one, dim=1) - F.normalize(two, dim=1)
        distances.append(difference.square().sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(distances).mean(dim=0)


def _similarity(one: Tensor, two: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Return means over places and channels of similarity, and of its part without luminance."""
    if min(one.shape[-2:]) < WINDOW:
        msg = f"images of {tuple(one.shape[-2:])} pixels are smaller than SSIM's window of {WINDOW}"
        raise InputError(msg)
    first, second = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_one, mean_two = _blur(one), _blur(two)
    spread = _blur(one * one) - mean_one**2 + _blur(two * two) - mean_two**2
    joint = _blur(one * two) - mean_one * mean_two
    contrast = (2 * joint + second) / (spread + second)
    luminance = (2 * mean_one * mean_two + first) / (mean_one**2 + mean_two**2 + first)
    return (luminance * contrast).flatten(1).mean(dim=1), contrast.flatten(1).mean(dim=1)


def _blur(x: Tensor) -> Tensor:
    places = torch.arange(WINDOW, device=x.device, dtype=x.dtype) - WINDOW // 2
    line = torch.exp(-places.square() / (2 * SIGMA**2))
    line = (line / line.sum()).expand(x.shape[1], 1, 1, WINDOW)
    return F.conv2d(F.conv2d(x, line, groups=x.shape[1]), line.transpose(2, 3), groups=x.shape[1])
