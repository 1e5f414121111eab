"""NRRD: numbers where the header puts them, segments by their names, and no header believed beyond its file."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nrrd as pynrrd
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radgen.cohort import nrrd
from radgen.cohort.headers import VolumeHeader
from radgen.cohort.readers import read_mask, read_series
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.scan import scan_file
from radgen.cohort.settings import StructureSettings
from radgen.errors import InputError
from tests.cohort.test_nifti import oblique
from tests.cohort.toys import inventory_of, write_nifti

VOLUME = np.random.default_rng(0).integers(-500, 500, (5, 6, 7)).astype(np.int16)
STRUCTURES = StructureSettings(names=("liver", "lesion"))
TO_LPS = np.diag([-1.0, -1.0, 1.0])


def write_nrrd(path: Path, array: NDArray[Any], affine: NDArray[np.float64] | None = None, **fields: Any) -> Path:
    """A NRRD file in LPS; None removes a field."""
    path.parent.mkdir(parents=True, exist_ok=True)
    matrix = oblique(3) if affine is None else affine
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": (TO_LPS @ matrix[:3, :3]).T,
        "space origin": TO_LPS @ matrix[:3, 3],
        "encoding": "gzip",
    }
    header = {name: value for name, value in (header | fields).items() if value is not None}
    pynrrd.write(str(path), array, header)
    return path


def refusal_of(path: Path) -> tuple[Reason, str]:
    scanned = scan_file(path.parent, path.name, "")
    assert scanned.refusal is not None
    with pytest.raises(RefusalError):
        nrrd.read_volume(path)
    return scanned.refusal[0], scanned.refusal[1]


def edited(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]),
    st.sampled_from("<>"),
    st.sampled_from(["raw", "gzip", "bzip2", "ascii"]),
    st.integers(0, 99),
)
def test_what_is_written_is_read(tmp_path: Path, kind: str, order: str, encoding: str, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 120, (3, 4, 5)).astype(order + kind)
    path = write_nrrd(tmp_path / "a.nrrd", values, oblique(seed), encoding=encoding)
    header = scan_file(tmp_path, "a.nrrd", "").header
    assert isinstance(header, VolumeHeader)
    assert (header.format, header.shape, header.volumes) == ("nrrd", (3, 4, 5), 1)
    volume = read_series({"format": "nrrd", "file_ids": ["a"], "repeat": 0}, {"a": path})
    assert volume.array.dtype == np.dtype(kind if kind != "f8" else "f4")
    np.testing.assert_array_equal(volume.array, values)
    np.testing.assert_allclose(volume.affine, oblique(seed), atol=1e-9)


@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS", "left-anterior-superior"])
def test_a_volume_lies_where_simpleitk_says(tmp_path: Path, space: str) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", VOLUME, space=space)
    other = SimpleITK.ReadImage(str(path))
    point = np.array([-1, -1, 1]) * other.TransformIndexToPhysicalPoint((4, 2, 5))
    volume = nrrd.read_volume(path)
    np.testing.assert_allclose((volume.affine @ (4, 2, 5, 1))[:3], point, atol=1e-4)
    np.testing.assert_array_equal(volume.array, SimpleITK.GetArrayFromImage(other).T)


def test_lists_are_volumes_and_colours_are_colours(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 6)).astype(np.uint8)
    directions = np.vstack([[np.nan] * 3, (TO_LPS @ oblique(3)[:3, :3]).T])
    kinds = ["list", "domain", "domain", "domain"]
    path = write_nrrd(tmp_path / "a.nrrd", array, kinds=kinds, **{"space directions": directions})
    assert nrrd.read_header(path).volumes == 3
    np.testing.assert_array_equal(nrrd.read_volume(path, 2).array, array[2])
    with pytest.raises(RefusalError, match="volume 4 of a file that holds 3"):
        nrrd.read_volume(path, 3)
    kinds[0] = "RGB-color"
    path = write_nrrd(tmp_path / "b.nrrd", array, kinds=kinds, **{"space directions": directions})
    assert nrrd.read_header(path).volumes == 1
    np.testing.assert_array_equal(nrrd.read_volume(path).array, np.moveaxis(array, 0, -1))
    np.testing.assert_allclose(nrrd.read_volume(path).affine, oblique(3))
    kinds[0] = "3D-symmetric-matrix"
    path = write_nrrd(tmp_path / "c.nrrd", array, kinds=kinds, **{"space directions": directions})
    assert "3 numbers per voxel of a kind that is not read" in refusal_of(path)[1]


@pytest.mark.parametrize(
    ("old", "new", "reason", "words"),
    [
        (b"sizes: 5 6 7", b"sizes: 50000 60000 70000", Reason.TRUNCATED, "bytes where 420000000000000 are promised"),
        (b"sizes: 5 6 7", b"sizes: 5 -6 7", Reason.FOREIGN, "sizes (5, -6, 7)"),
        (b"sizes: 5 6 7", b"sizes: 5 42", Reason.FOREIGN, "sizes (5, 42)"),
        (b"sizes: 5 6 7", b"sizes: 5 six 7", Reason.FOREIGN, "the NRRD header is damaged"),
        (b"type: int16", b"type: block", Reason.UNDECODABLE, "element type that is not read"),
        (b"encoding: raw", b"encoding: hex", Reason.UNDECODABLE, "encoding that is not read; radgen reads raw, gzip"),
        (b"endian: little", b"endian: middle", Reason.UNDECODABLE, "little or big endian"),
        (b"encoding: raw", b"encoding: raw\ndata file: /etc/passwd", Reason.FOREIGN, "data lie in another file"),
        (b"encoding: raw", b"encoding: raw\nbyte skip: 3", Reason.UNDECODABLE, "after a byte skip of 3"),
        (b"left-posterior-superior", b"scanner-xyz", Reason.BAD_GEOMETRY, "names no space of the patient"),
        (b"space origin", b"space tonight", Reason.BAD_GEOMETRY, "lacks space directions or space origin"),
        (b"type: int16", b"tipe: int16", Reason.FOREIGN, "does not say type"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, old: bytes, new: bytes, reason: Reason, words: str) -> None:
    found, text = refusal_of(edited(write_nrrd(tmp_path / "a.nrrd", VOLUME, encoding="raw"), old, new))
    assert words in text
    assert found == reason


def test_a_sheared_and_a_singular_grid_are_refused(tmp_path: Path) -> None:
    sheared = np.diag([1.0, 1.0, 2.0, 1.0])
    sheared[1, 2] = 2 * np.tan(np.radians(10))
    assert refusal_of(write_nrrd(tmp_path / "a.nrrd", VOLUME, sheared))[0] == Reason.TILTED
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    reason, text = refusal_of(write_nrrd(tmp_path / "b.nrrd", VOLUME, flat))
    assert reason == Reason.BAD_GEOMETRY
    assert "space directions of the NRRD file are singular" in text


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
def test_a_truncated_file_is_noticed(tmp_path: Path, encoding: str) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", VOLUME, encoding=encoding)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RefusalError) as caught:
        nrrd.read_volume(path)
    assert caught.value.reason == Reason.TRUNCATED
    if encoding != "ascii":  # how many numbers a text holds is known when it is read
        assert refusal_of(path)[0] == Reason.TRUNCATED


def test_bombs_and_lies_are_refused_before_they_cost_memory(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", np.zeros((200, 200, 300), np.uint8), encoding="bzip2")
    edited(path, b"sizes: 200 200 300", b"sizes: 2 2 3")
    reason, text = refusal_of(path)
    assert reason == Reason.FOREIGN
    assert "go on after the 12 bytes that the header promises" in text
    path = write_nrrd(tmp_path / "b.nrrd", VOLUME, encoding="gzip")
    reason, text = refusal_of(edited(path, b"sizes: 5 6 7", b"sizes: 50000 60000 70000"))
    assert reason == Reason.TRUNCATED
    assert "of 420000000000000 bytes" in text


def test_flipped_bits_of_gzip_data_never_give_other_voxels(tmp_path: Path) -> None:
    whole = write_nrrd(tmp_path / "a.nrrd", np.tile(VOLUME, (4, 4, 4))).read_bytes()
    begin = whole.index(b"\n\n") + 2
    for bit in np.random.default_rng(3).integers(8 * begin, 8 * len(whole), 60).tolist():
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        (tmp_path / "b.nrrd").write_bytes(data)
        try:
            found = nrrd.read_volume(tmp_path / "b.nrrd").array
        except RefusalError:
            continue
        np.testing.assert_array_equal(found, np.tile(VOLUME, (4, 4, 4)))  # a bit of gzip's own header


def test_numbers_beyond_their_type_are_refused(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", np.full((1, 1, 2), 7, np.uint8), encoding="ascii")
    path.write_bytes(path.read_bytes().replace(b"\n\n7", b"\n\n700"))
    with pytest.raises(RefusalError, match="numbers from 7 to 700 as uint8"):
        nrrd.read_volume(path)


def masked(tmp_path: Path, mask: Path, kind: str = "nrrd", chosen: StructureSettings = STRUCTURES) -> NDArray[np.uint8]:
    """Read a mask onto a NIfTI image of shape 5x6x7."""
    files = {"image": write_nifti(tmp_path / "image.nii", VOLUME, oblique(3)), "mask": mask}
    row = {"format": "nifti", "file_ids": ["image"], "repeat": 0, "mask_ids": ["mask"], "mask_kind": kind}
    found = read_mask(row | {"mask_labels": []}, files, chosen)
    assert found is not None
    return found.array


def segments(*told: tuple[str, int, int]) -> dict[str, Any]:
    """Slicer's fields for (name, value, layer)."""
    return {
        f"Segment{number}_{field}": str(value)
        for number, segment in enumerate(told)
        for field, value in zip(("Name", "LabelValue", "Layer"), segment, strict=True)
    }


