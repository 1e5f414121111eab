"""A small MR scanner: T1-like signals of tissues, a coil that sees near and far unlike, half of k-space, noise in it.

Noise enters where a scanner has it, so magnitudes are Rician and edges ring a little: nothing is added to an image.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from scipy import fft

from radgen.cohort.phantom.canvas import Floats
from radgen.cohort.phantom.settings import STRUCTURES

# Signal of what no organ's label covers, by its HU, relative to fat: air, fat, the kidney's sinus, fluid, muscle, walls
# of the gut, pancreas, veins (whose blood flows away before it is read), marrow, dense bone.
HU = (-400.0, -110.0, -80.0, -60.0, 10.0, 44.0, 56.0, 74.0, 90.0, 122.0, 150.0, 172.0, 230.0, 380.0)
SIGNAL = (0.0, 1.0, 1.0, 0.85, 0.22, 0.26, 0.36, 0.40, 0.48, 0.12, 0.12, 0.60, 0.60, 0.06)
# Signal of an organ, and how it changes per HU away from the organ's middle: vessels of the liver are dark, the
# kidney's cortex is bright, a lesion's edge goes over into the liver.
ORGANS = {
    "liver": (0.62, -0.005),
    "spleen": (0.34, 0.0),
    "kidneys": (0.46, 0.003),
    "aorta": (0.08, 0.0),
    "lesion": (0.32, 0.0075),
}
REACH_HU = 40.0
TISSUE_SPREAD = 0.05  # of a tissue's signal between patients, relative
COIL_SPREAD = 0.14  # of each harmonic of the coil's logarithm
HARMONICS = 3
ACQUIRED = 0.5  # share of k-space's rows and columns that is measured
FAT_STORED = (300.0, 1500.0)  # what a scanner stores for fat: MR has no units


def t1_signal(hu: Floats, labels: npt.NDArray[np.uint8], rng: np.random.Generator) -> Floats:
    """Return what tissues would show of T1 weighting without coil and noise, relative to fat.

    Parameters
    ----------
    hu
        True tissue values float32 [S, H, W], HU, without couch and blanket.
    labels
        Ids of `settings.STRUCTURES` plus one, uint8 [S, H, W]; others count as unlabelled.
    rng
        Draws how this patient's tissues differ from the average.
    """
    own = np.clip(rng.normal(1, TISSUE_SPREAD, len(SIGNAL) + len(ORGANS)), 0.8, 1.2)
    signal = np.interp(hu, HU, own[: len(SIGNAL)] * SIGNAL).astype(np.float32)
    for gain, (name, (base, slope)) in zip(own[len(SIGNAL) :], ORGANS.items(), strict=True):
        organ = labels == STRUCTURES.index(name) + 1
        if organ.any():
            away = np.clip(hu[organ] - np.median(hu[organ]), -REACH_HU, REACH_HU)
            signal[organ] = np.maximum(gain * base + slope * away, 0)
    return signal


def coil(shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """Return a smooth factor around 1 over a volume [S, H, W]: the exponential of a few cosines."""
    waves = [_cosines(length) for length in shape]
    weights = rng.normal(0, COIL_SPREAD, (HARMONICS, HARMONICS, HARMONICS))
    weights[0, 0, 0] = 0
    weights[1:] *= 0.3  # slices of one series differ little
    field = np.einsum("zyx,zs,yh,xw->shw", weights, *waves, optimize=True)
    return np.asarray(np.exp(field), dtype=np.float32)


def _cosines(length: int) -> npt.NDArray[np.float64]:
    places = (np.arange(length) + 0.5) / length
    return np.cos(np.pi * np.arange(HARMONICS)[:, None] * places)


def magnitude(signal: Floats, noise: float, rng: np.random.Generator) -> Floats:
    """Return the image that a scanner makes of a signal: from the middle of k-space, with noise in it.

    Source: Gudbjartsson and Patz 1995, "The Rician distribution of noisy MRI data", equation 1.

    Parameters
    ----------
    signal
        float32 [S, H, W].
    noise
        Standard deviation of the real and of the imaginary part in the image, in units of the signal.
    rng
        Draws the noise.
    """
    measured = _middle(signal.shape[1]), _middle(signal.shape[2])
    inside = np.logical_and.outer(*measured)
    # Of independent coefficients the measured ones alone carry noise into the image.
    spread = noise / np.sqrt(inside.mean())
    space = fft.fft2(signal, norm="ortho")
    parts = rng.normal(0, spread, (2, *space.shape))
    return np.asarray(np.abs(fft.ifft2((space + parts[0] + 1j * parts[1]) * inside, norm="ortho")), dtype=np.float32)


@functools.lru_cache(maxsize=4)
def _middle(length: int) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(fft.fftfreq(length)) <= ACQUIRED / 2)


def mr_scan(hu: Floats, labels: npt.NDArray[np.uint8], noise: float, rng: np.random.Generator) -> Floats:
    """Return a T1-like series float32 [S, H, W] in the scanner's own units; see `t1_signal` and `magnitude`."""
    seen = t1_signal(hu, labels, rng) * coil(hu.shape, rng)
    return magnitude(seen, noise, rng) * np.float32(rng.uniform(*FAT_STORED))
