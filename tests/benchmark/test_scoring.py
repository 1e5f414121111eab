"""Dice and HD95 against hand-made volumes and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.benchmark.scoring import BOTH_EMPTY, INVENTED, MISSED, dice, hd95, score_structure, surface, surface_dice

SPACING_MM = (5.0, 1.0, 2.0)


def box(*sides: slice, shape: tuple[int, int, int] = (8, 20, 20)) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=bool)
    mask[sides] = True
    return mask


def brute_hd95(one: NDArray[np.bool_], two: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    def walls(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        found = []
        for place in np.argwhere(mask):
            for axis in range(3):
                for move in (-1, 1):
                    near = place.copy()
                    near[axis] += move
                    if 0 <= near[axis] < mask.shape[axis] and not mask[tuple(near)]:
                        found.append(tuple(place))
        return np.array(sorted(set(found))) * np.array(spacing_mm)

    distances = np.linalg.norm(walls(one)[:, None] - walls(two)[None], axis=2)
    return float(max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95)))


def test_dice_of_half_overlapping_boxes() -> None:
    one, two = box(slice(2, 4), slice(4, 8), slice(4, 8)), box(slice(2, 4), slice(6, 10), slice(4, 8))
    assert dice(one, two) == 0.5


@pytest.mark.parametrize(
    ("move", "expected"), [((1, 0, 0), 5.0), ((0, 3, 0), 3.0), ((0, 0, 3), 6.0)], ids=["slices", "rows", "columns"]
)
def test_distance_is_in_mm_along_each_axis(move: tuple[int, int, int], expected: float) -> None:
    one = box(slice(2, 3), slice(5, 6), slice(5, 6))
    assert hd95(one, np.roll(one, move, (0, 1, 2)), SPACING_MM) == expected


def test_hd95_equals_brute_force_on_random_blobs() -> None:
    generator = np.random.default_rng(5)
    for _ in range(4):
        one, two = generator.random((2, 5, 9, 8)) < 0.35
        assert hd95(one, two, SPACING_MM) == pytest.approx(brute_hd95(one, two, SPACING_MM))


def test_hd95_equals_brute_force_inside_the_volume() -> None:
    one = box(slice(2, 6), slice(4, 9), slice(3, 9), shape=(8, 14, 14))
    two = box(slice(3, 6), slice(5, 12), slice(3, 10), shape=(8, 14, 14))
    assert hd95(one, two, SPACING_MM) == pytest.approx(brute_hd95(one, two, SPACING_MM))
    assert len(surface(one)) == 4 * 5 * 6 - 2 * 3 * 4


def test_hd95_equals_brute_force_for_structures_cut_off_by_the_scan() -> None:
    one = box(slice(0, 8), slice(3, 9), slice(3, 9), shape=(8, 14, 14))
    two = box(slice(0, 6), slice(4, 12), slice(3, 9), shape=(8, 14, 14))
    assert hd95(one, two, SPACING_MM) == pytest.approx(brute_hd95(one, two, SPACING_MM))


def test_the_border_of_the_volume_is_no_surface() -> None:
    column = box(slice(0, 8), slice(5, 10), slice(5, 10))
    assert len(surface(column)) == 8 * 16  # the rim of each slice, not the first and last slice's faces
    assert len(surface(np.ones((2, 3, 3), dtype=bool))) == 18


def test_equal_masks_are_perfect_and_scores_are_symmetric() -> None:
    one, two = box(slice(2, 6), slice(4, 12), slice(4, 12)), box(slice(3, 6), slice(5, 12), slice(4, 10))
    perfect = score_structure(one, one, SPACING_MM, 1.0)
    assert (perfect.dice, perfect.hd95_mm, perfect.reason) == (1.0, 0.0, "")
    assert score_structure(one, two, SPACING_MM, 1.0) == score_structure(two, one, SPACING_MM, 1.0)


def test_scores_do_not_depend_on_where_the_structure_lies() -> None:
    one, two = box(slice(2, 5), slice(4, 9), slice(4, 9)), box(slice(2, 4), slice(5, 9), slice(3, 9))
    moved = score_structure(np.roll(one, 6, 2), np.roll(two, 6, 2), SPACING_MM, 1.0)
    assert moved == score_structure(one, two, SPACING_MM, 1.0)


def test_empty_masks() -> None:
    there, nothing = box(slice(2, 4), slice(4, 8), slice(4, 8)), box(slice(0, 0))
    both = score_structure(nothing, nothing, SPACING_MM, 1.0)
    assert (both.dice, both.hd95_mm, both.surface_dice, both.reason) == (1.0, 0.0, 1.0, BOTH_EMPTY)
    missed = score_structure(nothing, there, SPACING_MM, 1.0)
    assert (missed.dice, missed.hd95_mm, missed.surface_dice, missed.reason) == (0.0, None, 0.0, MISSED)
    invented = score_structure(there, nothing, SPACING_MM, 1.0)
    assert (invented.dice, invented.hd95_mm, invented.surface_dice, invented.reason) == (0.0, None, 0.0, INVENTED)


def test_surface_dice_counts_the_surface_within_the_tolerance() -> None:
    """Two equal plates, one moved by one voxel of 2 mm along the last axis: each rim voxel's distance is known."""
    one = box(slice(3, 4), slice(4, 10), slice(4, 10))
    two = box(slice(3, 4), slice(4, 10), slice(5, 11))
    # One slice thick: every voxel is surface. The column that the other lacks lies 2 mm away, all else at 0.
    assert surface_dice(one, two, SPACING_MM, 1.9) == pytest.approx(5 / 6)
    assert surface_dice(one, two, SPACING_MM, 2.0) == 1.0
    assert surface_dice(one, two, (5.0, 1.0, 4.0), 2.0) == pytest.approx(5 / 6)  # the same voxels, farther apart
