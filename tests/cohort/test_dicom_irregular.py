"""Faults of geometry: refused with a figure, or brought to a regular grid on which everything lies where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from radgen.cohort.dicom_volumes import read_grid, read_volume
from radgen.cohort.inventory import Inventory
from radgen.cohort.readers import read_series
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import canonical
from tests.cohort.toys import ct_slice, inventory_of, save, stored_volume, write_series

ROWS, COLS, ROW_MM, COL_MM = 24, 20, 0.5, 0.75
Field = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def linear_field(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intensities that grow evenly through the patient: linear interpolation gives them back exactly."""
    return np.asarray(2000 + 3.0 * places[..., 0] - 4.0 * places[..., 1] + 5.0 * places[..., 2])


def write_planes(folder: Path, corners: Sequence[tuple[float, float, float]], **tags: Any) -> list[Path]:
    """Slices that show the linear field where they lie (LPS), whose first pixels are at `corners`."""
    directions = np.array(tags.get("ImageOrientationPatient", (1.0, 0, 0, 0, 1.0, 0))).reshape(2, 3)
    rows, cols = np.mgrid[:ROWS, :COLS]
    paths = []
    for number, corner in enumerate(corners):
        places = np.array(corner) + rows[..., None] * ROW_MM * directions[1] + cols[..., None] * COL_MM * directions[0]
        pixels = np.rint(linear_field(places)).astype(np.int16)
        tags = {"RescaleIntercept": 0, "InstanceNumber": number} | tags
        paths.append(save(folder / f"{number}.dcm", ct_slice(pixels, corner, **tags)))
    return paths


def error_in_place(paths: list[Path], treatment: str) -> tuple[float, tuple[int, ...]]:
    """The largest difference between a volume and the field at its voxels' places, fill apart; and its shape."""
    volume = read_volume(paths, treatment=treatment)
    index = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), axis=-1)
    places = (index @ volume.affine[:3, :3].T + volume.affine[:3, 3]) * [-1, -1, 1]
    difference = np.abs(volume.array - linear_field(places))
    bare = volume.array == volume.array.min()
    assert bare.mean() < 0.5
    return float(difference[~bare].max()), volume.array.shape


def tilted(degrees: float, gaps: Sequence[float] = (3.0, 3.0, 3.0)) -> list[tuple[float, float, float]]:
    along = np.concatenate([[0.0], np.cumsum(gaps)])
    return [(0.0, float(np.tan(np.radians(degrees)) * place), float(place)) for place in along]


@pytest.mark.parametrize(
    ("corners", "reason", "figure", "unit"),
    [
        (tilted(12.0), Reason.TILTED, 12.0, "degrees"),
        (tilted(0, (3.0, 3.0, 6.0, 3.0, 9.0)), Reason.MISSING_SLICES, 3.0, "positions"),
        (tilted(0, (3.0, 3.0, 4.2)), Reason.UNEVEN_GAPS, 1.2, "mm"),
        (tilted(0, (3.0, 3.1, 2.9, 3.1, 3.1, 3.1, 3.1, 3.1, 3.1)), Reason.UNEVEN_GAPS, 0.2, "mm"),
        ([(0, 0, 0), (0, 0.6, 3.0), (0, 0, 6.0)], Reason.UNEVEN_GAPS, 0.6, "mm"),
    ],
)
def test_each_fault_is_measured_and_refused(
    tmp_path: Path, corners: list[tuple[float, float, float]], reason: Reason, figure: float, unit: str
) -> None:
    with pytest.raises(RefusalError) as caught:
        read_volume(write_planes(tmp_path, corners))
    assert (caught.value.reason, caught.value.unit) == (reason, unit)
    assert caught.value.figure == pytest.approx(figure, abs=1e-6)


CASES = [
    tilted(12.0),
    tilted(-20.0),
    tilted(12.0, (3.0, 6.0, 3.0)),
    tilted(0, (3.0, 3.0, 6.0, 3.0)),
    tilted(0, (2.0, 3.0, 3.0, 3.6)),
    [(0, 0, 0), (0.9, 0.6, 3.0), (0, 0, 6.0)],
]


@pytest.mark.parametrize("corners", CASES)
def test_resampling_puts_everything_where_it_was(tmp_path: Path, corners: list[tuple[float, float, float]]) -> None:
    paths = write_planes(tmp_path, corners)
    difference, shape = error_in_place(paths, "resample")
    assert difference <= 1.0 + 1e-6  # both the slices and the result are rounded to whole numbers
    assert read_grid(paths, treatment="resample")[0] == shape


@pytest.mark.parametrize("corners", CASES)
def test_the_nearest_slice_is_off_by_less_than_half_a_step(
    tmp_path: Path, corners: list[tuple[float, float, float]]
) -> None:
    difference, _ = error_in_place(write_planes(tmp_path, corners), "nearest")
    widest_gap = max(np.diff([corner[2] for corner in corners]))
    half_voxel = 3.0 * COL_MM / 2 + 4.0 * ROW_MM / 2 + 5.0 * widest_gap / 2
    assert difference <= half_voxel + 1.0


def test_oblique_planes_are_mended_along_their_own_normal(tmp_path: Path) -> None:
    normal = np.array([0.0, 0.6, 0.8])
    corners = [tuple((4.0 * place * normal).tolist()) for place in (0, 1, 3, 4)]
    paths = write_planes(tmp_path, corners, ImageOrientationPatient=[1.0, 0, 0, 0, 0.8, -0.6])
    difference, shape = error_in_place(paths, "resample")
    assert (difference <= 1.0, shape) == (True, (5, ROWS, COLS))


