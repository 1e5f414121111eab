"""Scenes that cut patients: head holders, circular fields, two objects, bias fields, sheets, any table."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.imaging.body import find_body
from radgen.imaging.morphology import dilate, pack, unpack
from radgen.imaging.settings import BodySettings
from tests.imaging.toys import SIDE, SLICES, SPACING_MM, ellipse, head_mr, scene

Mask = NDArray[np.bool_]
ROWS, COLS = np.mgrid[:SIDE, :SIDE]
KEEP = BodySettings()


def stack(picture: NDArray[np.generic]) -> NDArray[np.int16]:
    noise = np.random.default_rng(0).integers(-12, 13, (SLICES, *picture.shape))
    return (np.repeat(picture[None], SLICES, 0) + noise).astype(np.int16)


def body_of(hu: NDArray[np.generic], spacing_mm: tuple[float, float, float] = SPACING_MM, modality: str = "CT") -> Mask:
    body = find_body(hu, spacing_mm, modality, KEEP)
    assert body is not None
    return body


def near(mask: Mask, steps: int) -> Mask:
    return unpack(dilate(pack(np.repeat(mask[None], SLICES, 0)), steps), SLICES)


def test_a_head_in_its_holder_keeps_its_skin_and_loses_the_holder() -> None:
    fine = (2.0, 1.0, 1.0)
    head, air = ellipse(70, 80, 58, 45), ellipse(60, 80, 8, 5)
    cup = np.hypot((ROWS - 70) / 66, (COLS - 80) / 53)
    holder = (cup > 0.985) & (cup < 1.04) & (ROWS > 70)  # a shell of about 3 mm around the lower half of the head
    foam = (cup <= 0.985) & ~head & (ROWS > 75)
    hu = np.full((SIDE, SIDE), -1000)
    for mask, value in ((foam, -950), (holder, 200), (head, 40), (air, -1000)):
        hu[mask] = value
    body = body_of(stack(hu), fine)
    assert body[:, head].all()
    assert not body[np.repeat(holder[None], SLICES, 0) & ~near(head, 3)].any()


@pytest.mark.parametrize("outside", [-1000, -2000, -3024, -8192])
def test_a_circular_field_that_cuts_the_arms_leaves_what_it_shows(outside: int) -> None:
    drawn = scene()
    circle = np.hypot(ROWS - 80, COLS - 80) < 62
    hu = np.where(circle, drawn.hu, outside).astype(np.int16)
    body = body_of(hu)
    shown = circle & (drawn.trunk | drawn.arm)
    assert body[drawn.trunk & circle].all()
    assert body[shown].mean() > 0.995
    assert not body[:, ~circle].any()
    assert not body[drawn.couch].any()


def test_two_objects_in_view_are_both_kept() -> None:
    twins = ellipse(60, 45, 34, 30) | ellipse(80, 118, 40, 30)
    couch = (ROWS > 135) & (ROWS < 138)
    hu = np.where(twins, 40, np.where(couch, 200, -1000))
    body = body_of(stack(hu))
    assert body[:, twins].all()
    assert not body[:, couch].any()


def test_arms_that_lie_on_the_couch_stay_and_the_couch_goes() -> None:
    drawn = scene()
    arms = ellipse(100, 24, 11, 9) | ellipse(100, 136, 11, 9)
    flat = (ROWS >= 111) & (ROWS < 113)
    hu = np.where(drawn.trunk[0] | arms, 40, np.where(flat, 150, -1000))
    body = body_of(stack(hu))
    patient = drawn.trunk[0] | arms
    assert body[:, patient].mean() > 0.999
    assert not body[np.repeat(flat[None], SLICES, 0) & ~near(patient, 6)].any()


@pytest.mark.parametrize("shape", ["flat", "curved", "box", "two shells", "rails"])
def test_any_table_goes(shape: str) -> None:
    drawn = scene()
    bend = 0.003 * (COLS - 80) ** 2
    tables = {
        "flat": (ROWS >= 118) & (ROWS < 121),
        "curved": (ROWS + bend >= 120) & (ROWS + bend < 122) & (abs(COLS - 80) < 50),
        "box": (ROWS >= 118) & (ROWS < 140) & ~((ROWS >= 120) & (ROWS < 138) & (abs(COLS - 80) < 68)),
        "two shells": ((ROWS >= 118) & (ROWS < 120)) | ((ROWS >= 140) & (ROWS < 142)),
        "rails": (ROWS >= 120) & (ROWS < 124) & (abs(abs(COLS - 80) - 40) < 10),
    }
    table = tables[shape] & (abs(COLS - 80) < 72)
    hu = np.where(drawn.trunk[0] | drawn.arm[0], 40, np.where(table, 150, -1000))
    body = body_of(stack(hu))
    patient = drawn.trunk | drawn.arm
    assert body[patient].all()
    assert not body[np.repeat(table[None], SLICES, 0) & ~near(patient[0], 2)].any()


@pytest.mark.parametrize("strength", [0.3, 0.6, 0.8])
def test_a_bias_field_in_mr_does_not_cut_the_dim_side(strength: float) -> None:
    grey, head = head_mr()
    field = 1 - strength * COLS / SIDE
    body = body_of((grey * field).astype(np.float32), (2.0, 2.0, 2.0), "MR")
    assert body[head].mean() > 0.998
    assert body[~near(head[0], 2)].mean() < 0.005


@pytest.mark.parametrize("cut", [55, 62, 68])
def test_a_lung_cut_by_the_pictures_edge_stays(cut: int) -> None:
    drawn = scene()
    hu, trunk, couch, blanket = (
        np.ascontiguousarray(a[:, :, cut:]) for a in (drawn.hu, drawn.trunk, drawn.couch, drawn.blanket)
    )
    body = body_of(hu)
    assert body[trunk].all()
    assert not body[couch | blanket].any()


@pytest.mark.parametrize("outside", [-1000, -1024, -2000])
@pytest.mark.parametrize("row", [66, 74])
def test_a_lung_cut_by_a_circular_field_stays(outside: int, row: int) -> None:
    drawn = scene()
    circle = np.hypot(ROWS - row, COLS - 84) < 28
    body = body_of(np.where(circle, drawn.hu, outside).astype(np.int16))
    assert body[drawn.trunk & circle].mean() > 0.999
    assert not body[:, ~circle].any()


def test_bowel_gas_stays() -> None:
    drawn = scene()
    gas = ellipse(85, 100, 9, 14)
    hu = drawn.hu.copy()
    hu[:, gas] = -980
    body = body_of(hu)
    assert body[:, gas].all()
    assert body[drawn.trunk].all()
