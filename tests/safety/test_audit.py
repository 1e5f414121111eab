"""Copies of training images planted among strangers are found, and strangers are let go."""

from __future__ import annotations

import numpy as np

from radgen.safety.audit import PLANTED, Audit
from radgen.safety.tables import ALL
from tests.safety.phantoms import PER_KIND, STRANGERS


def dropped(audit: Audit, kind: str) -> list[bool]:
    rows = audit.images.to_pylist()
    return [not row["kept"] for row in rows if row["image_id"].startswith(f"main_{kind}_")]


def value(audit: Audit, comparison: str, measure: str, role: str) -> float:
    found = [m.value for m in audit.measures if (m.comparison, m.measure, m.role) == (comparison, measure, role)]
    assert len(found) == 1
    assert found[0] is not None
    return found[0]


def test_planted_copies_are_found_and_strangers_let_go(audit: Audit) -> None:
    # An image is judged by itself, so it does not matter that more than 1 % of the set are copies.
    found = {kind: np.mean(dropped(audit, kind)) for kind in PLANTED}
    assert all(len(dropped(audit, kind)) == PER_KIND for kind in PLANTED)
    assert min(found.values()) >= 0.95, found
    alarms = dropped(audit, "honest")
    assert len(alarms) == STRANGERS * 12
    assert np.mean(alarms) <= 0.01


def test_a_dropped_image_names_its_original_and_how_it_resembles_it(audit: Audit) -> None:
    rows = {row["image_id"]: row for row in audit.images.to_pylist()}
    mirrored = rows["main_mirrored_05"]
    assert mirrored["nearest_image_id"] == "real_005_05"
    assert mirrored["nearest_patient"] == f"{5:016x}"
    assert mirrored["mirrored"]
    assert (mirrored["down_px"], mirrored["right_px"]) == (0, 0)
    assert mirrored["why"].startswith("near copy by ")
    shifted = rows["main_shifted_05"]
    assert shifted["nearest_image_id"] == "real_005_05"
    assert not shifted["mirrored"]
    assert (shifted["down_px"], shifted["right_px"]) != (0, 0)
    assert rows["main_honest_0000"]["why"] is None


def test_it_tells_what_it_can_find_itself(audit: Audit) -> None:
    for kind in PLANTED:
        assert value(audit, ALL, "planted_found", kind) >= 0.8, kind
    assert value(audit, ALL, "near_copies", "control") <= 0.02  # 30 people: one more or less is 3 %
    assert value(audit, "whole", "control_near_duplicates", "control") == 0


def test_strangers_with_planted_copies_give_members_away_and_are_no_duplicates(audit: Audit) -> None:
    aucs = {m.comparison: m for m in audit.measures if m.measure == "membership_auc"}
    assert set(aucs) == {"pixels", "whole", "coarse"}  # not part by part
    assert all(m.low <= m.value <= m.high for m in aucs.values() if None not in {m.low, m.value, m.high})
    # One slice in twelve of 16 of 40 people is in the set, five times over; ranks turned round give below a half.
    assert aucs["whole"].value is not None
    assert aucs["whole"].value > 0.52
    assert value(audit, "pixels", "authentic", "synthetic") < value(audit, "pixels", "authentic", "control")
