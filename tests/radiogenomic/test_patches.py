"""Patches from CT and SEG: exact places and sizes, smooth masks, healthy backgrounds, and a reject for all else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.imaging.resize import Geometry
from radgen.radiogenomic.lungs import find_lungs, share_of_squares
from radgen.radiogenomic.pairs import Pair
from radgen.radiogenomic.patches import BACKGROUND, NODULE, Patch, cut_patches, hu_of
from radgen.radiogenomic.settings import PatchSettings
from tests.cohort.toys import ct_slice, item, save, segmentation, uid

SPACING = (2.0, 1.6)  # rows, columns, mm
SHAPE = (12, 120, 150)
STEP_MM = 3.0
SETTINGS = PatchSettings(size_px=64)
# slice, row, column of the middle (mm per axis as above), radius in mm, HU
RIGHT, LEFT = (5, 50, 40, 13.0, 40), (6, 70, 108, 8.0, -100)
TINY = (5, 80, 30, 2.0, 40)


def sphere(slice_: int, row: int, column: int, radius_mm: float) -> NDArray[np.bool_]:
    z, y, x = np.indices(SHAPE)
    away = ((z - slice_) * STEP_MM) ** 2 + ((y - row) * SPACING[0]) ** 2 + ((x - column) * SPACING[1]) ** 2
    return np.asarray(away <= radius_mm**2)


def chest(*nodules: tuple[int, int, int, float, int]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """HU and nodules: a trunk of water in air, two lungs, spheres in them."""
    _, y, x = np.indices(SHAPE)
    hu = np.full(SHAPE, -1000, dtype=np.int16)
    hu[((y - 60) / 55) ** 2 + ((x - 75) / 70) ** 2 <= 1] = 0
    for middle in (42, 108):
        hu[((y - 60) / 44) ** 2 + ((x - middle) / 27) ** 2 <= 1] = -850
    marked = np.zeros(SHAPE, dtype=bool)
    for *place, radius, value in nodules:
        inside = sphere(*place, radius)  # type: ignore[arg-type]
        hu[inside], marked = value, marked | inside
    return hu, marked


def write_pair(
    root: Path, nodules: NDArray[np.bool_], hu: NDArray[np.int16], shift_mm: float = 0.0, **tags: Any
) -> None:
    """A TCIA tree of one patient; `tags` go to the SEG."""
    name = tags.pop("name", "1-1")
    study = root / "NSCLC Radiogenomics" / "R01-001" / "study"
    for number, plane in enumerate(hu):
        image = ct_slice(
            plane + 1024,
            (-100.0, -100.0, STEP_MM * number),
            PixelSpacing=list(SPACING),
            SliceThickness=STEP_MM,
            InstanceNumber=number + 1,
            PatientID="R01-001",
        )
        save(study / "CT" / f"1-{number:03d}.dcm", image)
    frames = [
        (1, (-100.0 + shift_mm, -100.0, STEP_MM * number), plane) for number, plane in enumerate(nodules) if plane.any()
    ]
    label = tags.pop("label", "Neoplasm, Primary")
    oriented = tags.pop("oriented", True)
    named = tags.pop("series", "series")
    values = {"PatientID": "R01-001", "FrameOfReferenceUID": uid("frame", "series")} | tags
    made = segmentation(frames, {1: label}, spacing=SPACING, **values)
    made.ReferencedSeriesSequence = [item(SeriesInstanceUID=uid(named))]
    if not oriented:
        del made.SharedFunctionalGroupsSequence
    save(study / "SEG" / f"{name}.dcm", made)


def pair_in(root: Path) -> Pair:
    ct, segs = (tuple(sorted(root.rglob(f"{kind}/*.dcm"))) for kind in ("CT", "SEG"))
    return Pair("key", ct, segs)


def cut(root: Path, settings: PatchSettings = SETTINGS) -> tuple[list[Patch], list[str]]:
    return cut_patches(pair_in(root), settings)


def of_kind(patches: list[Patch], kind: str) -> list[Patch]:
    return [patch for patch in patches if patch.row["kind"] == kind]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    hu, nodules = chest(RIGHT, LEFT)
    write_pair(tmp_path, nodules, hu)
    return tmp_path


def test_a_nodule_fills_half_of_its_picture_and_keeps_its_size(archive: Path) -> None:
    patches, rejects = cut(archive)
    assert not rejects
    assert len(of_kind(patches, NODULE)) == 6
    _, nodules = chest(RIGHT, LEFT)
    for patch in of_kind(patches, NODULE):
        place = RIGHT if patch.row["nodule"] == 1 else LEFT
        # Twice the box, whose sides are the whole pixels that the sphere touches.
        assert patch.row["field_mm"] == pytest.approx(4 * place[3], abs=2 * max(SPACING))
        assert patch.row["pixel_mm"] == pytest.approx(patch.row["field_mm"] / 64)
        cover = patch.mask / 255
        assert cover.sum() * patch.row["pixel_mm"] ** 2 == pytest.approx(patch.row["area_mm2"], rel=0.04)
        assert np.argwhere(cover > 0.5).mean(axis=0) == pytest.approx([31.5, 31.5], abs=0.6)
        assert len(np.unique(patch.mask)) > 20
        drawn = (nodules[patch.row["slice"]] & sphere(*place[:3], place[3])[patch.row["slice"]]).sum()
        assert patch.row["area_mm2"] == pytest.approx(drawn * SPACING[0] * SPACING[1])
        assert hu_of(patch.image, SETTINGS)[cover == 1] == pytest.approx(place[4], abs=3)
        assert hu_of(patch.image, SETTINGS)[cover == 0].max() <= max(place[4], 0) + 3


def test_slices_are_spread_around_the_middle(archive: Path) -> None:
    slices = [patch.row["slice"] for patch in of_kind(cut(archive)[0], NODULE) if patch.row["nodule"] == 1]
    assert slices == sorted(set(slices))
    assert min(slices) < RIGHT[0] < max(slices)
    one = of_kind(cut(archive, replace(SETTINGS, slices_per_nodule=1))[0], NODULE)
    assert [patch.row["slice"] for patch in one] == [RIGHT[0], LEFT[0]]


def test_healthy_patches_touch_no_nodule_and_lie_on_its_side(archive: Path) -> None:
    patches, _ = cut(archive, replace(SETTINGS, backgrounds_per_nodule=200))
    _, nodules = chest(RIGHT, LEFT)
    healthy = of_kind(patches, BACKGROUND)
    assert len(healthy) > 40
    for patch in healthy:
        row, geometry = patch.row, Geometry.of_row(patch.row, (64, 64))
        spans = []
        for axis in (geometry.rows, geometry.cols):
            first, last = axis.offset - axis.step, axis.offset + axis.step * 64
            spans.append(slice(max(0, int(np.floor(first))), int(np.ceil(last)) + 1))
        assert not nodules[row["slice"] - 1 : row["slice"] + 2, spans[0], spans[1]].any()
        middle = geometry.cols.offset + geometry.cols.step * 31.5
        assert (middle < 75) == (row["nodule"] == 1)
        assert not patch.mask.any()
        assert (hu_of(patch.image, SETTINGS) < -500).mean() >= 0.75


def test_a_fixed_field_shows_which_nodule_is_larger(archive: Path) -> None:
    patches = of_kind(cut(archive, replace(SETTINGS, field_mm=60.0, slices_per_nodule=1))[0], NODULE)
    large, small = (patch.mask.sum() for patch in patches)
    assert large / small == pytest.approx((RIGHT[3] / LEFT[3]) ** 2, rel=0.1)
    assert {patch.row["pixel_mm"] for patch in patches} == {60 / 64}


def test_patches_are_the_same_each_time_and_follow_the_seed(archive: Path) -> None:
    first, again, other = (cut(archive, replace(SETTINGS, seed=seed))[0] for seed in (1, 1, 2))
    assert [patch.row for patch in first] == [patch.row for patch in again]
    assert all(np.array_equal(one.image, two.image) for one, two in zip(first, again, strict=True))
    assert [patch.row for patch in of_kind(first, NODULE)] == [patch.row for patch in of_kind(other, NODULE)]
    assert [patch.row for patch in of_kind(first, BACKGROUND)] != [patch.row for patch in of_kind(other, BACKGROUND)]


def test_an_old_slicer_segmentation_gives_the_same_pictures(
    archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old = tmp_path_factory.mktemp("old")
    hu, nodules = chest(RIGHT, LEFT)
    write_pair(old, nodules, hu, oriented=False, FrameOfReferenceUID=None)
    settings = replace(SETTINGS, backgrounds_per_nodule=0)
    modern, former = cut(archive, settings)[0], cut(old, settings)[0]
    assert len(former) == len(modern) == 6
    assert all(np.array_equal(one.mask, two.mask) for one, two in zip(modern, former, strict=True))


def test_segmentations_of_one_ct_are_taken_together(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    apart = tmp_path_factory.mktemp("apart")
    hu, _ = chest(RIGHT, LEFT)
    for number, place in enumerate((RIGHT, LEFT)):
        write_pair(apart, sphere(*place[:4]), hu, name=f"1-{number}", SOPInstanceUID=uid("seg", number))
    together, both = cut(archive)[0], cut(apart)[0]
    assert len(pair_in(apart).segs) == 2
    assert [patch.row["slice"] for patch in of_kind(both, NODULE)] == [
        patch.row["slice"] for patch in of_kind(together, NODULE)
    ]
    assert all(
        np.array_equal(one.mask, two.mask)
        for one, two in zip(of_kind(both, NODULE), of_kind(together, NODULE), strict=True)
    )


@pytest.mark.parametrize(
    ("seg", "sentence"),
    [
        ({"shift_mm": 0.7}, "pixels of the segmentation lie up to 0.44 voxels off its image"),
        ({"shift_mm": 192.0}, "part of the segmentation lies outside its image"),
        ({"series": "elsewhere"}, "a segmentation that names another series than its CT; add the CT it was drawn on"),
        ({"FrameOfReferenceUID": uid("another")}, "another frame of reference than the CT it names"),
        ({"PatientID": "R01-002"}, "a segmentation of another patient than the CT it names"),
        ({"label": "Liver"}, "no pixel in a segment of the names nodule, Neoplasm, Primary"),
    ],
)
def test_a_segmentation_that_does_not_match_is_refused(tmp_path: Path, seg: dict[str, Any], sentence: str) -> None:
    hu, nodules = chest(RIGHT)
    write_pair(tmp_path, nodules, hu, **seg)
    patches, rejects = cut(tmp_path)
    assert not patches
    (reason,) = rejects
    assert sentence in reason
    assert "R01" not in reason


def test_what_gives_no_patch_gives_a_row(tmp_path: Path) -> None:
    hu, nodules = chest(RIGHT, TINY)
    write_pair(tmp_path, nodules, hu)
    settings = replace(SETTINGS, slices_per_nodule=30, field_mm=150.0)
    patches, rejects = cut(tmp_path, settings)
    assert {patch.row["nodule"] for patch in patches} == {1}
    good = len(of_kind(patches, NODULE))
    assert f"nodule 1: {good} slices of a good size where 30 were asked for" in rejects
    assert "nodule 1: 0 healthy patches of 150 mm where 4 were asked for" in rejects
    assert any(reason.startswith("nodule 2: a box of 3 x 3 pixels") for reason in rejects)
    assert len(rejects) == 3
    next(tmp_path.rglob("SEG/*.dcm")).unlink()
    assert cut(tmp_path)[1] == ["a CT series that no segmentation names"]


def test_a_refused_segmentation_keeps_its_ct_from_being_called_healthy(archive: Path) -> None:
    hu, nodules = chest(RIGHT, LEFT)
    write_pair(archive, nodules, hu, name="1-2", SOPInstanceUID=uid("seg", 2), FrameOfReferenceUID=uid("another"))
    patches, rejects = cut(archive)
    assert not patches
    assert rejects == [
        "a segmentation in another frame of reference than the CT it names; take the one drawn on this CT"
    ]


def test_a_pair_that_does_not_read_is_a_reject(archive: Path) -> None:
    pair = pair_in(archive)
    missing = Pair(pair.patient, pair.ct[:4] + pair.ct[5:], pair.segs)
    patches, rejects = cut_patches(missing, SETTINGS)
    assert (patches, len(rejects)) == ([], 1)
    pair.segs[0].write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 40)
    patches, rejects = cut_patches(pair, SETTINGS)
    assert (patches, len(rejects)) == ([], 1)


def test_lungs_hold_vessels_and_no_air_outside() -> None:
    hu, nodules = chest((5, 60, 42, 4.0, 30))
    lungs = find_lungs(hu, SPACING)
    empty, _ = chest()
    truth = empty == -850
    assert (lungs & ~truth).mean() < 0.005
    assert (truth & ~lungs).mean() < 0.005
    assert (lungs & nodules).sum() == nodules.sum()


def test_shares_of_squares_are_means() -> None:
    mask = np.random.default_rng(0).random((9, 11)) < 0.4
    padded = np.pad(mask, ((2, 2), (3, 3)))
    expected = [[padded[r : r + 5, c : c + 7].mean() for c in range(11)] for r in range(9)]
    np.testing.assert_allclose(share_of_squares(mask, (2, 3)), expected)
