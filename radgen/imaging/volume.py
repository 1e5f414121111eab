"""One volume and where it lies in the patient: every reader gives this, every geometry step takes it.

World coordinates are RAS+ millimetres: x grows towards the patient's right, y towards the front, z towards the head.
DICOM's LPS is converted once, by its reader.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows: array axes 0, 1, 2 of the canonical orientation. Columns: x (towards R), y (towards A), z (towards S).
# Slices run feet to head, rows front to back, columns from the patient's right to the left: the radiological picture.
CANONICAL_DIRECTIONS = np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Volume:
    """Intensities or label ids on a regular grid.

    Parameters
    ----------
    array
        Shape [a0, a1, a2], any numeric dtype; [a0, a1, a2, 3] for red, green and blue.
    affine
        float64 [4, 4]; maps an array index (a0, a1, a2, 1) to RAS+ millimetres.
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxel centres along array axes 0, 1, 2 in mm."""
        first, second, third = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return first, second, third


@dataclass(frozen=True)
class Turn:
    """A change of axis order and direction, exact and invertible: no voxel is interpolated.

    Parameters
    ----------
    axes
        Axis i of the result is axis `axes[i]` of the source.
    flips
        Whether axis i of the result runs against its source axis.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, volume: Volume) -> Volume:
        """Return the turned volume; its array is a view of the source."""
        turned = np.transpose(volume.array, self._with_colour(self.axes, volume))
        array = turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        return Volume(array, volume.affine @ self._index_matrix(array.shape))

    def undo(self, turned: Volume) -> Volume:
        """Return the volume that `apply` was given."""
        unflipped = turned.array[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        array = np.transpose(unflipped, self._with_colour(np.argsort(self.axes).tolist(), turned))
        return Volume(array, turned.affine @ np.linalg.inv(self._index_matrix(turned.array.shape)))

    @staticmethod
    def _with_colour(axes: Sequence[int], volume: Volume) -> tuple[int, ...]:
        """Leave the axis of colours, where there is one, behind the three of space."""
        return (*axes, *range(3, volume.array.ndim))

    def _index_matrix(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Map an index of the turned array, of this shape, to an index of the source array."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1.0
        for axis, (source, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            matrix[source, axis] = -1.0 if flip else 1.0
            matrix[source, 3] = shape[axis] - 1 if flip else 0.0
        return matrix


def canonical_turn(affine: NDArray[np.float64]) -> Turn:
    """Find the axis order and flips that bring a grid closest to the canonical orientation.

    Of the 48 candidates the one with the largest sum of cosines between its axes and the canonical directions is taken;
    for an oblique grid the rest of the rotation stays in the affine.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = CANONICAL_DIRECTIONS @ directions  # [canonical axis, array axis]
    # Rounding keeps a grid that lies exactly between two candidates on the same one on every machine.
    score = {
        axes: round(float(sum(abs(cosines[i, axes[i]]) for i in range(3))), 9)
        for axes in itertools.permutations(range(3))
    }
    first, second, third = max(score, key=lambda axes: (score[axes], tuple(-axis for axis in axes)))
    flips = (bool(cosines[0, first] < 0), bool(cosines[1, second] < 0), bool(cosines[2, third] < 0))
    return Turn((first, second, third), flips)


def upright(volume: Volume) -> Volume:
    """Return the volume in canonical orientation and C order; a copy where that is not how it lies in memory."""
    turned, _ = canonical(volume)
    return Volume(np.ascontiguousarray(turned.array), turned.affine)


def canonical(volume: Volume) -> tuple[Volume, Turn]:
    """Return the volume in canonical orientation (a view), and the turn whose `undo` leads back."""
    turn = canonical_turn(volume.affine)
    return turn.apply(volume), turn
