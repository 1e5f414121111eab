"""NIfTI and pictures: values as the header means them, whole files only."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort import nifti, pictures
from radgen.cohort.readers import read_series
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.scan import scan_file
from radgen.imaging.volume import canonical
from tests.cohort.toys import picture, write_nifti, write_picture

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


@pytest.mark.parametrize("content", [b"not an image at all", gzip.compress(b"neither is this"), b"\x1f\x8b broken"])
def test_a_nifti_that_is_not_one_is_foreign(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    assert refusal_of(path) == Reason.FOREIGN


def test_colour_voxels_and_singular_affines_are_refused(tmp_path: Path) -> None:
    colour = np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, np.eye(4)), tmp_path / "a.nii")
    assert refusal_of(tmp_path / "a.nii") == Reason.COLOUR
    data = bytearray(write_nifti(tmp_path / "b.nii", VOLUME).read_bytes())
    data[312:328] = bytes(16)  # the third row of the header's affine
    (tmp_path / "b.nii").write_bytes(data)
    assert refusal_of(tmp_path / "b.nii") == Reason.BAD_GEOMETRY


def grey16() -> NDArray[np.uint16]:
    return np.arange(12, dtype=np.uint16).reshape(3, 4) * 4000


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_a_picture_is_one_canonical_slice_of_its_values(tmp_path: Path, name: str) -> None:
    path = write_picture(tmp_path / name, picture(3))
    volume = pictures.read_volume(path)
    assert volume.array.dtype == np.uint8
    np.testing.assert_array_equal(volume.array[0], picture(3))
    np.testing.assert_array_equal(canonical(volume)[0].array, volume.array)
    assert scan_file(tmp_path, name, "").header == (20, 20)


def test_sixteen_bits_stay_and_colour_becomes_luminance(tmp_path: Path) -> None:
    volume = pictures.read_volume(write_picture(tmp_path / "a.png", grey16()))
    assert volume.array.dtype == np.uint16
    np.testing.assert_array_equal(volume.array[0], grey16())
    Image.new("RGB", (4, 4), (0, 255, 0)).save(tmp_path / "b.png")
    assert set(np.unique(pictures.read_picture(tmp_path / "b.png"))) == {150}


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_picture_is_noticed(tmp_path: Path, name: str) -> None:
    path = write_picture(tmp_path / name, picture(1, 64))
    assert scan_file(tmp_path, name, "").refusal is None
    path.write_bytes(path.read_bytes()[:-300])
    assert refusal_of(path) == Reason.TRUNCATED


def test_a_file_that_went_away_is_a_refusal() -> None:
    with pytest.raises(RefusalError, match="1 of 1 files are gone"):
        read_series({"format": "picture", "file_ids": ["a"], "repeat": 0}, {"a": Path("/nowhere")})
