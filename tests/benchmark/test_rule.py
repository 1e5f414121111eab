"""The rule on curves whose right answer is known."""

from __future__ import annotations

import pytest

from radgen.benchmark.rule import CurvePoint, choose_low, holds


def curve(**gaps: tuple[float, float]) -> list[CurvePoint]:
    return [CurvePoint(float(f"0.{name[1:]}"), gap, error) for name, (gap, error) in gaps.items()]


def test_largest_fraction_that_holds_is_chosen() -> None:
    points = [CurvePoint(1.0, 0.0, 0.0), *curve(f10=(0.02, 0.001), f03=(0.08, 0.01), f015=(0.2, 0.02))]
    assert choose_low(points, 0.05, 4.0) == 0.03


def test_order_of_points_does_not_matter() -> None:
    points = [CurvePoint(1.0, 0.0, 0.0), *curve(f10=(0.06, 0.01), f03=(0.08, 0.01))]
    assert choose_low(points, 0.05, 4.0) == choose_low(points[::-1], 0.05, 4.0) == 0.1


def test_a_flat_curve_has_no_low_fraction() -> None:
    assert choose_low(curve(f10=(0.01, 0.001), f03=(0.02, 0.001)), 0.05, 4.0) is None


@pytest.mark.parametrize(
    ("gap", "error", "expected"),
    [(0.05, 0.0125, True), (0.05, 0.0126, False), (0.0499, 0.001, False), (-0.2, 0.01, False)],
)
def test_gap_must_be_large_and_sure(gap: float, error: float, *, expected: bool) -> None:
    assert holds(CurvePoint(0.1, gap, error), 0.05, 4.0) is expected


def test_all_patients_are_never_the_low_fraction() -> None:
    assert not holds(CurvePoint(1.0, 0.5, 0.0), 0.05, 4.0)


def test_an_unknown_gap_does_not_hold() -> None:
    assert not holds(CurvePoint(0.1, float("nan"), float("nan")), 0.05, 4.0)