def test_segments_are_matched_by_name_and_placed_by_geometry(tmp_path: Path) -> None:
    drawn = np.random.default_rng(2).choice([0, 4, 9], (2, 3, 4)).astype(np.uint8)
    part = oblique(3)
    part[:3, 3] = (oblique(3) @ (1, 2, 3, 1))[:3]
    path = write_nrrd(tmp_path / "a.seg.nrrd", drawn, part, **segments(("Lesion", 4, 0), ("LIVER", 9, 0)))
    expected = np.zeros((5, 6, 7), dtype=np.uint8)
    expected[1:3, 2:5, 3:7] = np.array([0, 0, 0, 0, 2, 0, 0, 0, 0, 1], dtype=np.uint8)[drawn]
    np.testing.assert_array_equal(masked(tmp_path, path), expected)
    turned = part @ np.array([[0, 0, 1, 0], [0, -1, 0, 2], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    write_nrrd(path, np.transpose(drawn, (2, 1, 0))[:, ::-1], turned, **segments(("lesion", 4, 0), ("liver", 9, 0)))
    np.testing.assert_array_equal(masked(tmp_path, path), expected)


def test_layers_may_overlap_and_the_later_structure_wins(tmp_path: Path) -> None:
    layers = np.zeros((2, 5, 6, 7), dtype=np.uint8)
    layers[0, 1:4], layers[1, 2:5] = 1, 1
    directions = np.vstack([[np.nan] * 3, (TO_LPS @ oblique(3)[:3, :3]).T])
    fields = {"kinds": ["list", "domain", "domain", "domain"], "space directions": directions}
    path = write_nrrd(tmp_path / "a.seg.nrrd", layers, **fields, **segments(("lesion", 1, 0), ("liver", 1, 1)))
    found = masked(tmp_path, path)
    assert [set(np.unique(plane)) for plane in found] == [{0}, {2}, {2}, {2}, {1}]
    old = {name: value for name, value in segments(("lesion", 1, 0), ("liver", 1, 1)).items() if name.endswith("Name")}
    path = write_nrrd(tmp_path / "b.seg.nrrd", layers, **fields, **old)
    np.testing.assert_array_equal(masked(tmp_path, path), found)


def test_segmentations_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    ones = np.ones((5, 6, 7), dtype=np.uint8)
    named = segments(("liver", 1, 0))
    for step, words in ((1.0, "30 voxels of the segmentation lie outside"), (0.3, r"lie up to 0\.900 mm apart")):
        moved = oblique(3)
        moved[:3, 3] = (oblique(3) @ (0, 0, step, 1))[:3]
        path = write_nrrd(tmp_path / "a.seg.nrrd", ones, moved, **named)
        with pytest.raises(RefusalError, match=words) as caught:
            masked(tmp_path, path)
        assert caught.value.reason == Reason.MASK_OTHER_GRID
    stray = ones.copy()
    stray[0, 0, 0] = 5
    write_nrrd(tmp_path / "b.seg.nrrd", stray, **named)
    with pytest.raises(RefusalError, match="1 voxels of the segmentation hold values"):
        masked(tmp_path, tmp_path / "b.seg.nrrd")
    with pytest.raises(InputError, match="mask mask: unknown labels spleen"):
        masked(tmp_path, write_nrrd(tmp_path / "c.seg.nrrd", ones, **segments(("spleen", 1, 0))))
    assert "lies in layer 3 of 1" in refusal_of(write_nrrd(tmp_path / "d.nrrd", ones, **segments(("liver", 1, 3))))[1]


def test_plain_label_maps_and_segmentations_find_their_images(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        write_nrrd(tmp_path / patient / "ct.nrrd", VOLUME)
    write_nrrd(tmp_path / "p1" / "any.seg.nrrd", np.ones((5, 6, 7), np.uint8), **segments(("liver", 1, 0)))
    write_nrrd(tmp_path / "p2" / "liver-label.nrrd", np.ones((5, 6, 7), np.uint8))
    found = inventory_of(tmp_path, patient_from="regex", patient_regex="(p.)", mask_names=("*-label.nrrd",))
    assert [(row["format"], row["mask_kind"], len(row["mask_ids"])) for row in found.index] == [("nrrd", "nrrd", 1)] * 2


def test_a_plain_label_map_keeps_its_numbers(tmp_path: Path) -> None:
    labels = np.random.default_rng(4).integers(0, 3, (5, 6, 7)).astype(np.int16)
    np.testing.assert_array_equal(masked(tmp_path, write_nrrd(tmp_path / "a.nrrd", labels)), labels)


def test_gzip_of_several_members_is_whole(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", VOLUME, encoding="raw")
    head, _, data = path.read_bytes().partition(b"\n\n")
    packed = gzip.compress(data[:100]) + gzip.compress(data[100:])
    path.write_bytes(head.replace(b"encoding: raw", b"encoding: gzip") + b"\n\n" + packed)
    assert scan_file(tmp_path, "a.nrrd", "").refusal is None
    np.testing.assert_array_equal(nrrd.read_volume(path).array, VOLUME)


@pytest.mark.realdata
def test_the_liver_of_dcmqi_is_one_through_nrrd_and_dicom(data_root: Path) -> None:
    folder = data_root / "dcmqi_seg" / "data" / "segmentations"
    files = {path.name: path for path in [*sorted((folder / "ct-3slice").iterdir()), *folder.glob("liver*")]}
    images = [name for name in files if name[:2] in {"01", "02", "03"}]
    row: dict[str, Any] = {"format": "dicom", "file_ids": images, "repeat": 0, "mask_labels": []}
    image = read_series(row, files)
    chosen = StructureSettings(names=("Liver",))
    painted = [
        read_mask(row | {"mask_ids": [name], "mask_kind": kind}, files, chosen, image)
        for name, kind in (("liver.dcm", "seg"), ("liver_seg.nrrd", "nrrd"))
    ]
    for mask in painted:
        assert mask is not None
        assert int(mask.array.sum()) == 107_098
        assert mask.array.shape == image.array.shape == (3, 512, 512)
    assert painted[0] is not None
    assert painted[1] is not None
    np.testing.assert_array_equal(painted[0].array, painted[1].array)
