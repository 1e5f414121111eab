"""Laws of the packed morphology, against plain definitions on one slice at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from radgen.imaging.morphology import bounds, dilate, erode, fill_holes, neighbours, pack, spread, unpack

CROSS = ndimage.generate_binary_structure(2, 1)


def random_mask(seed: int, share: float = 0.6, slices: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (slices or int(rng.integers(1, 20)), int(rng.integers(2, 30)), int(rng.integers(2, 30)))
    return np.asarray(rng.random(shape) < share)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_packing_loses_nothing(seed: int) -> None:
    mask = random_mask(seed)
    assert np.array_equal(unpack(pack(mask), len(mask)), mask)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_opening_never_grows_and_closing_never_shrinks(seed: int) -> None:
    mask = pack(random_mask(seed, slices=8))
    for steps in (1, 2, 3):
        assert not (dilate(erode(mask, steps), steps) & ~mask).any()
        assert not (mask & ~erode(dilate(mask, steps), steps)).any()
        assert np.array_equal(erode(mask, steps), ~dilate(~mask, steps))


@pytest.mark.parametrize(
    ("steps", "offsets"), [(1, CROSS), (2, ndimage.binary_dilation(np.pad(CROSS, 1), np.ones((3, 3))))]
)
def test_a_step_reaches_the_cross_and_two_steps_the_octagon(steps: int, offsets: np.ndarray) -> None:
    mask = random_mask(5, share=0.1, slices=11)
    grown = unpack(dilate(pack(mask), steps), len(mask))
    for before, after in zip(mask, grown, strict=True):
        assert np.array_equal(after, ndimage.binary_dilation(before, offsets))


@given(st.integers(0, 10**6), st.floats(0.3, 0.8))
@settings(max_examples=60, deadline=None)
def test_holes_are_filled_in_each_slice_on_its_own(seed: int, share: float) -> None:
    mask = random_mask(seed, share)
    filled = unpack(fill_holes(pack(mask)), len(mask))
    for before, after in zip(mask, filled, strict=True):
        assert np.array_equal(after, ndimage.binary_fill_holes(before))


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_seed_spreads_over_the_pieces_it_lies_in(seed: int) -> None:
    room, start = (
        random_mask(seed, 0.6, slices=9),
        random_mask(seed, 0.6, slices=9) & random_mask(seed + 1, 0.6, slices=9)[:, :1, :1],
    )
    reached = unpack(spread(pack(start), pack(room)), 9)
    for within, begun, found in zip(room, start, reached, strict=True):
        labels, _ = ndimage.label(within)
        assert np.array_equal(found, np.isin(labels, labels[begun & within]) & within)


def test_a_spiral_is_followed_to_its_end() -> None:
    side = 41
    room = np.ones((side, side), dtype=bool)
    for edge in range(0, side // 2, 2):  # rings, each joined to the next by one gap
        room[edge + 1, edge + 1 : side - edge - 1] = room[side - edge - 2, edge + 1 : side - edge - 1] = False
        room[edge + 1 : side - edge - 1, edge + 1] = room[edge + 1 : side - edge - 1, side - edge - 2] = False
        room[(edge + 1) if edge % 4 else (side - edge - 2), side // 2] = True
    start = np.zeros_like(room)
    start[0, 0] = True
    reached = unpack(spread(pack(start[None]), pack(room[None])), 1)[0]
    labels, _ = ndimage.label(room)
    assert np.array_equal(reached, labels == labels[0, 0])
    assert reached[side // 2, side // 2]


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_neighbours_lie_in_the_slices_beside(seed: int) -> None:
    mask = random_mask(seed, 0.2)
    expected = np.zeros_like(mask)
    expected[1:] |= mask[:-1]
    expected[:-1] |= mask[1:]
    assert np.array_equal(unpack(neighbours(pack(mask)), len(mask)), expected)


def test_bounds_are_tight() -> None:
    mask = np.zeros((4, 5, 6), dtype=bool)
    assert mask[bounds(mask)].size == 0
    mask[1, 2:4, 3] = mask[2, 2, 5] = True
    assert bounds(mask) == (slice(1, 3), slice(2, 4), slice(3, 6))
