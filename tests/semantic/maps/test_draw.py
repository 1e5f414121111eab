"""Drawn maps: nothing new appears, nothing folds, neighbours stay, each map depends on its number alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.semantic.maps.deform import _basis, deform, sources
from radgen.semantic.maps.draw import MapDrawer, write_drawn
from radgen.semantic.maps.mix import mix, with_contents
from radgen.semantic.maps.settings import MOST_BEND, DrawnMapsSettings
from tests.semantic.maps.toys import SCHEMA, SIDE, discs, rows_for, write_maps

STILL = DrawnMapsSettings(mix=0, bend=0, rotation_degrees=0, scale=0, shift=0)
WILD = DrawnMapsSettings(bend=MOST_BEND, rotation_degrees=20, scale=0.3, shift=0.1, control_points=6)


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def ring(side: int = 21) -> NDArray[np.uint8]:
    """Return a liver (3) with a lesion (9) in it, and a kidney (5) that touches it."""
    rows, cols = np.mgrid[:side, :side]
    stored = np.where(np.hypot(rows - 10, cols - 9) < 7, 3, 0)
    stored[5:16, 15:19] = 5
    return np.where(np.hypot(rows - 9, cols - 8) < 2.5, 9, stored).astype(np.uint8)


# ---------------------------------------------------------------- deformation


@pytest.mark.parametrize(("side", "points"), [(32, 4), (7, 2), (64, 9)])
def test_splines_sum_to_one_and_follow_a_straight_line(side: int, points: int) -> None:
    basis = _basis(side, points)
    np.testing.assert_allclose(basis.sum(axis=1), 1)
    line = np.arange(-1, points + 1) * (side - 1) / (points - 1)  # control points on a line give that line
    np.testing.assert_allclose(basis @ line, np.arange(side), atol=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_even_the_largest_bend_folds_nowhere(seed: int) -> None:
    rows, cols = sources((48, 40), WILD, random(seed))
    (row_down, row_right), (col_down, col_right) = np.gradient(rows), np.gradient(cols)
    assert (row_down * col_right - row_right * col_down).min() > 0


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_no_id_appears_that_was_not_there(seed: int) -> None:
    stored = ring()
    made = deform(stored, WILD, random(seed))
    assert made.dtype == np.uint8
    assert made.shape == stored.shape
    assert set(np.unique(made)) <= {0, 3, 5, 9}


def test_without_any_reach_a_map_stays_and_with_some_it_changes() -> None:
    stored = ring()
    assert np.array_equal(deform(stored, STILL, random(0)), stored)
    assert not np.array_equal(deform(stored, DrawnMapsSettings(), random(0)), stored)


# ---------------------------------------------------------------- mixing


def test_a_structure_goes_with_what_lies_in_it_and_not_with_its_neighbour() -> None:
    assert with_contents(ring(), 3, background=0) == [3, 9]
    assert with_contents(ring(), 5, background=0) == [5]


def test_the_donors_structure_takes_the_place_of_a_maps_own() -> None:
    donor = np.zeros((21, 21), dtype=np.uint8)
    donor[2:8, 1:5] = 3  # no lesion in it
    made = mix(ring(), donor, [3])
    assert (made == 3).sum() == 24
    assert not (made == 9).any()  # the old liver took its lesion along
    assert np.array_equal(made == 5, ring() == 5)
    own, new = (np.argwhere(np.isin(one, [3, 9])).mean(axis=0) for one in (ring(), made))
    assert np.abs(own - new).max() <= 1


def test_a_lesion_is_replaced_by_what_is_around_it() -> None:
    donor = np.zeros((21, 21), dtype=np.uint8)
    donor[3, 3] = 9
    made = mix(ring(), donor, [9])
    assert (made == 9).sum() == 1
    assert (made == 3).sum() == np.isin(ring(), [3, 9]).sum() - 1


def test_structures_of_one_donor_keep_to_each_other() -> None:
    moved = np.roll(ring(), (0, 1), axis=(0, 1))
    assert np.array_equal(mix(ring(), moved, [3, 5]), ring())
    assert np.array_equal(mix(ring(), ring()[::-1], []), ring())


# ---------------------------------------------------------------- drawing


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return write_maps(tmp_path_factory.mktemp("maps"), discs(24))


def drawer(maps: ImageSet, seed: int = 0, rows: tuple[int, ...] = tuple(range(12)), **changes: float) -> MapDrawer:
    settings = DrawnMapsSettings(**changes)  # type: ignore[arg-type]
    return MapDrawer(maps, np.array(rows), SCHEMA, name="drawn", seed=seed, settings=settings)


def test_a_map_depends_on_seed_and_number_alone(maps: ImageSet) -> None:
    one, late = [drawer(maps).draw(number) for number in range(6)], drawer(maps).draw(5)
    assert np.array_equal(one[5].stored, late.stored)
    assert one[5].parents == late.parents
    assert len({item.stored.tobytes() for item in one}) == 6
    assert not np.array_equal(late.stored, drawer(maps, seed=1).draw(5).stored)


def test_parents_are_the_maps_that_were_drawn_from(maps: ImageSet) -> None:
    ids = maps.column("image_id").tolist()
    stored = discs(24)
    still = {"bend": 0.0, "rotation_degrees": 0.0, "scale": 0.0, "shift": 0.0, "structures": 1.0}
    mixed = 0
    for number in range(30):
        drawn = drawer(maps, mix=1.0, **still).draw(number)
        base = ids.index(drawn.parents["base"])
        assert drawn.parents["base_patient"] == f"p{base // 4}"
        if drawn.parents["donor"] is None:
            assert np.array_equal(drawn.stored, stored[base])
            continue
        mixed += 1
        donor = ids.index(drawn.parents["donor"])
        assert drawn.parents["donor_patient"] == f"p{donor // 4}" != drawn.parents["base_patient"]
        assert (drawn.stored == 3).sum() == (stored[donor] == 3).sum()
        assert "liver" in drawn.parents["structures"]
    assert mixed > 10


def test_unmixed_maps_have_no_donor(maps: ImageSet) -> None:
    assert all(drawer(maps, mix=0.0).draw(number).parents["donor"] is None for number in range(8))


def test_everybody_who_could_be_chosen_is_an_ancestor_of_the_masks(maps: ImageSet) -> None:
    saw = drawer(maps, rows=(0, 5, 12, 16)).saw_patients()
    assert saw.masks == {"train": frozenset({"p0", "p1", "p4"}), "val": frozenset({"p3"})}
    assert not saw.pixels
    assert not saw.unknown


def test_maps_without_a_patient_have_unknown_ancestors(tmp_path: Path) -> None:
    found = write_maps(tmp_path, discs(4), rows_for(4, patient=None))
    assert drawer(found, rows=(0, 1), mix=0.0).saw_patients().unknown == {"label maps without a patient: drawn"}


def test_drawn_maps_are_a_set_of_maps_alone_whose_shards_change_nothing(
    maps: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = write_drawn(tmp_path / "one", drawer(maps), 7, (SIDE, SIDE))
    monkeypatch.setattr("radgen.semantic.maps.draw.ROWS_PER_SHARD", 3)
    parents, parts = write_drawn(tmp_path / "three", drawer(maps), 7, (SIDE, SIDE))
    assert len(parts) == 3
    assert parents.equals(whole)
    one, three = (ImageSet(tmp_path / name / "index.parquet") for name in ("one", "three"))
    assert np.array_equal(one.masks(range(7)), three.masks(range(7)))
    assert not one.has_images
    row = one.table.slice(6, 1).to_pylist()[0]
    assert (row["image_id"], row["source"], row["split"], row["patient"]) == (
        "drawn_000006",
        "drawn",
        "synthetic",
        None,
    )
    assert (row["class_name"], row["spacing_row_mm"]) == ("all", 2.0)


def test_nobody_to_mix_with_is_refused(maps: ImageSet) -> None:
    with pytest.raises(
        CohortError, match=r"3 maps of one patient \(p0\), but structures are .* \(mix 0\.5\); give maps"
    ):
        drawer(maps, rows=(0, 1, 2))
    with pytest.raises(CohortError, match="no map to draw from; name another split"):
        drawer(maps, rows=())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mix": 1.5}, "mix: 1.5 is no chance"),
        ({"bend": 0.5}, "bend: 0.5 may fold a map over itself; give 0 to 0.48"),
        ({"control_points": 1}, "control_points: 1 span no side"),
        ({"shift": -0.1}, "shift: -0.1 is below 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DrawnMapsSettings(**changes)  # type: ignore[arg-type]
