"""A small CT scanner: projections through one sparse matrix, photon noise, beam hardening, filtered back-projection.

All that makes CT noise look like CT noise happens in the projections, so noise, streaks and edges come out of the
reconstruction as they do on a real scanner: nothing is added to an image.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft, sparse

Floats: TypeAlias = npt.NDArray[np.float32]

MU_WATER_PER_MM = 0.0192
"""Attenuation of water at about 70 keV, 1/mm."""
BONE_FROM_HU = 200.0
"""What lies above counts as calcium, whose attenuation falls faster with energy than water's."""
HU_RANGE = (-1024.0, 3071.0)
"""The range of 12 bits in which scanners store."""

# A spectrum of three energies: share of photons, attenuation of water and of calcium relative to the reference energy.
# Behind an average body the three calcium values average to 1, so that bone keeps its HU.
SPECTRUM = np.array([0.3, 0.4, 0.3])
WATER_AT_ENERGY = np.array([1.22, 1.0, 0.88])
CALCIUM_AT_ENERGY = np.array([2.0, 1.1, 0.75])


@dataclass(frozen=True)
class Scanner:
    """A parallel-beam scanner with detector elements as wide as a pixel.

    Parameters
    ----------
    size_px
        Rows and columns of a slice; the reconstructed circle touches its sides.
    views
        Angles over 180 degrees.
    """

    size_px: int
    views: int

    @property
    def detectors(self) -> int:
        """Detector elements of a view."""
        return self.size_px + 2

    @functools.cached_property
    def inside(self) -> npt.NDArray[np.bool_]:
        """The pixels of the reconstructed circle, bool [H, W]."""
        centre = np.arange(self.size_px) - (self.size_px - 1) / 2
        return np.asarray(np.hypot(centre, centre[:, None]) <= (self.size_px - 1) / 2)

    @functools.cached_property
    def matrix(self) -> sparse.csr_array:
        """The system matrix, float32 [pixels of the circle, views x detectors].

        A pixel's shadow is shared between the two nearest detector elements of each view by linear interpolation,
        which keeps its mass; lengths are in pixels.
        """
        rows, columns = np.nonzero(self.inside)
        half = (self.size_px - 1) / 2
        # Half a step away from 0 and 45 degrees, where pixels line up with the rays.
        angles = (np.arange(self.views) + 0.5) * np.pi / self.views
        entries = 2 * self.views
        data = np.empty((rows.size, entries), dtype=np.float32)
        indices = np.empty((rows.size, entries), dtype=np.int32)
        first = np.arange(self.views, dtype=np.int32) * self.detectors
        for start in range(0, rows.size, 4096):
            block = slice(start, start + 4096)
            shadow = (columns[block, None] - half) * np.cos(angles) + (rows[block, None] - half) * np.sin(angles)
            shadow += (self.detectors - 1) / 2
            low = np.floor(shadow)
            data[block, 1::2] = shadow - low
            data[block, 0::2] = 1 - data[block, 1::2]
            indices[block, 0::2] = low.astype(np.int32) + first
            indices[block, 1::2] = indices[block, 0::2] + 1
        starts = np.arange(rows.size + 1, dtype=np.int32) * np.int32(entries)
        shape = (rows.size, self.views * self.detectors)
        return sparse.csr_array((data.ravel(), indices.ravel(), starts), shape=shape)

    # ------------------------------------------------------------ forward

    def project(self, image: Floats) -> Floats:
        """Return line integrals [views x detectors, slices] of images [slices, H, W], in value x pixels."""
        values = image[:, self.inside].T
        used = np.flatnonzero(values.any(axis=1))
        return np.asarray(self.matrix[used].T @ np.ascontiguousarray(values[used]), dtype=np.float32)

    # ------------------------------------------------------------ backward

    def reconstruct(self, sinogram: Floats, roll_off: float) -> Floats:
        """Return images [slices, H, W] from line integrals by filtered back-projection.

        Parameters
        ----------
        sinogram
            [views x detectors, slices].
        roll_off
            Where the filter's Hann window reaches zero, relative to the Nyquist frequency.

        Notes
        -----
        Source: A. C. Kak and M. Slaney, Principles of Computerized Tomographic Imaging, 1988, equations 3.34 and 3.61.
        """
        slices = sinogram.shape[1]
        views = sinogram.reshape(self.views, self.detectors, slices)
        padded = fft.next_fast_len(2 * self.detectors, real=True)
        response = ramp_response(padded, roll_off)[:, None]
        filtered = fft.irfft(fft.rfft(views, padded, axis=1) * response, padded, axis=1)[:, : self.detectors]
        filtered = np.ascontiguousarray(filtered, dtype=np.float32).reshape(-1, slices)
        image = np.zeros((slices, self.size_px, self.size_px), dtype=np.float32)
        image[:, self.inside] = (self.matrix @ filtered).T * np.float32(np.pi / self.views)
        return image

    # ------------------------------------------------------------ a scan

    def scan(self, hu: Floats, pixel_mm: float, photons: float, roll_off: float, rng: np.random.Generator) -> Floats:
        """Return what the scanner shows of true tissue values.

        Parameters
        ----------
        hu
            float32 [S, H, W], HU.
        pixel_mm
            Width of a pixel.
        photons
            Photons per detector element before the body.
        roll_off
            See `reconstruct`.
        rng
            Draws the photons.

        Returns
        -------
        Floats
            float32 [S, H, W], HU; outside the circle -1000.
        """
        step = np.float32(MU_WATER_PER_MM * pixel_mm)
        calcium = np.maximum(hu - np.float32(BONE_FROM_HU), 0) / 1000
        water = (hu + 1000) / 1000 - calcium
        counts = photons * transmission(self.project(water) * step, self.project(calcium) * step)
        detected = np.maximum(rng.poisson(counts), 1)
        lengths = water_length(-np.log(detected / photons)).astype(np.float32) / step
        image = self.reconstruct(lengths, roll_off) * 1000 - 1000
        return np.where(self.inside, np.clip(image, *HU_RANGE), np.float32(-1000))


