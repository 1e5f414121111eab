"""The rule of pixel centres: laws, and how far other libraries' rules are from it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from radgen.annotation.importers.polygons import box_corners, fill_ellipse, fill_polygon
from radgen.errors import AnnotationError
from tests.annotation.drawn import far_from_outline

SHAPE = (31, 27)


def random_outline(seed: int, corners: int = 9) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform((-2, -2), (SHAPE[1] + 2, SHAPE[0] + 2), (corners, 2))


def fill(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    return fill_polygon(points, SHAPE, "toy.json: points")


def by_winding_of_centres(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Even-odd rule, one pixel and one edge at a time."""
    inside = np.zeros(SHAPE, np.bool_)
    for row, column in np.ndindex(SHAPE):
        x, y = column + 0.5, row + 0.5
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
                inside[row, column] ^= True
    return inside


@pytest.mark.parametrize("seed", range(8))
def test_polygons_hold_the_centres_that_even_odd_says(seed: int) -> None:
    points = random_outline(seed)
    assert np.array_equal(fill(points), by_winding_of_centres(points))


@pytest.mark.parametrize("seed", range(8))
def test_polygons_with_common_edges_tile_the_plane(seed: int) -> None:
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.linspace(-1, SHAPE[1] + 1, 5), np.linspace(-1, SHAPE[0] + 1, 5)), axis=-1)
    grid[1:-1, 1:-1] += random.uniform(-2, 2, (3, 3, 2))
    times = np.zeros(SHAPE, np.int64)
    for row, column in np.ndindex(4, 4):
        corners = [grid[row, column], grid[row, column + 1], grid[row + 1, column + 1], grid[row + 1, column]]
        times += fill(np.array(corners))
    assert (times == 1).all()


def test_whole_coordinates_give_exactly_the_pixels_between_them() -> None:
    expected = np.zeros(SHAPE, np.bool_)
    expected[4:11, 3:20] = True
    assert np.array_equal(fill(box_corners((3, 4), 17, 7)), expected)
    assert np.array_equal(fill(box_corners((3.5, 4.5), 17, 7)), expected)  # centres on the left and upper line are in
    assert np.array_equal(fill(box_corners((3, 4), 17, 7)[::-1]), expected)


def test_rectangles_turn_clockwise_about_centre_or_corner() -> None:
    expected = np.zeros(SHAPE, np.bool_)
    expected[2:12, 8:12] = True
    assert np.array_equal(fill(box_corners((5, 5), 10, 4, 90)), expected)
    # About its left top corner (12, 2), a box to the right turns to hang down on the left.
    assert np.array_equal(fill(box_corners((12, 2), 10, 4, 90, about_centre=False)), expected)


def test_ellipses_hold_the_centres_within_their_line() -> None:
    inside = fill_ellipse((13.0, 15.0), (9.0, 4.0), 0, SHAPE, "")
    rows, columns = np.indices(SHAPE) + 0.5
    assert np.array_equal(inside, ((columns - 13) / 9) ** 2 + ((rows - 15) / 4) ** 2 <= 1)
    assert np.array_equal(fill_ellipse((13.0, 15.0), (4.0, 9.0), 90, SHAPE, ""), inside)
    slope = fill_ellipse((13.0, 15.0), (9.0, 2.0), 45, SHAPE, "")  # clockwise: from the left top to the right bottom
    assert slope[10, 8]
    assert not slope[20, 8]


@pytest.mark.parametrize("seed", range(20))
def test_other_libraries_differ_only_beside_the_outline(seed: int) -> None:
    """Measured on 300 outlines as these: at most 0.16 px from it in pycocotools, 1.04 px in PIL as LabelMe uses it."""
    points = random_outline(seed, corners=5).clip(0, (SHAPE[1], SHAPE[0]))
    codes = coco_mask.merge(coco_mask.frPyObjects([points.ravel().tolist()], *SHAPE))
    canvas = Image.new("L", (SHAPE[1], SHAPE[0]))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in points], fill=1, outline=1)
    for theirs, distance_px in ((coco_mask.decode(codes), 0.25), (np.asarray(canvas), 1.25)):
        far = far_from_outline(points, SHAPE, distance_px)
        assert far.any()
        assert not (far & (fill(points) != theirs.astype(bool))).any()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[1, 1], [2, 2]], "is an outline of 2 points, but one has 3 to 20000"),
        ([[1, 1]] * 20_001, "is an outline of 20001 points"),
        ([[1, 1], [2, 2], [1, float("nan")]], "a point at x 1, y nan, far outside a picture of 31 rows x 27 columns"),
        ([[1, 1], [2, 2], [float("inf"), 1]], "a point at x inf, y 1, far outside"),
        ([[1, 1], [2, 2], [300, 1]], "a point at x 300, y 1, far outside .* draw on the pack's own image"),
    ],
)
def test_impossible_outlines_are_refused(points: list[list[float]], message: str) -> None:
    with pytest.raises(AnnotationError, match=f"toy.json: points (has )?{message}"):
        fill(np.array(points, np.float64))


@pytest.mark.parametrize("radii", [(0.0, 3.0), (1e9, 3.0), (float("nan"), 3.0)])
def test_impossible_ellipses_are_refused(radii: tuple[float, float]) -> None:
    with pytest.raises(AnnotationError, match=r"is an ellipse of radii .* draw it again"):
        fill_ellipse((5.0, 5.0), radii, 0, SHAPE, "toy")


def test_the_largest_outline_takes_bounded_work() -> None:
    points = np.tile([[1.0, 0.0], [500.0, 512.0]], (10_000, 1))  # each of 20,000 edges crosses every row
    start = time.process_time()
    fill_polygon(points, (512, 512), "")
    assert time.process_time() - start < 20  # measured: about 1
