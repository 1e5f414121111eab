"""NIfTI: values as the header means them, whole files only."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radgen.cohort import nifti
from radgen.cohort.inflate import SLACK_BYTES
from radgen.cohort.readers import read_series
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.scan import scan_file
from tests.cohort.toys import inventory_of, write_nifti

VOLUME = np.random.default_rng(0).integers(-500, 500, (5, 6, 7)).astype(np.int16)


def refusal_of(path: Path) -> Reason:
    scanned = scan_file(path.parent, path.name, "")
    assert scanned.refusal is not None
    return scanned.refusal[0]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_volume_keeps_values_axes_and_affine(tmp_path: Path, name: str) -> None:
    affine = np.array([[0.6, 0.2, 0, 5], [-0.2, 0.6, 0, -3], [0, 0, 2, 9], [0, 0, 0, 1.0]])
    path = write_nifti(tmp_path / name, VOLUME, affine)
    volume = read_series({"format": "nifti", "file_ids": ["a"], "repeat": 0}, {"a": path})
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, VOLUME)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-6)


def test_an_uncompressed_volume_is_a_view_of_the_file(tmp_path: Path) -> None:
    array = nifti.read_volume(write_nifti(tmp_path / "a.nii", VOLUME)).array
    while array.base is not None and not isinstance(array, np.memmap):
        array = array.base
    assert isinstance(array, np.memmap)


@pytest.mark.parametrize(
    ("scale", "dtype"), [((2.0, -1024.0), np.int16), ((0.5, 1.0), np.float32), ((1.0, 0.0), np.int16)]
)
def test_slope_and_intercept_are_applied(tmp_path: Path, scale: tuple[float, float], dtype: Any) -> None:
    path = write_nifti(tmp_path / "a.nii", VOLUME, scale=scale)
    array = nifti.read_volume(path).array
    assert array.dtype == dtype
    np.testing.assert_allclose(array, VOLUME * scale[0] + scale[1])
    np.testing.assert_allclose(array, nib.load(path).get_fdata())


@pytest.mark.parametrize("stored", [np.dtype(">i2"), np.dtype("<f8"), np.dtype("u1")])
def test_byte_orders_and_types(tmp_path: Path, stored: np.dtype[Any]) -> None:
    values = np.abs(VOLUME % 200).astype(stored)
    image = nib.Nifti1Image(
        values, np.eye(4), header=nib.Nifti1Header(endianness=">" if stored.byteorder == ">" else "<")
    )
    image.set_data_dtype(stored)
    nib.save(image, tmp_path / "a.nii")
    array = nifti.read_volume(tmp_path / "a.nii").array
    assert array.dtype.isnative
    assert array.dtype.itemsize <= 4
    np.testing.assert_array_equal(array, values)


def test_one_of_several_volumes_is_chosen(tmp_path: Path) -> None:
    series = np.random.default_rng(1).integers(0, 9, (3, 4, 5, 2)).astype(np.int16)
    path = write_nifti(tmp_path / "a.nii.gz", series)
    assert nifti.read_header(path).volumes == 2
    for number in range(2):
        np.testing.assert_array_equal(nifti.read_volume(path, number).array, series[..., number])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_truncated_volume_is_noticed_from_its_header(tmp_path: Path, name: str) -> None:
    path = write_nifti(tmp_path / name, np.tile(VOLUME, (4, 4, 4)))
    assert scan_file(tmp_path, name, "").refusal is None
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert refusal_of(path) == Reason.TRUNCATED


def test_a_flipped_bit_of_a_gzip_file_never_gives_other_voxels(tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(-500, 500, (32, 32, 32)).astype(np.int16)
    # Behind the first blocks, which nibabel reads for the header, as far as check sum and length at the end.
    whole = write_nifti(tmp_path / "a.nii.gz", values).read_bytes()
    places = [*np.random.default_rng(3).integers(8 * 20_000, 8 * len(whole), 60), *range(-64, 0, 7)]
    for bit in places:
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        (tmp_path / "b.nii.gz").write_bytes(data)
        with pytest.raises(RefusalError, match="the voxels cannot be read") as refused:
            nifti.read_volume(tmp_path / "b.nii.gz")
        assert refused.value.reason == Reason.TRUNCATED


def test_a_gzip_file_of_two_members_is_whole(tmp_path: Path) -> None:
    data = write_nifti(tmp_path / "a.nii", VOLUME).read_bytes()
    path = tmp_path / "b.nii.gz"
    path.write_bytes(gzip.compress(data[:500]) + gzip.compress(data[500:]))
    assert scan_file(tmp_path, "b.nii.gz", "").refusal is None
    np.testing.assert_array_equal(nifti.read_volume(path).array, VOLUME)


@pytest.mark.parametrize(
    "content",
    [b"not an image at all", gzip.compress(b"neither is this", mtime=0), b"\x1f\x8b broken"],
)
def test_a_nifti_that_is_not_one_is_foreign(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    assert refusal_of(path) == Reason.FOREIGN


def test_a_file_that_went_away_is_a_refusal() -> None:
    with pytest.raises(RefusalError, match="1 of 1 files are gone"):
        read_series({"format": "picture", "file_ids": ["a"], "repeat": 0}, {"a": Path("/nowhere")})


def with_bytes(path: Path, *changes: tuple[int, bytes]) -> Path:
    """Overwrite bytes of a header: qform_code is at 252, sform_code at 254, scl_slope at 112, dim at 40."""
    data = bytearray(path.read_bytes())
    for place, content in changes:
        data[place : place + len(content)] = content
    path.write_bytes(data)
    return path


def sentence_of(path: Path) -> tuple[Reason, str]:
    """The refusal by the header, which reading the volume repeats."""
    scanned = scan_file(path.parent, path.name, "")
    assert scanned.refusal is not None
    with pytest.raises(RefusalError):
        nifti.read_volume(path)
    return scanned.refusal[0], scanned.refusal[1]


def oblique(seed: int) -> NDArray[np.float64]:
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * (0.7, 0.8, 3.0)
    affine[:3, 3] = (-31.0, 17.0, 250.0)
    return affine


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]),
    st.sampled_from("<>"),
    st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
    st.sampled_from([".nii", ".nii.gz"]),
    st.integers(0, 99),
)
def test_what_is_written_is_read(
    tmp_path: Path, kind: str, order: str, image_class: Any, suffix: str, seed: int
) -> None:
    dtype = np.dtype(order + kind)
    values = np.random.default_rng(seed).integers(0, 120, (3, 4, 5, 2)).astype(dtype)
    image = image_class(values, oblique(seed), dtype=dtype)
    image = image_class(values, oblique(seed), header=image.header.as_byteswapped(order), dtype=dtype)
    path = tmp_path / f"a{suffix}"
    nib.save(image, path)
    header = nifti.read_header(path)
    volume = nifti.read_volume(path, 1)
    assert (header.shape, header.volumes) == ((3, 4, 5), 2)
    assert volume.array.dtype == np.dtype(kind if kind != "f8" else "f4")
    np.testing.assert_array_equal(volume.array, values[..., 1])
    np.testing.assert_allclose(volume.affine, nib.load(path).affine)
    np.testing.assert_allclose(volume.affine, oblique(seed), atol=1e-5)


@pytest.mark.parametrize("extreme", [2**62 + 1, -(2**62) - 1])
def test_whole_numbers_of_64_bits_are_exact(tmp_path: Path, extreme: int) -> None:
    values = np.array([extreme, 0, 7], dtype=np.int64).reshape(3, 1, 1)
    nib.save(nib.Nifti1Image(values, np.eye(4), dtype=np.int64), tmp_path / "a.nii")
    assert nifti.read_volume(tmp_path / "a.nii").array.ravel().tolist() == [extreme, 0, 7]
    small = np.array([2**30 + 1, 3, -5], dtype=np.int64).reshape(3, 1, 1)
    nib.save(nib.Nifti1Image(small, np.eye(4), dtype=np.int64), tmp_path / "b.nii")
    scaled = nifti.read_volume(with_bytes(tmp_path / "b.nii", (112, np.array([4, 1], "<f4").tobytes())))
    assert scaled.array.ravel().tolist() == [2**32 + 5, 13, -19]


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_is_none_leaves_the_stored_numbers(tmp_path: Path, slope: float) -> None:
    path = write_nifti(tmp_path / "a.nii", VOLUME, scale=(slope, 5.0))
    np.testing.assert_array_equal(nifti.read_volume(path).array, VOLUME)


def test_an_oblique_volume_lies_where_simpleitk_says(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", VOLUME, oblique(1))
    other = SimpleITK.ReadImage(str(path))
    point = np.array([-1, -1, 1]) * other.TransformIndexToPhysicalPoint((4, 2, 5))
    np.testing.assert_allclose((nifti.read_volume(path).affine @ (4, 2, 5, 1))[:3], point, atol=1e-4)


def two_forms(path: Path, shift_mm: float, codes: tuple[int, int] = (1, 1)) -> Path:
    path.parent.mkdir(exist_ok=True)
    image = nib.Nifti1Image(VOLUME, oblique(2))
    moved = oblique(2)
    moved[0, 3] += shift_mm
    image.set_sform(oblique(2), codes[1])
    image.set_qform(moved, codes[0])
    nib.save(image, path)
    return path


def test_qform_and_sform_may_differ_by_less_than_half_a_voxel(tmp_path: Path) -> None:
    same = nifti.read_header(two_forms(tmp_path / "a.nii", 0.0))
    apart = nifti.read_header(two_forms(tmp_path / "b.nii", 0.3))
    assert same.remarks == ()
    (remark,) = apart.remarks
    assert (remark.kind, remark.treatment, remark.unit) == ("qform-sform", "sform", "mm")
    assert remark.figure == pytest.approx(0.3, abs=1e-4)
    assert apart.affine is not None
    np.testing.assert_allclose(apart.affine, oblique(2), atol=1e-5)
    reason, text = sentence_of(two_forms(tmp_path / "c.nii", 0.4))
    assert reason == Reason.FORMS_DISAGREE
    assert "up to 0.400 mm apart, more than half a voxel (0.350 mm); set the code" in text


def test_the_figure_of_a_refusal_reaches_the_table_of_rejects(tmp_path: Path) -> None:
    two_forms(tmp_path / "p1" / "a.nii", 0.0)
    two_forms(tmp_path / "p1" / "b.nii", 7.0)
    (reject,) = inventory_of(tmp_path, patient_from="regex", patient_regex="(p.)").rejects
    assert (reject["reason"], reject["unit"]) == ("qform-sform", "mm")
    assert reject["figure"] == pytest.approx(7, abs=1e-4)


def test_a_form_counts_only_with_its_code(tmp_path: Path) -> None:
    only_q = nifti.read_header(two_forms(tmp_path / "a.nii", 40.0, (1, 0)))
    only_s = nifti.read_header(two_forms(tmp_path / "b.nii", 40.0, (0, 1)))
    assert only_q.affine is not None
    assert only_s.affine is not None
    np.testing.assert_allclose(only_q.affine[0, 3] - only_s.affine[0, 3], 40.0, atol=1e-4)
    reason, text = sentence_of(two_forms(tmp_path / "c.nii", 0.0, (0, 0)))
    assert reason == Reason.BAD_GEOMETRY
    assert "neither qform nor sform says" in text


def test_a_remark_reaches_the_table_of_series(tmp_path: Path) -> None:
    two_forms(tmp_path / "p1" / "a.nii", 0.3)
    (row,) = inventory_of(tmp_path, patient_from="regex", patient_regex="(p.)").index
    assert [remark["kind"] for remark in row["remarks"]] == ["qform-sform"]


def test_a_sheared_affine_is_a_tilted_stack(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 2 * np.tan(np.radians(10))
    reason, text = sentence_of(write_nifti(tmp_path / "a.nii", VOLUME, affine))
    assert reason == Reason.TILTED
    assert "10.0 degrees off a right angle" in text


@pytest.mark.parametrize("channels", ["RGB", "RGBA"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_colour_voxels_keep_their_colours(tmp_path: Path, channels: str, suffix: str) -> None:
    colour = np.random.default_rng(5).integers(0, 256, (3, 4, 5, len(channels))).astype(np.uint8)
    colour[..., 3:] = 255
    packed = colour.view([(name, "u1") for name in channels])[..., 0]
    path = tmp_path / f"a{suffix}"
    nib.save(nib.Nifti1Image(packed, np.eye(4)), path)
    np.testing.assert_array_equal(nifti.read_volume(path).array, colour[..., :3])
    packed["A" if "A" in channels else "B"][0, 0, 0] = 9
    nib.save(nib.Nifti1Image(packed, np.eye(4)), path)
    if channels == "RGBA":
        with pytest.raises(RefusalError, match="1 of 60 pixels are transparent"):
            nifti.read_volume(path)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ((70, np.int16(32).tobytes()), Reason.UNDECODABLE, "data type 32 (complex"),
        ((70, np.int16(1).tobytes()), Reason.UNDECODABLE, "data type 1 "),
        ((70, np.int16(999).tobytes()), Reason.UNDECODABLE, "data type 999"),
        ((40, np.int16([3, 30000, 30000, 30000]).tobytes()), Reason.TRUNCATED, "54000000000352 are promised"),
        ((40, np.int16([3, -5, 6, 7]).tobytes()), Reason.FOREIGN, "shape (-5, 6, 7)"),
        ((40, np.int16([5, 5, 6, 1, 1, 7]).tobytes()), Reason.UNDECODABLE, "several numbers per voxel"),
        ((108, np.float32(1e12).tobytes()), Reason.TRUNCATED, "are promised"),
        ((108, np.float32(-4).tobytes()), Reason.FOREIGN, "begin at byte -4"),
        ((116, np.float32(np.nan).tobytes()), Reason.UNDECODABLE, "shifted by nan"),
        ((280, np.float32(np.nan).tobytes()), Reason.BAD_GEOMETRY, "sform of the NIfTI file is singular or not finite"),
        ((312, bytes(16)), Reason.BAD_GEOMETRY, "sform of the NIfTI file is singular or not finite"),
        ((344, b"ni1"), Reason.FOREIGN, "half of a NIfTI pair"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, change: tuple[int, bytes], reason: Reason, words: str) -> None:
    slope = (112, np.float32([2, 0]).tobytes())
    path = with_bytes(write_nifti(tmp_path / "a.nii", VOLUME), slope, change)
    found, text = sentence_of(path)
    assert found == reason
    assert words in text


def test_a_bomb_is_decompressed_no_further_than_its_header_promises(tmp_path: Path) -> None:
    data = write_nifti(tmp_path / "a.nii", VOLUME).read_bytes()
    bomb = tmp_path / "b.nii.gz"
    bomb.write_bytes(gzip.compress(data + bytes(SLACK_BYTES)))
    np.testing.assert_array_equal(nifti.read_volume(bomb).array, VOLUME)
    bomb.write_bytes(gzip.compress(data + bytes(80 * SLACK_BYTES)))
    tracemalloc.start()
    with pytest.raises(RefusalError, match="go on after the 772 bytes that the header promises") as caught:
        nifti.read_volume(bomb)
    assert tracemalloc.get_traced_memory()[1] < 20 * SLACK_BYTES
    tracemalloc.stop()
    assert caught.value.reason == Reason.FOREIGN


def test_a_promise_beyond_a_gzip_file_allocates_nothing(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", VOLUME)
    with_bytes(path, (40, np.int16([3, 30000, 30000, 30000]).tobytes()))
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    reason, text = sentence_of(tmp_path / "b.nii.gz")
    assert reason == Reason.TRUNCATED
    assert "end after 772 of 54000000000352 bytes" in text


def test_numbers_beyond_32_bit_floats_are_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", np.full((2, 2, 2), 1e300))
    with pytest.raises(RefusalError, match="beyond the range of 32 bits"):
        nifti.read_volume(path)
