"""Soft-edged shapes painted into a volume of HU values and a volume of labels.

Axes everywhere: [slice, row, column]; x in mm towards the patient's left, y towards the back, z towards the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Window: TypeAlias = tuple[slice, slice, slice]

FAR_MM = 1.0e3


@dataclass(frozen=True)
class Ellipse:
    """An ellipse for each slice, its outline bent by a few harmonics.

    Parameters
    ----------
    x, y
        Centre in mm, one value per slice or one for all.
    rx, ry
        Half axes in mm, likewise; a slice whose half axis is 0 holds nothing.
    angle
        Rotation in radians, from x towards y.
    wobble
        (order, amplitude, phase) of each harmonic of the radius.
    """

    x: npt.ArrayLike
    y: npt.ArrayLike
    rx: npt.ArrayLike
    ry: npt.ArrayLike
    angle: npt.ArrayLike = 0.0
    wobble: tuple[tuple[int, float, float], ...] = ()


class Canvas:
    """A CT volume being painted.

    Attributes
    ----------
    hu
        float32 [S, H, W], HU; starts as air.
    labels
        uint8 [S, H, W]; 0 is background.
    """

    def __init__(self, slices: int, size_px: int, pixel_mm: float, slice_mm: float) -> None:
        centre = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
        self.pixel_mm = pixel_mm
        self.x = centre.astype(np.float32)
        self.y = centre.astype(np.float32)
        self.z = ((np.arange(slices) - (slices - 1) / 2) * slice_mm).astype(np.float32)
        self.hu: Floats = np.full((slices, size_px, size_px), -1000.0, dtype=np.float32)
        self.labels: npt.NDArray[np.uint8] = np.zeros(self.hu.shape, dtype=np.uint8)

    def per_slice(self, value: npt.ArrayLike) -> Floats:
        """Return a value of each slice as float32 [S, 1, 1]."""
        return np.broadcast_to(np.asarray(value, dtype=np.float32), self.z.shape).reshape(-1, 1, 1)

    def window(self, shape: Ellipse, margin_mm: float = 4.0) -> Window:
        """Return the smallest window of the volume that holds a shape and a margin around it."""
        x, y, rx, ry = (self.per_slice(v).ravel() for v in (shape.x, shape.y, shape.rx, shape.ry))
        used = np.flatnonzero(np.minimum(rx, ry) > 0)
        if used.size == 0:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        swell = 1 + sum(abs(amplitude) for _, amplitude, _ in shape.wobble)
        reach = np.maximum(rx, ry)[used] * swell + margin_mm
        rows = _span(self.y, float((y[used] - reach).min()), float((y[used] + reach).max()))
        columns = _span(self.x, float((x[used] - reach).min()), float((x[used] + reach).max()))
        return slice(int(used[0]), int(used[-1]) + 1), rows, columns

    def distance(self, shape: Ellipse, where: Window) -> Floats:
        """Return the first-order signed distance in mm to an ellipse's outline, negative inside."""
        x0, y0, rx, ry, angle = (
            self.per_slice(v)[where[0]] for v in (shape.x, shape.y, shape.rx, shape.ry, shape.angle)
        )
        dx, dy = self.x[where[2]] - x0, self.y[where[1], None] - y0
        cosine, sine = np.cos(angle), np.sin(angle)
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        rx_safe, ry_safe = np.maximum(rx, 1e-3), np.maximum(ry, 1e-3)
        u, v = along / rx_safe, across / ry_safe
        q = np.sqrt(u * u + v * v) + np.float32(1e-6)
        slope = np.sqrt((u / rx_safe) ** 2 + (v / ry_safe) ** 2) / q + np.float32(1e-6)
        radius: Floats = np.ones((), dtype=np.float32)
        theta = np.arctan2(v, u) if shape.wobble else radius
        for order, amplitude, phase in shape.wobble:
            radius = radius + np.float32(amplitude) * np.cos(order * theta + np.float32(phase))
        signed: Floats = ((q - radius) / slope).astype(np.float32)
        return np.where(np.minimum(rx, ry) > 0, signed, np.float32(FAR_MM))

    def fill(
        self, distance: Floats, where: Window, hu: npt.ArrayLike, label: int | None = None, soft_mm: float | None = None
    ) -> None:
        """Blend a value into the volume where a distance is negative, with an edge about one pixel wide.

        `label` None leaves the labels as they are; 0 clears them.
        """
        soft = np.float32(self.pixel_mm if soft_mm is None else max(soft_mm, self.pixel_mm))
        cover = np.clip(0.5 - distance / soft, 0, 1)
        target = self.hu[where]
        target += cover * (np.asarray(hu, dtype=np.float32) - target)
        if label is not None:
            self.labels[where][distance < 0] = label

    def paint(
        self,
        shape: Ellipse,
        hu: npt.ArrayLike,
        label: int | None = None,
        *,
        within: Floats | None = None,
        soft_mm: float | None = None,
    ) -> None:
        """Paint an ellipse, kept inside `within` (a distance over the whole volume) if given."""
        where = self.window(shape)
        if where[0].stop == where[0].start:
            return
        distance = self.distance(shape, where)
        if within is not None:
            distance = np.maximum(distance, within[where])
        self.fill(distance, where, hu, label, soft_mm)

    @property
    def everywhere(self) -> Window:
        """The window of the whole volume."""
        return slice(0, self.z.size), slice(0, self.y.size), slice(0, self.x.size)


def _span(axis: Floats, low: float, high: float) -> slice:
    first, last = np.searchsorted(axis, (low, high))
    return slice(max(int(first) - 1, 0), min(int(last) + 1, axis.size))


def smooth_union(one: Floats, two: Floats, blend_mm: float) -> Floats:
    """Return the distance to the union of two shapes whose seam is rounded over `blend_mm`."""
    overlap = np.maximum(blend_mm - np.abs(one - two), 0) / blend_mm
    return np.asarray(np.minimum(one, two) - overlap * overlap * np.float32(blend_mm / 4), dtype=np.float32)


def ramp(z: Floats, low: float, high: float) -> Floats:
    """Return a smooth step of z: 0 at `low`, 1 at `high` (which may lie below `low`)."""
    t = np.clip((z - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def dome(z: Floats, centre: float, half: float, power: float = 2.0) -> Floats:
    """Return the relative radius of an ellipsoid at height z: 1 at its centre, 0 beyond `half` mm of it."""
    inside = 1 - np.abs((z - centre) / half) ** power
    return np.asarray(np.sqrt(np.maximum(inside, 0)), dtype=np.float32)