def test_what_lies_on_the_grid_already_is_not_touched(tmp_path: Path) -> None:
    stored = stored_volume(5)
    paths = write_series(tmp_path, stored)
    del paths[2]
    for treatment in ("nearest", "resample"):
        volume = read_volume(paths, treatment=treatment)
        assert volume.array.dtype == np.int16
        np.testing.assert_array_equal(volume.array[[0, 1, 3, 4]], stored[[0, 1, 3, 4]] - 1024)
    between = np.rint((stored[1].astype(float) + stored[3]) / 2) - 1024
    np.testing.assert_array_equal(read_volume(paths, treatment="resample").array[2], between)
    np.testing.assert_array_equal(read_volume(paths, treatment="nearest").array[2], stored[1] - 1024)


@pytest.mark.parametrize("treatment", ["split", "nearest", "resample"])
def test_a_regular_series_is_the_same_under_every_policy(tmp_path: Path, treatment: str) -> None:
    paths = write_series(tmp_path, stored_volume())
    np.testing.assert_array_equal(read_volume(paths, treatment=treatment).array, read_volume(paths).array)


def test_a_grid_that_would_be_mostly_invented_stays_refused(tmp_path: Path) -> None:
    paths = write_planes(tmp_path, tilted(0, (1.0, 1.0, 1000.0)))
    with pytest.raises(RefusalError, match="gaps between slices") as caught:
        read_volume(paths, treatment="resample")
    assert caught.value.reason == Reason.MISSING_SLICES


# ---------------------------------------------------------------- through the inventory


def remarks(found: Inventory) -> list[tuple[Any, ...]]:
    return [
        (remark["kind"], remark["treatment"], round(remark["figure"], 3), remark["unit"])
        for row in found.index
        for remark in row["remarks"]
    ]


def volumes(found: Inventory, archive: Path) -> list[tuple[int, ...]]:
    """Shapes as read through the rows alone; each must be the shape that its row says."""
    paths = {row["file_id"]: archive / row["path"] for row in found.files}
    shapes = [canonical(read_series(row, paths))[0].array.shape for row in found.index]
    assert sorted(shapes) == sorted((row["n_slices"], row["rows"], row["cols"]) for row in found.index)
    return shapes


def test_the_policy_of_a_study_reaches_the_reader_through_the_row(tmp_path: Path) -> None:
    write_planes(tmp_path, tilted(12.0, (3.0, 6.0, 3.0)))
    for policy in ("nearest", "resample"):
        found = inventory_of(tmp_path, on_irregular=policy)
        assert remarks(found) == [("missing-slices", policy, 1.0, "positions"), ("tilted", policy, 12.0, "degrees")]
        assert volumes(found, tmp_path) == [(5, ROWS + 6, COLS)]


def test_several_orientations_are_split_unless_they_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_volume(3, 6, 6))
    write_series(tmp_path / "b", stored_volume(4, 6, 6), ImageOrientationPatient=[1, 0, 0, 0, 0, 1], InstanceNumber=7)
    # The second four lie in one coronal plane, so move them apart along their own normal.
    for number, path in enumerate(sorted((tmp_path / "b").iterdir())):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [0, 2.0 * number, 0]
        save(path, dataset)
    found = inventory_of(tmp_path, on_irregular="nearest")
    assert sorted(volumes(found, tmp_path)) == [(3, 6, 6), (6, 4, 6)]
    assert remarks(found) == [("mixed-orientation", "split", 90.0, "degrees")] * 2


def test_a_slice_that_is_there_twice_is_dropped_with_a_remark(tmp_path: Path) -> None:
    stored = stored_volume()
    write_series(tmp_path / "a", stored)
    save(tmp_path / "b.dcm", ct_slice(stored[1], (-10, -20, 102), InstanceNumber=9))
    found = inventory_of(tmp_path)
    assert volumes(found, tmp_path) == [(4, 6, 5)]
    assert remarks(found) == [("duplicate", "dropped", 1.0, "positions")]
    assert [row["reason"] for row in found.rejects] == ["duplicate"]


def test_a_slice_with_two_contents_is_refused(tmp_path: Path) -> None:
    stored = stored_volume()
    write_series(tmp_path / "other", stored_volume(3), series="another", step_mm=2.0)
    write_series(tmp_path / "a", stored)
    save(tmp_path / "b.dcm", ct_slice(stored[1] + np.int16(1), (-10, -20, 102), InstanceNumber=9))
    found = inventory_of(tmp_path)
    assert {(row["reason"], row["figure"], row["unit"]) for row in found.rejects} == {
        ("uneven-repeats", 3.0, "positions")
    }


@pytest.mark.parametrize("policy", ["refuse", "resample"])
def test_a_wrong_count_is_refused_or_remarked(tmp_path: Path, policy: str) -> None:
    write_series(tmp_path / "other", stored_volume(3), series="another")
    write_series(tmp_path / "a", stored_volume(), ImagesInAcquisition=6)
    found = inventory_of(tmp_path, on_irregular=policy)
    if policy == "refuse":
        assert {(row["reason"], row["figure"], row["unit"]) for row in found.rejects} == {
            ("wrong-count", 2.0, "images")
        }
    else:
        assert remarks(found) == [("wrong-count", "kept", 2.0, "images")]
