"""Which DICOM files make one volume: time, echo, kind and acquisition apart; scouts, copies and screens aside."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from radgen.cohort.inventory import Inventory
from radgen.cohort.readers import read_series
from radgen.imaging.volume import canonical
from tests.cohort.toys import ct_slice, inventory_of, item, save, stored_volume, write_series

SCREEN = "1.2.840.10008.5.1.4.1.1.7"


def first_values(found: Inventory, archive: Path) -> list[int]:
    """The lowest value of each volume as its row alone leads to it, in order of the series' keys."""
    paths = {row["file_id"]: archive / row["path"] for row in found.files}
    return sorted(int(read_series(row, paths).array.min()) for row in found.index)


def constant(value: int, slices: int = 3) -> Any:
    return np.full((slices, 4, 4), value, np.int16)


def reasons(found: Inventory) -> Counter[str]:
    return Counter(row["reason"] for row in found.rejects)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"EchoTime": 10}, {"EchoTime": 20}),
        ({"EchoNumbers": 1}, {"EchoNumbers": 2}),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}),
    ],
)
def test_echoes_and_kinds_of_image_are_series_of_their_own(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for name, value, tags in (("a", 5, first), ("b", 7, second)):
        write_series(tmp_path / name, constant(value), Modality="MR", RescaleIntercept=0, InstanceNumber=value, **tags)
    found = inventory_of(tmp_path)
    assert first_values(found, tmp_path) == [5, 7]
    assert not found.rejects


@pytest.mark.parametrize("key", ["AcquisitionNumber", "TemporalPositionIdentifier", "InstanceNumber"])
def test_time_points_are_volumes_in_their_order_or_only_the_first(tmp_path: Path, key: str) -> None:
    for number in (3, 1, 2):
        tags = {"InstanceNumber": 9 - number} | {key: number}
        write_series(tmp_path / str(number), constant(number), RescaleIntercept=0, **tags)
    every = inventory_of(tmp_path, repeats="all")
    assert first_values(every, tmp_path) == [1, 2, 3]
    found = inventory_of(tmp_path)
    assert first_values(found, tmp_path) == [1]
    assert reasons(found) == {"repeat": 6}
    assert not any(row["refused"] for row in found.rejects)


def test_acquisitions_that_continue_each_other_are_one_volume(tmp_path: Path) -> None:
    for number, path in enumerate(write_series(tmp_path, stored_volume(6))):
        save(path, ct_slice(constant(1)[0], (0, 0, 2.0 * number), AcquisitionNumber=number // 3, EchoTime=number))
    found = inventory_of(tmp_path)
    assert [row["n_slices"] for row in found.index] == [6]


def test_an_acquisition_of_each_slice_tells_no_time_points_apart(tmp_path: Path) -> None:
    for time in (1, 2):
        for number in range(3):
            tags = {"AcquisitionNumber": number, "InstanceNumber": 10 * time + number, "RescaleIntercept": 0}
            save(tmp_path / f"{time}-{number}", ct_slice(constant(time)[0], (0, 0, 2.0 * number), **tags))
    found = inventory_of(tmp_path, repeats="all")
    assert [row["n_slices"] for row in found.index] == [3, 3]
    assert first_values(found, tmp_path) == [1, 2]


def test_acquisitions_of_different_coverage_need_a_policy(tmp_path: Path) -> None:
    write_series(tmp_path / "other", constant(0), series="another", RescaleIntercept=0)
    write_series(tmp_path / "a", constant(1, 3), AcquisitionNumber=1, InstanceNumber=1, RescaleIntercept=0)
    write_series(tmp_path / "b", constant(2, 5), AcquisitionNumber=2, InstanceNumber=2, RescaleIntercept=0)
    assert reasons(inventory_of(tmp_path)) == {"uneven-repeats": 8}
    found = inventory_of(tmp_path, on_irregular="nearest", repeats="all")
    assert first_values(found, tmp_path) == [0, 1, 2]
    assert [remark["treatment"] for row in found.index for remark in row["remarks"]] == ["split", "split"]


def multi_frame(stored: Any, frames: list[dict[str, Any]], **tags: Any) -> Any:
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept")
    dataset = ct_slice(stored, (0, 0, 0), NumberOfFrames=len(stored), **dict.fromkeys(names), **tags)
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=2.0)],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, frame["z"]])],
            MREchoSequence=[item(EffectiveEchoTime=frame.get("echo", 1.0))],
            MRImageFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", "T1", frame.get("kind", "M")])],
            FrameContentSequence=[item(TemporalPositionIndex=frame.get("time", 1))],
        )
        for frame in frames
    ]
    return dataset


