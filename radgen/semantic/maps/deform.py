"""Smooth random deformation of label maps, by nearest pixel: no id appears that was not there, and nothing folds.

Source: Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 1999, equations 1 and 2 (cubic
B-splines over a lattice of control points). Choi and Lee, Injectivity conditions of 2D and 3D uniform cubic B-spline
functions, Graphical Models 2000: in two dimensions the deformation is one to one when no control point moves by more
than 0.48 of their distance.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from radgen.semantic.maps.settings import DrawnMapsSettings

Field = tuple[NDArray[np.float64], NDArray[np.float64]]


def deform(stored: NDArray[np.uint8], settings: DrawnMapsSettings, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a map [H, W] bent, turned, scaled and moved; what comes in from outside is the nearest edge."""
    rows, cols = sources(stored.shape, settings, random)
    height, width = stored.shape
    nearest_row = np.clip(np.floor(rows + 0.5), 0, height - 1).astype(np.int64)
    nearest_col = np.clip(np.floor(cols + 0.5), 0, width - 1).astype(np.int64)
    return stored[nearest_row, nearest_col]


def sources(shape: tuple[int, ...], settings: DrawnMapsSettings, random: np.random.Generator) -> Field:
    """Draw a deformation: for each pixel of the new map its place in the old one, rows and columns, each [H, W]."""
    height, width = shape
    down, right = _bend(shape, settings, random)
    rows = np.arange(height)[:, np.newaxis] + down - (height - 1) / 2
    cols = np.arange(width)[np.newaxis] + right - (width - 1) / 2
    angle = math.radians(random.uniform(-settings.rotation_degrees, settings.rotation_degrees))
    tall, wide = (math.exp(random.uniform(-settings.scale, settings.scale)) for _ in range(2))
    move_down, move_right = (random.uniform(-settings.shift, settings.shift) for _ in range(2))
    cosine, sine = math.cos(angle), math.sin(angle)
    return (
        (cosine * rows - sine * cols) / tall + (height - 1) / 2 - move_down * height,
        (sine * rows + cosine * cols) / wide + (width - 1) / 2 - move_right * width,
    )


def _bend(shape: tuple[int, ...], settings: DrawnMapsSettings, random: np.random.Generator) -> Field:
    """Draw displacements in pixels, each [H, W]."""
    along = [_basis(side, settings.control_points) for side in shape]
    distances = [(side - 1) / (settings.control_points - 1) for side in shape]
    fields = []
    for distance in distances:
        # Either part up to bend / sqrt(2), so that the whole displacement stays below the bend.
        reach = settings.bend / math.sqrt(2) * distance
        points = random.uniform(-reach, reach, (along[0].shape[1], along[1].shape[1]))
        fields.append(along[0] @ points @ along[1].T)
    return fields[0], fields[1]


def _basis(side: int, points: int) -> NDArray[np.float64]:
    """Return the cubic B-splines at each pixel of a side: [side, points + 2], rows sum to 1.

    Control points lie on the first and last pixel, evenly between, and one beyond each end.
    """
    place = np.arange(side) * (points - 1) / max(1, side - 1)
    cell = np.minimum(np.floor(place), points - 2).astype(np.int64)
    u = place - cell
    pieces = [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]
    basis = np.zeros((side, points + 2))
    for step, piece in enumerate(pieces):
        basis[np.arange(side), cell + step] = piece / 6
    return basis
