import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.imaging.body import air_threshold, find_body
from radgen.imaging.morphology import dilate
from radgen.imaging.settings import BodySettings
from tests.imaging.toys import SPACING_MM, ellipse, head_mr, scene

KEEP, DROP = BodySettings(arms="keep"), BodySettings(arms="drop")


def body_of(hu: NDArray[np.generic], settings: BodySettings = KEEP) -> NDArray[np.bool_]:
    body = find_body(hu, SPACING_MM, "CT", settings)
    assert body is not None
    return body


def test_the_patient_stays_whole_and_couch_and_blanket_go() -> None:
    drawn = scene()
    body = body_of(drawn.hu)
    assert body[drawn.trunk].all()
    assert body[drawn.arm].all()
    assert not body[drawn.couch].any()
    assert not body[drawn.blanket].any()
    beyond = body & ~(drawn.trunk | drawn.arm)
    assert beyond.sum() < 0.01 * drawn.trunk.sum()


def test_a_couch_that_touches_the_patient_is_cut_off() -> None:
    drawn = scene(lying=True)
    trunk, arm, couch, hu = (a.repeat(3, 1).repeat(3, 2) for a in (drawn.trunk, drawn.arm, drawn.couch, drawn.hu))
    body = find_body(hu, (5.0, 1.0, 1.0), "CT", KEEP)
    assert body is not None
    assert body[trunk].mean() > 0.999
    assert body[couch].mean() < 0.25  # what lies right under the back
    wings = couch & ~dilate(trunk | arm, 15)
    assert wings.sum() > 0.4 * couch.sum()
    assert not body[wings].any()


def test_a_sheet_against_the_skin_is_peeled_off() -> None:
    drawn = scene()
    trunk, hu = (array.repeat(3, 1).repeat(3, 2) for array in (drawn.trunk, drawn.hu))
    sheet = np.roll(trunk, 4, axis=1) & ~np.roll(trunk, 2, axis=1)  # 2 mm thick, 2 mm below the skin
    sheet[:, :240] = False
    hu[sheet] = 0
    body = find_body(hu, (5.0, 1.0, 1.0), "CT", KEEP)
    assert body is not None
    assert body[trunk].mean() > 0.999
    assert body[sheet].mean() < 0.1


def test_lungs_belong_to_the_body() -> None:
    drawn = scene()
    assert body_of(drawn.hu)[drawn.lung].all()


@pytest.mark.parametrize("contact", [False, True])
def test_arms_are_dropped_without_cutting_the_trunk(contact: bool) -> None:
    drawn = scene(contact=contact)
    body = body_of(drawn.hu, DROP)
    left_alone = drawn.arm & ~dilate(drawn.trunk, 2)
    assert body[drawn.trunk].mean() > 0.995
    assert body[left_alone].mean() < 0.02
    assert body_of(drawn.hu, KEEP)[drawn.arm].all()


@pytest.mark.parametrize("arms", ["keep", "drop"])
@pytest.mark.parametrize("wall_px", [2, 3, 5, 8])
@pytest.mark.parametrize("gas_px", [4, 8])
def test_the_wall_in_front_of_gas_is_never_cut(arms: str, wall_px: int, gas_px: int) -> None:
    drawn = scene()
    cols = np.arange(drawn.hu.shape[2])
    inner = ellipse(75, 80, 32 - wall_px, 42 - wall_px)
    gas = inner & ~np.roll(inner, gas_px, axis=0) & (abs(cols - 80) < 2 * gas_px)
    hu = np.where(gas, -950, drawn.hu).astype(np.int16)
    body = body_of(hu, BodySettings(arms=arms))
    assert body[drawn.trunk].all()
    assert not body[drawn.couch].any()
    assert not body[drawn.blanket].any()


def test_two_legs_are_no_arms() -> None:
    rows, cols = np.mgrid[:128, :128]
    legs = (np.hypot(rows - 64, cols - 34) < 20) | (np.hypot(rows - 64, cols - 94) < 18)
    hu = np.where(np.repeat(legs[None], 3, 0), 40, -1000).astype(np.int16)
    assert body_of(hu, DROP)[np.repeat(legs[None], 3, 0)].all()


@pytest.mark.parametrize("padding", [-2000, -3024, 63536])
def test_padding_is_air(padding: int) -> None:
    drawn = scene()
    hu = drawn.hu.astype(np.int32)
    rows, cols = np.mgrid[: hu.shape[1], : hu.shape[2]]
    hu[:, np.hypot(rows - 80, cols - 80) > 79] = padding
    body = body_of(hu)
    assert not body[hu == padding].any()
    assert body[drawn.trunk].all()


def test_a_single_slice_is_enough() -> None:
    drawn = scene()
    one = body_of(drawn.hu[:1])
    assert one[drawn.trunk[:1]].all()
    assert not one[drawn.couch[:1]].any()


def test_fine_and_coarse_pixels_give_the_same_patient() -> None:
    drawn = scene()
    coarse = body_of(drawn.hu)
    fine = find_body(drawn.hu.repeat(3, 1).repeat(3, 2), (5.0, 1.0, 1.0), "CT", KEEP)
    assert fine is not None
    assert (fine[:, 1::3, 1::3] != coarse).mean() < 0.002


def test_an_empty_scan_has_no_body() -> None:
    assert not body_of(np.full((2, 64, 64), -1000, dtype=np.int16)).any()


def test_a_head_in_mr_keeps_scalp_skull_and_ventricles() -> None:
    grey, head = head_mr()
    body = find_body(grey, (2.0, 2.0, 2.0), "MR", KEEP)
    assert body is not None
    assert body[head].all()
    assert body[~dilate(head, 1)].mean() < 0.001


def test_a_crop_without_air_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    crop = rng.normal(600, 150, (20, 40, 40)).clip(1, 1500).astype(np.float32)
    crop[:, 15:20, 15:20] = 20
    assert air_threshold(crop, 0.05) is None
    assert find_body(crop, (1.0, 1.0, 1.0), "MR", KEEP) is None


def test_noise_raises_the_threshold_between_air_and_tissue() -> None:
    grey, _ = head_mr()
    quiet = air_threshold(grey, 0.02)
    noisy = air_threshold(np.where(grey < 60, grey * 3, grey), 0.02)
    assert quiet is not None
    assert noisy is not None
    assert 30 < quiet < noisy < 150


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"arms": "cut"}, "arms: 'cut' is not one of keep, drop"),
        ({"opening_mm": 20.0}, "the opening must be above 0 and at most the marker"),
        ({"mr_threshold": 0.5}, "mr_threshold: 0.5 must lie above 0"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        BodySettings(**wrong)  # type: ignore[arg-type]