@pytest.mark.parametrize(("what", "first", "second"), [("echo", 1.0, 2.0), ("kind", "M", "FIELD_MAP"), ("time", 1, 2)])
def test_frames_of_one_file_are_split_by_what_tells_them_apart(
    tmp_path: Path, what: str, first: Any, second: Any
) -> None:
    values = [5, 7, 5, 7]
    frames = [{"z": 0.0, what: first}, {"z": 0.0, what: second}, {"z": 2.0, what: first}, {"z": 2.0, what: second}]
    stored = np.stack([constant(value)[0] for value in values])
    save(tmp_path / "1", multi_frame(stored, frames, Modality="MR"))
    found = inventory_of(tmp_path, repeats="all")
    assert first_values(found, tmp_path) == [5, 7]
    assert [row["n_slices"] for row in found.index] == [2, 2]


def test_frames_without_a_place_of_their_own_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "1", ct_slice(constant(1, 1)[0], (0, 0, 0), series="another"))
    save(tmp_path / "2", ct_slice(constant(1, 3), (0, 0, 0), NumberOfFrames=3))
    found = inventory_of(tmp_path)
    assert [(row["reason"], row["sentence"]) for row in found.rejects] == [
        ("bad-geometry", "1 of 3 frames say where they lie")
    ]


def test_a_slope_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "1", ct_slice(constant(1, 1)[0], (0, 0, 0), series="another"))
    save(tmp_path / "2", ct_slice(constant(1, 1)[0], (0, 0, 0), RescaleSlope=0))
    assert reasons(inventory_of(tmp_path)) == {"undecodable": 1}


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "derived"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE"]}, "derived"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"SOPClassUID": SCREEN, "ImagePositionPatient": None, "ImageOrientationPatient": None}, "derived"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, None),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "MPR"]}, None),
    ],
)
def test_what_was_made_from_an_original_is_set_aside_beside_it(
    tmp_path: Path, tags: dict[str, Any], reason: str | None
) -> None:
    write_series(tmp_path / "a", stored_volume(), StudyInstanceUID="1.2.3")
    write_series(tmp_path / "b", stored_volume(3), series="another", StudyInstanceUID="1.2.3", **tags)
    found = inventory_of(tmp_path)
    assert reasons(found) == ({} if reason is None else {reason: 3})
    assert not any(row["refused"] for row in found.rejects)


def test_what_was_made_from_an_original_is_kept_where_it_is_all_there_is(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_volume(), ImageType=["DERIVED", "SECONDARY", "MPR"])
    assert [row["n_slices"] for row in inventory_of(tmp_path).index] == [4]


# ---------------------------------------------------------------- colour and cine, without a place in the patient

NOWHERE = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None, "Modality": "US"}
COLOUR = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}


def ultrasound(pixels: Any, **tags: Any) -> Any:
    values: dict[str, Any] = {**NOWHERE, **COLOUR, "PixelRepresentation": 0, "PhotometricInterpretation": "RGB"}
    dataset = ct_slice(pixels, (0, 0, 0), **(values | {"RescaleSlope": None, "RescaleIntercept": None} | tags))
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1]
    return dataset


def frames_in_colour(frames: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 255, (frames, 6, 8, 3)).astype(np.uint8)


def read_only(archive: Path) -> Any:
    found = inventory_of(archive)
    paths = {row["file_id"]: archive / row["path"] for row in found.files}
    return found.index[0], read_series(found.index[0], paths)


def test_a_colour_cine_has_a_slice_for_each_frame(tmp_path: Path) -> None:
    pixels = frames_in_colour()
    save(tmp_path / "1", ultrasound(pixels, NumberOfFrames=3))
    row, volume = read_only(tmp_path)
    np.testing.assert_array_equal(canonical(volume)[0].array, pixels)
    assert (row["n_slices"], row["rows"], row["cols"], row["spacing_row_mm"]) == (3, 6, 8, None)


def test_planes_of_colour_are_pixels_of_colour(tmp_path: Path) -> None:
    pixels = frames_in_colour(1)[0]
    dataset = ultrasound(pixels, PlanarConfiguration=1)
    dataset.PixelData = pixels.transpose(2, 0, 1).tobytes()
    save(tmp_path / "1", dataset)
    np.testing.assert_array_equal(read_only(tmp_path)[1].array[0], pixels)