@functools.lru_cache(maxsize=2)
def scanner(size_px: int, views: int) -> Scanner:
    """Return the scanner of a size, its matrix built once per process."""
    return Scanner(size_px, views)


def ramp_response(length: int, roll_off: float) -> npt.NDArray[np.float64]:
    """Return the real frequency response of the band-limited ramp filter with a Hann roll-off, [length // 2 + 1].

    Source: Kak and Slaney 1988, equation 3.61 (the ramp sampled in space, so that its zero frequency is right).
    """
    taps = np.zeros(length)
    taps[0] = 0.25
    odd = np.arange(1, length // 2, 2)
    taps[odd] = taps[-odd] = -1 / (np.pi * odd) ** 2
    frequency = np.arange(length // 2 + 1) / (length / 2)
    window = np.where(frequency < roll_off, 0.5 * (1 + np.cos(np.pi * np.minimum(frequency / roll_off, 1))), 0)
    return np.asarray(fft.rfft(taps).real * window)


def transmission(water: npt.ArrayLike, calcium: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the share of photons behind line integrals of water and calcium at the reference energy."""
    depth = np.multiply.outer(np.asarray(water, dtype=np.float64), WATER_AT_ENERGY)
    depth += np.multiply.outer(np.asarray(calcium, dtype=np.float64), CALCIUM_AT_ENERGY)
    return np.asarray(np.exp(-depth) @ SPECTRUM)


def water_length(measured: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the line integral of water at the reference energy that explains a measured -log(transmission).

    This is the water correction of real scanners: exact for soft tissue, not for bone, so that dark streaks stay
    between dense objects.
    """
    table = np.linspace(-0.5, 25, 4096)
    return np.interp(measured, -np.log(transmission(table, 0.0)), table)
