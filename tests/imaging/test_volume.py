"""Laws of orientation: a turn loses nothing, keeps every voxel where it lies in the patient, and ends canonical."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radgen.imaging.volume import CANONICAL_DIRECTIONS, Volume, canonical, canonical_turn


def oblique_affine(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.4, 5.0, size=3)
    affine[:3, 3] = rng.uniform(-200, 200, size=3)
    return affine


def world(volume: Volume, index: tuple[int, ...]) -> np.ndarray:
    return (volume.affine @ np.array([*index, 1.0]))[:3]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_a_turn_keeps_each_voxel_at_its_place_and_is_undone_exactly(seed: int) -> None:
    source = Volume(np.arange(2 * 3 * 4).reshape(2, 3, 4), oblique_affine(seed))
    turned, turn = canonical(source)
    back = turn.undo(turned)
    np.testing.assert_array_equal(back.array, source.array)
    np.testing.assert_allclose(back.affine, source.affine, atol=1e-9)
    for index in itertools.product(*(range(size) for size in turned.array.shape)):
        place = tuple(np.argwhere(source.array == turned.array[index])[0])
        np.testing.assert_allclose(world(turned, index), world(source, place), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_a_canonical_volume_is_left_alone(seed: int) -> None:
    turned, _ = canonical(Volume(np.zeros((2, 3, 4)), oblique_affine(seed)))
    again = canonical_turn(turned.affine)
    assert again.axes == (0, 1, 2)
    assert again.flips == (False, False, False)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1.0, -1.0), repeat=3)))
def test_every_axis_aligned_grid_becomes_feet_to_head_front_to_back_right_to_left(
    axes: tuple[int, ...], signs: tuple[float, ...]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(axes)] * signs * (0.5, 2.0, 3.0)
    turned, _ = canonical(Volume(np.zeros((2, 3, 4)), affine))
    directions = turned.affine[:3, :3] / turned.spacing_mm
    np.testing.assert_allclose(directions, CANONICAL_DIRECTIONS.T)


def test_the_canonical_array_is_a_view() -> None:
    source = Volume(np.zeros((2, 3, 4)), oblique_affine(3))
    turned, _ = canonical(source)
    assert np.shares_memory(turned.array, source.array)


def test_spacing_follows_the_array_axes() -> None:
    affine = np.diag([0.5, 2.0, 3.0, 1.0])
    turned, _ = canonical(Volume(np.zeros((2, 3, 4)), affine))
    assert turned.array.shape == (4, 3, 2)
    assert turned.spacing_mm == pytest.approx((3.0, 2.0, 0.5))