def test_brightness_and_colour_differences_become_red_green_and_blue(tmp_path: Path) -> None:
    grey = np.full((6, 8, 3), 128, np.uint8)
    grey[..., 0] = 77
    save(tmp_path / "1", ultrasound(grey, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_array_equal(read_only(tmp_path)[1].array[0], np.full((6, 8, 3), 77))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_colours_are_the_same_colours(tmp_path: Path, syntax: Any) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (40, 48, 3)).astype(np.uint8)
    dataset = ultrasound(pixels)
    dataset.compress(syntax)
    save(tmp_path / "1", dataset)
    np.testing.assert_array_equal(read_only(tmp_path)[1].array[0], pixels)


@pytest.mark.parametrize(("photometric", "subsampling"), [("YBR_FULL_422", 1), ("YBR_FULL_422", 2), ("YBR_FULL", 0)])
def test_jpeg_frames_have_the_colours_that_pillow_decodes(tmp_path: Path, photometric: str, subsampling: int) -> None:
    rows, cols = np.mgrid[:40, :48]
    pixels = np.stack([rows * 4, cols * 4, rows + cols], axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=subsampling)
    dataset = ultrasound(pixels, PhotometricInterpretation=photometric, NumberOfFrames=2)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([stream.getvalue()] * 2)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    save(tmp_path / "1", dataset)
    found = read_only(tmp_path)[1].array
    expected = np.asarray(Image.open(stream)).astype(int)
    assert found.shape == (2, 40, 48, 3)
    assert np.abs(found - expected).max() <= 1  # two decoders round differently


def test_shared_colours_without_compression_are_spread_over_both_pixels(tmp_path: Path) -> None:
    stored = np.full((6, 4, 4), 128, np.uint8)  # two brightnesses and the two colour differences they share
    stored[..., 0], stored[..., 1] = 50, 90
    dataset = ultrasound(np.zeros((6, 8, 3), np.uint8), PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = stored.tobytes()
    save(tmp_path / "1", dataset)
    expected = np.broadcast_to(np.array([50, 90] * 4)[:, None], (6, 8, 3))
    np.testing.assert_array_equal(read_only(tmp_path)[1].array[0], expected)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    dataset = ultrasound(
        np.array([[[0], [1], [2]]], np.uint8), PhotometricInterpretation="PALETTE COLOR", SamplesPerPixel=1
    )
    for number, name in enumerate(("Red", "Green", "Blue")):
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [3, 0, 16])
        values = np.array([0x1100, 0x2200, 0x3300], "<u2") + (number << 8)
        dataset.add_new(f"{name}PaletteColorLookupTableData", "OW", values.tobytes())
    save(tmp_path / "1", dataset)
    expected = np.array([[0x11, 0x12, 0x13], [0x22, 0x23, 0x24], [0x33, 0x34, 0x35]])
    np.testing.assert_array_equal(read_only(tmp_path)[1].array[0, 0], expected)


def test_ultrasound_has_the_spacing_of_its_regions(tmp_path: Path) -> None:
    region = {"RegionSpatialFormat": 1, "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3}
    tissue = item(**region, PhysicalDeltaX=0.02, PhysicalDeltaY=-0.03)
    trace = item(
        RegionSpatialFormat=3,
        PhysicalUnitsXDirection=4,
        PhysicalUnitsYDirection=7,
        PhysicalDeltaX=1.0,
        PhysicalDeltaY=1.0,
    )
    save(tmp_path / "1", ultrasound(frames_in_colour(1)[0], SequenceOfUltrasoundRegions=[tissue, trace]))
    row, volume = read_only(tmp_path)
    assert (row["spacing_row_mm"], row["spacing_col_mm"]) == pytest.approx((0.3, 0.2))
    assert volume.spacing_mm == pytest.approx((1.0, 0.3, 0.2))


def test_a_grey_cine_has_a_slice_for_each_frame(tmp_path: Path) -> None:
    save(tmp_path / "1", ct_slice(stored_volume(3), (0, 0, 0), **NOWHERE, NumberOfFrames=3))
    np.testing.assert_array_equal(read_only(tmp_path)[1].array, stored_volume(3) - 1024)


@pytest.mark.parametrize(
    "tags", [{"PhotometricInterpretation": "HSV"}, {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}]
)
def test_colours_that_nobody_knows_are_refused(tmp_path: Path, tags: dict[str, Any]) -> None:
    pixels = frames_in_colour(2)
    save(tmp_path / "1", ultrasound(pixels, **tags))
    save(tmp_path / "2", ct_slice(stored_volume(1)[0], (0, 0, 0), series="another"))
    assert reasons(inventory_of(tmp_path)) == {"colour": 1}
