"""DICOM: the same pixels whatever the encoding and the file order, and a reason for whatever makes no volume."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from radgen.cohort.dicom_headers import read_header
from radgen.cohort.dicom_volumes import read_grid, read_volume
from radgen.cohort.irregular import TILT_TOLERANCE_DEGREES
from radgen.cohort.modality import rescale
from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import canonical
from tests.cohort.toys import ct_slice, item, save, stored_volume, write_series

# LPS positions of the toy series: x = -10, y = -20, z = 100 and up; rows 0.5 mm, columns 0.75 mm apart.
AFFINE = np.array([[0.0, 0.0, -0.75, 10.0], [0.0, -0.5, 0.0, 20.0], [2.0, 0.0, 0.0, 100.0], [0.0, 0.0, 0.0, 1.0]])


def refused(paths: list[Path]) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        read_volume(paths)
    return caught.value


def test_a_series_becomes_hounsfield_units_on_its_grid(tmp_path: Path) -> None:
    stored = stored_volume()
    volume = read_volume(write_series(tmp_path, stored))
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, stored - 1024)
    np.testing.assert_allclose(volume.affine, AFFINE)
    assert volume.spacing_mm == pytest.approx((2.0, 0.5, 0.75))


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    stored = stored_volume()
    paths = write_series(tmp_path, stored)
    for order in permutations(paths):
        np.testing.assert_array_equal(read_volume(list(order)).array, stored - 1024)


def test_an_axial_series_is_canonical_as_it_is(tmp_path: Path) -> None:
    _, turn = canonical(read_volume(write_series(tmp_path, stored_volume())))
    assert turn.axes == (0, 1, 2)
    assert not any(turn.flips)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
    ],
)
def test_every_transfer_syntax_gives_the_same_pixels(tmp_path: Path, syntax: pydicom.uid.UID) -> None:
    stored = stored_volume(1, 64, 72)
    dataset = ct_slice(stored[0], (0, 0, 0))
    if syntax.is_compressed and not syntax.is_deflated:
        dataset.compress(syntax)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = stored.astype(">i2" if syntax == ExplicitVRBigEndian else "<i2").tobytes()
    path = tmp_path / "one"
    dataset.save_as(path, enforce_file_format=True)
    assert read_header(path).shape == (64, 72)
    np.testing.assert_array_equal(read_volume([path]).array, stored - 1024)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("keep", [0.2, 0.6, 0.97])
def test_a_truncated_file_is_noticed_from_its_header(tmp_path: Path, syntax: Any, keep: float) -> None:
    dataset = ct_slice(stored_volume(1, 40, 40)[0], (0, 0, 0))
    if syntax is not None:
        dataset.compress(syntax)
    path = save(tmp_path / "one", dataset)
    read_header(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(RefusalError) as caught:
        read_header(path)
    assert caught.value.reason == Reason.TRUNCATED


def test_fractional_slopes_give_float32_and_whole_ones_int16() -> None:
    stored = np.array([[0, 100]], dtype=np.uint16)
    assert rescale(stored, 1.0, -1024.0).dtype == np.int16
    np.testing.assert_allclose(rescale(stored, 0.5, -10.0), [[-10.0, 40.0]])
    assert rescale(stored, 0.5, -10.0).dtype == np.float32
    assert rescale(np.array([[60000]], np.uint16), 1.0, 0.0).dtype == np.int32


def test_slopes_may_differ_from_slice_to_slice(tmp_path: Path) -> None:
    one = save(tmp_path / "1", ct_slice(np.full((2, 2), 10, np.int16), (0, 0, 0), RescaleSlope=2, RescaleIntercept=0))
    two = save(tmp_path / "2", ct_slice(np.full((2, 2), 10, np.int16), (0, 0, 2), RescaleSlope=0.5, RescaleIntercept=1))
    np.testing.assert_allclose(read_volume([one, two]).array[:, 0, 0], [20.0, 6.0])


def test_monochrome1_is_turned_so_that_more_is_brighter(tmp_path: Path) -> None:
    pixels = np.array([[0, 1], [2, 3]], dtype=np.int16)
    path = save(
        tmp_path / "1", ct_slice(pixels, (0, 0, 0), PhotometricInterpretation="MONOCHROME1", RescaleIntercept=0)
    )
    np.testing.assert_array_equal(read_volume([path]).array[0], -pixels)


def test_an_image_without_a_place_is_one_canonical_slice(tmp_path: Path) -> None:
    tags = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    path = save(tmp_path / "1", ct_slice(stored_volume(1)[0], (0, 0, 0), **tags))
    assert read_header(path).planes == ()
    volume = read_volume([path])
    turned, _ = canonical(volume)
    np.testing.assert_array_equal(turned.array, volume.array)
    assert volume.spacing_mm == pytest.approx((1.0, 0.5, 0.75))


def test_the_grid_is_known_without_pixels(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_volume())
    shape, affine = read_grid(paths)
    volume = read_volume(paths)
    assert shape == volume.array.shape
    np.testing.assert_array_equal(affine, volume.affine)


def test_oblique_planes_are_sorted_along_their_normal(tmp_path: Path) -> None:
    stored = stored_volume()
    tilted = {"ImageOrientationPatient": [1, 0, 0, 0, 0.8, -0.6]}
    normal = np.array([0.0, 0.6, 0.8])
    places = [tuple(np.array([1.0, 2.0, 3.0]) + 3.0 * number * normal) for number in range(4)]
    paths = [save(tmp_path / str(n), ct_slice(stored[n], places[n], **tilted)) for n in (2, 0, 3, 1)]
    volume = read_volume(paths)
    np.testing.assert_array_equal(volume.array, stored - 1024)
    for number, place in enumerate(places):
        seen = (volume.affine @ [number, 0, 0, 1])[:3]
        np.testing.assert_allclose(seen, np.array(place) * [-1, -1, 1], atol=1e-6)


def test_two_volumes_at_the_same_places_are_two_repeats(tmp_path: Path) -> None:
    first, second = stored_volume(), stored_volume() + np.int16(1)
    paths = write_series(tmp_path / "a", first, AcquisitionNumber=1) + write_series(
        tmp_path / "b", second, AcquisitionNumber=2, InstanceNumber=9
    )
    np.testing.assert_array_equal(read_volume(paths, 0).array, first - 1024)
    np.testing.assert_array_equal(read_volume(paths, 1).array, second - 1024)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"ImagePositionPatient": [-10, -20, 103.0]}, Reason.UNEVEN_GAPS, "from 1.000 to 3.000 mm"),
        ({"ImagePositionPatient": [-10, -20, 104.0]}, Reason.UNEVEN_REPEATS, "between 1 and 2 images"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, Reason.MIXED_ORIENTATION, "localizer"),
        ({"PixelSpacing": [0.5, 0.8]}, Reason.MIXED_SPACING, "between 0.5 and 0.8 mm"),
        ({"PixelSpacing": None}, Reason.BAD_GEOMETRY, "pixel spacing is missing"),
    ],
)
def test_planes_that_make_no_volume_are_refused_with_numbers(
    tmp_path: Path, change: dict[str, Any], reason: Reason, words: str
) -> None:
    paths = write_series(tmp_path, stored_volume())
    dataset = pydicom.dcmread(paths[1])
    for name, value in change.items():
        if value is None:
            del dataset[name]
        else:
            setattr(dataset, name, value)
    save(paths[1], dataset)
    error = refused(paths)
    assert error.reason == reason
    assert words in str(error)


def test_slices_of_two_sizes_are_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_volume())
    save(paths[0], ct_slice(np.zeros((3, 3), np.int16), (-10, -20, 100)))
    assert refused(paths).reason == Reason.MIXED_SIZE


@pytest.mark.parametrize(("degrees", "fine"), [(0.5 * TILT_TOLERANCE_DEGREES, True), (10.0, False)])
def test_gantry_tilt_is_refused_beyond_its_tolerance(tmp_path: Path, degrees: float, *, fine: bool) -> None:
    shift = np.tan(np.radians(degrees)) * 2.0
    paths = [
        save(tmp_path / str(n), ct_slice(plane, (0, shift * n, 2.0 * n))) for n, plane in enumerate(stored_volume())
    ]
    if fine:
        read_volume(paths)
    else:
        assert "tilted by 10.0 degrees" in str(refused(paths))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"PhotometricInterpretation": "RGB"}, Reason.COLOUR),  # drawn over a slice of the patient
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, Reason.MOSAIC),  # of an unknown number of tiles
        ({"Rows": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, Reason.NOT_AN_IMAGE),
    ],
)
def test_images_that_are_not_read_say_so(tmp_path: Path, change: dict[str, Any], reason: Reason) -> None:
    path = save(tmp_path / "1", ct_slice(stored_volume(1)[0], (0, 0, 0), **change))
    with pytest.raises(RefusalError) as caught:
        read_header(path)
    assert caught.value.reason == reason


def test_identifiers_emptied_by_an_anonymiser_are_no_damage(tmp_path: Path) -> None:
    empty = dict.fromkeys(("SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"), "")
    dataset = ct_slice(stored_volume(1)[0], (0, 0, 0), **empty)
    path = tmp_path / "1"
    dataset.save_as(path, enforce_file_format=False)
    path.write_bytes(bytes(128) + b"DICM" + path.read_bytes())
    header = read_header(path)
    assert (header.kind, header.series_uid, header.patient_id) == ("image", "", "")


def test_multi_frame_files_carry_slope_and_place_per_frame(tmp_path: Path) -> None:
    stored = stored_volume(3)
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept")
    dataset = ct_slice(stored, (0, 0, 0), NumberOfFrames=3, **dict.fromkeys(names))
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=2.0)],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, -2.0 * number])],
            PixelValueTransformationSequence=[item(RescaleSlope=number + 1, RescaleIntercept=5)],
        )
        for number in range(3)
    ]
    volume = read_volume([save(tmp_path / "1", dataset)])
    expected = np.stack([stored[number] * (number + 1) + 5 for number in (2, 1, 0)])
    np.testing.assert_array_equal(volume.array, expected)
    assert volume.affine[2, 3] == pytest.approx(-4.0)


@pytest.mark.parametrize("where", range(4))
def test_a_damaged_file_of_a_series_is_the_one_to_blame(tmp_path: Path, where: int) -> None:
    paths = write_series(tmp_path, stored_volume())
    paths[where].write_bytes(paths[where].read_bytes()[:-30])
    assert refused(paths).path == paths[where]


def test_planes_that_make_no_volume_blame_no_file(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_volume())
    assert refused([paths[0], paths[1], paths[3]]).path is None
