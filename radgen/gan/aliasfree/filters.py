"""Low-pass filters: Kaiser-windowed, separable or radially symmetric.

Source: Karras et al. 2021, "Alias-free generative adversarial networks", appendix C; Kaiser 1974 for the window.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Filter = NDArray[np.float64]
NEGLIGIBLE = 1e-9  # of the largest part of a radial filter: below what fp32 sums resolve
BESSEL_POINTS = 256  # the rule converges faster than any power; exact in float64 for arguments below 100


def kaiser_beta(taps: int, half_width: float, rate: float) -> float:
    """Return the window parameter for a transition band of half-width `half_width` at sampling rate `rate`.

    The attenuation in dB follows from length and width, the parameter from the attenuation (Kaiser's formulas).

    >>> round(kaiser_beta(12, 6.0, 32.0), 4)
    6.4437
    """
    attenuation = 2.285 * (taps - 1) * math.pi * (2 * half_width / (rate / 2)) + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return float(0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21))
    return 0.0


def lowpass(taps: int, cutoff: float, half_width: float, rate: float) -> Filter:
    """Return a one-dimensional low-pass filter [taps] with sum 1.

    Parameters
    ----------
    taps
        Length.
    cutoff, half_width, rate
        Cutoff frequency, half-width of the transition band and sampling rate, in cycles per image.
    """
    place = _places(taps, rate)
    values = 2 * cutoff * np.sinc(2 * cutoff * place) * np.kaiser(taps, kaiser_beta(taps, half_width, rate))
    return np.asarray(values / values.sum())


def radial_lowpass(taps: int, cutoff: float, half_width: float, rate: float) -> Filter:
    """Return a radially symmetric low-pass filter [taps, taps] with sum 1: a jinc in a separable Kaiser window.

    Parameters as for `lowpass`.
    """
    place = _places(taps, rate)
    radius = np.hypot(place[:, None], place[None, :])
    # J1(x) / x tends to 1 / 2.
    jinc = np.divide(
        bessel_j1(2 * math.pi * cutoff * radius), math.pi * radius, out=np.full_like(radius, cutoff), where=radius > 0
    )
    window = np.kaiser(taps, kaiser_beta(taps, half_width, rate))
    values = jinc * np.outer(window, window)
    return np.asarray(values / values.sum())


def bessel_j1(x: Filter) -> Filter:
    """Return the Bessel function of the first kind and order one, from its integral by the trapezoidal rule.

    >>> round(float(bessel_j1(np.array(1.0))), 12)
    0.440050585745
    """
    angle = 2 * math.pi * np.arange(BESSEL_POINTS) / BESSEL_POINTS
    return np.asarray(np.cos(angle - x[..., None] * np.sin(angle)).mean(axis=-1))


def separable_parts(kernel: Filter) -> list[tuple[Filter, Filter]]:
    """Write a symmetric two-dimensional filter as a sum of products of one-dimensional ones.

    Returns
    -------
    list of (vertical, horizontal)
        Their outer products sum up to the filter; a radial one of 12 taps has at most six, by its symmetry.
    """
    values, vectors = (np.asarray(part, dtype=np.float64) for part in np.linalg.eigh(kernel))
    kept = np.abs(values) > NEGLIGIBLE * np.abs(values).max()
    return [(vector * value, vector) for value, vector in zip(values[kept], vectors.T[kept], strict=True)]


def _places(taps: int, rate: float) -> Filter:
    return np.asarray((np.arange(taps) - (taps - 1) / 2) / rate, dtype=np.float64)
