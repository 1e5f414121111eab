"""Masks that were turned, displaced, copied or painted on another image are noticed, and right ones are left alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.annotation.doubts import LEAST_MASKS, TURNS, edge_fit, edge_ranks, find_doubts
from radgen.annotation.merge import Painted
from tests.annotation.toys import LABELS

Mask = NDArray[np.uint8]
SIZE = 48


def blob(seed: int, rows: int = SIZE, columns: int = SIZE) -> tuple[Mask, Mask]:
    """An image with a body, an organ at an odd place and noise, and the organ's mask."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    centre = random.uniform(0.32, 0.4, 2) * (rows, columns)
    body = (y - rows / 2) ** 2 + (x - columns / 2) ** 2 < (0.45 * min(rows, columns)) ** 2
    organ = ((y - centre[0]) / (0.14 * rows)) ** 2 + ((x - centre[1]) / (0.08 * columns)) ** 2 < 1
    image = np.where(body, 90, 0) + np.where(organ, 60, 0)
    noisy = np.where(body, image + random.normal(0, 8, image.shape), 0)
    return np.clip(noisy, 0, 255).astype(np.uint8), organ.astype(np.uint8)


def study(
    count: int, change: Callable[[list[Mask]], list[Mask]] = list, **size: int
) -> tuple[list[Painted], dict[str, Mask]]:
    pairs = [blob(seed, **size) for seed in range(count)]
    masks = change([mask for _, mask in pairs])
    painted = [Painted(f"i{n:02}", "anna", np.ascontiguousarray(m), 0, "f") for n, m in enumerate(masks)]
    return painted, {f"i{n:02}": image for n, (image, _) in enumerate(pairs)}


def sentences(painted: list[Painted], images: dict[str, Mask]) -> list[str]:
    return [doubt.sentence for doubt in find_doubts(painted, images, LABELS)]


@pytest.mark.parametrize("count", [3, LEAST_MASKS, 25])
def test_right_masks_raise_no_doubt(count: int) -> None:
    assert sentences(*study(count)) == []


@pytest.mark.parametrize("name", TURNS)
def test_every_turn_is_found_and_named_by_what_undoes_it(name: str) -> None:
    undo = {"turned by 90 degrees to the left": "right", "turned by 90 degrees to the right": "left"}
    (found,) = sentences(*study(16, lambda masks: [TURNS[name](mask) for mask in masks]))
    expected = f"turned by 90 degrees to the {undo[name]}" if name in undo else name
    assert found.startswith(f"the masks of anna fit their images better when {expected}: their borders lie on")
    assert "in 16 images; the tool has probably turned them, so export them again" in found


def test_pictures_that_are_not_square_are_only_mirrored() -> None:
    painted, images = study(16, lambda masks: [mask[::-1] for mask in masks], rows=40, columns=56)
    (found,) = sentences(painted, images)
    assert "mirrored top to bottom" in found


def test_one_annotator_of_two_can_be_the_mirrored_one() -> None:
    right, images = study(12)
    wrong = [Painted(item.image_id, "bert", np.ascontiguousarray(item.mask[:, ::-1]), 0, "f") for item in right]
    (found,) = sentences(right + wrong, images)
    assert found.startswith("the masks of bert fit their images better when mirrored left to right")


def test_few_masks_are_not_judged() -> None:
    assert sentences(*study(LEAST_MASKS - 1, lambda masks: [mask[::-1] for mask in masks])) == []


@pytest.mark.parametrize(("step", "side"), [(1, "before"), (-1, "after")])
def test_names_that_are_off_by_one_are_found(step: int, side: str) -> None:
    (found,) = sentences(*study(24, lambda masks: masks[-step:] + masks[:-step]))
    assert f"the masks of anna fit the image {side} their own better" in found
    assert "their names are probably off by one" in found


def test_a_mask_on_black_is_doubted_where_the_others_lie_on_tissue() -> None:
    painted, images = study(8)
    moved = np.roll(painted[3].mask, (-14, -14), (0, 1))
    painted[3] = Painted("i03", "anna", moved, 0, "f")
    (found,) = sentences(painted, images)
    assert found.startswith("i03: ")
    assert "of liver lies on black, where the other masks have it on tissue; is this the mask of another" in found


def test_labels_that_are_black_by_nature_are_not_doubted() -> None:
    painted, images = study(8)
    dark = {item.image_id: np.where(item.mask > 0, 0, images[item.image_id]).astype(np.uint8) for item in painted}
    assert sentences(painted, dark) == []


def test_a_mask_saved_twice_is_found() -> None:
    painted, images = study(6)
    painted[4] = Painted("i04", "anna", painted[1].mask.copy(), 0, "f")
    (doubt,) = find_doubts(painted, images, LABELS)
    assert doubt.sentence.startswith("i04 and i01 have the same mask, pixel for pixel")
    assert doubt.image_ids == ("i01", "i04")


def test_empty_masks_are_nobodys_copies() -> None:
    painted, images = study(4, lambda masks: [0 * mask for mask in masks])
    assert sentences(painted, images) == []


def test_fit_is_one_half_where_edges_and_borders_have_nothing_to_do() -> None:
    flat = np.full((20, 20), 7, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[5:9, 5:9] = 1
    assert edge_fit(edge_ranks(flat), mask) == pytest.approx(0.5, abs=0.01)
    assert edge_fit(edge_ranks(flat), 0 * mask) == 0.5
    image = flat.copy()
    image[5:9, 5:9] = 200
    assert edge_fit(edge_ranks(image), mask) > 0.9
