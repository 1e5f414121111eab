"""Stored pixels: every bit means what the header says, and nothing is decoded that the file cannot hold."""

from __future__ import annotations

import logging
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from radgen.cohort import dicom_elements, dicom_pixels
from radgen.cohort.codestreams import declared_size
from radgen.cohort.dicom_headers import read_header
from radgen.cohort.dicom_volumes import read_volume
from radgen.cohort.modality import rescale
from radgen.cohort.refusal import Reason, RefusalError
from tests.cohort.toys import ct_slice, item, save, stored_volume, write_series


def volume_of(tmp_path: Path, pixels: Any, **tags: Any) -> Any:
    tags = {"RescaleIntercept": 0} | tags
    return read_volume([save(tmp_path / "1", ct_slice(np.asarray(pixels), (0, 0, 0), **tags))]).array[0]


def refused(path: Path) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        read_header(path)
    return caught.value


@pytest.mark.parametrize("value", [63536, -2000])
def test_padding_of_unsigned_ct_that_was_meant_as_signed_is_dark(tmp_path: Path, value: int) -> None:
    pixels = np.array([[63536, 0], [1024, 60000]], dtype=np.uint16)
    dataset = ct_slice(pixels, (0, 0, 0), PixelRepresentation=0)
    dataset.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
    found = read_volume([save(tmp_path / "1", dataset)]).array[0]
    np.testing.assert_array_equal(found, [[-3024, -1024], [0, 58976]])


def test_padding_of_signed_pixels_stays_as_it_is(tmp_path: Path) -> None:
    dataset = ct_slice(np.array([[-2000, 5]], np.int16), (0, 0, 0))
    dataset.add_new("PixelPaddingValue", "US", 63536)
    np.testing.assert_array_equal(read_volume([save(tmp_path / "1", dataset)]).array[0], [[-3024, -1019]])


def test_a_range_of_padding_is_meant_as_signed_as_a_whole(tmp_path: Path) -> None:
    pixels = np.array([[63536, 63540, 63541]], dtype=np.uint16)
    dataset = ct_slice(pixels, (0, 0, 0), PixelRepresentation=0, RescaleIntercept=0)
    dataset.add_new("PixelPaddingValue", "US", 63540)
    dataset.add_new("PixelPaddingRangeLimit", "US", 63536)
    np.testing.assert_array_equal(read_volume([save(tmp_path / "1", dataset)]).array[0], [[-2000, -1996, 63541]])


def test_a_sign_inside_the_allocated_bits_is_extended(tmp_path: Path) -> None:
    twelve = {"BitsStored": 12, "HighBit": 11}
    np.testing.assert_array_equal(
        volume_of(tmp_path, np.array([[0x0FFF, 0x0830, 5]], np.int16), **twelve), [[-1, -2000, 5]]
    )


def test_bits_of_an_overlay_are_no_part_of_the_pixels(tmp_path: Path) -> None:
    twelve: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}
    dataset = ct_slice(np.array([[0x1FFF, 0x1005, 7]], np.uint16), (0, 0, 0), RescaleIntercept=0, **twelve)
    dataset.add_new(0x60000102, "US", 12)
    np.testing.assert_array_equal(read_volume([save(tmp_path / "1", dataset)]).array[0], [[4095, 5, 7]])


def test_values_that_the_stored_bits_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="from 7 to 8191, which 12 bits cannot hold"):
        volume_of(tmp_path, np.array([[8191, 7]], np.uint16), BitsStored=12, HighBit=11, PixelRepresentation=0)


def test_stored_bits_may_lie_above_the_lowest(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        volume_of(tmp_path, np.array([[0x7FF0, 0x0050]], np.uint16), BitsStored=12, HighBit=15, PixelRepresentation=0),
        [[2047, 5]],
    )


def test_a_lookup_table_takes_the_place_of_the_slope(tmp_path: Path) -> None:
    table = item(LUTDescriptor=[3, 10, 16], LUTData=[100, 70, 1000])
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    found = volume_of(
        tmp_path, np.array([[9, 10, 11, 12, 13]], np.int16), ModalityLUTSequence=[table], RescaleSlope=None
    )
    np.testing.assert_array_equal(found, [[100, 100, 70, 1000, 1000]])
    table.LUTDescriptor = [4, 10, 16]
    with pytest.raises(RefusalError, match="3 values where 4 are promised"):
        volume_of(tmp_path, np.array([[9]], np.int16), ModalityLUTSequence=[table])


def test_floating_point_pixels_are_read(tmp_path: Path) -> None:
    pixels = np.array([[0.5, -3.25]], np.float32)
    dataset = ct_slice(pixels, (0, 0, 0), BitsAllocated=32, RescaleIntercept=0, RescaleSlope=2)
    dataset.FloatPixelData = pixels.tobytes()
    del dataset.PixelData
    np.testing.assert_array_equal(read_volume([save(tmp_path / "1", dataset)]).array[0], [[1.0, -6.5]])


whole = st.integers(-3000, 3000)


@given(
    st.lists(st.integers(-32768, 32767), min_size=1, max_size=5),
    st.one_of(whole, st.floats(-2, 2)),
    whole,
    st.sampled_from([np.int16, np.int32]),
)
def test_rescaling_is_exact_in_whatever_type_it_comes(
    values: list[int], slope: float, intercept: int, kind: Any
) -> None:
    found = rescale(np.array(values, kind), float(slope), float(intercept))
    expected = np.array(values, np.float64) * slope + intercept
    if np.issubdtype(found.dtype, np.integer):
        np.testing.assert_array_equal(found, expected)
        assert (found.dtype == np.int16) <= bool(np.abs(expected).max() <= 32767)
    else:
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_reading_holds_little_more_than_the_volume(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_volume(40, 128, 128))
    read_volume(paths[:2])  # what is imported on the way counts for nobody
    tracemalloc.start()
    volume = read_volume(paths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * volume.array.nbytes


# ---------------------------------------------------------------- hostile files


def test_a_size_beyond_the_file_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    dataset = ct_slice(stored_volume(1, 40, 40)[0], (0, 0, 0), NumberOfFrames=2_000_000_000)
    error = refused(save(tmp_path / "1", dataset))
    assert (error.reason, error.unit) == (Reason.TOO_LARGE, "samples")
    dataset.NumberOfFrames = 3
    error = refused(save(tmp_path / "1", dataset))
    assert (error.reason, error.figure, error.unit) == (Reason.TRUNCATED, 3200, "bytes")


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_more_frames_than_compressed_pieces_are_refused(tmp_path: Path, syntax: Any) -> None:
    dataset = ct_slice(stored_volume(1, 40, 40)[0], (0, 0, 0))
    dataset.compress(syntax)
    dataset.NumberOfFrames = 1000
    assert "1 pieces of compressed pixels for 1000 frames" in str(refused(save(tmp_path / "1", dataset)))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_stream_that_declares_another_size_is_refused_before_its_decoder_sees_it(tmp_path: Path, syntax: Any) -> None:
    dataset = ct_slice(stored_volume(1, 40, 40)[0], (0, 0, 0))
    dataset.compress(syntax)
    dataset.Rows = 30
    assert "compressed pixels of 40x40 in an image of 30x40" in str(refused(save(tmp_path / "1", dataset)))


@given(st.binary(max_size=60))
def test_the_declared_size_of_anything_is_a_size_or_nothing(data: bytes) -> None:
    for magic in (b"", b"\xff\xd8", b"\xff\x4f\xff\x51"):
        size = declared_size(magic + data)
        assert size is None or len(size) == 2


def test_a_deflated_file_may_not_grow_beyond_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = ct_slice(np.zeros((300, 300), np.int16), (0, 0, 0))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(tmp_path / "1", dataset)
    assert read_volume([path]).array.max() == -1024
    monkeypatch.setattr(dicom_elements, "MOST_INFLATED_BYTES", 100_000)
    monkeypatch.setattr(zlib, "decompress", lambda *_: pytest.fail("inflated as a whole"))
    assert refused(path).reason == Reason.TOO_LARGE


def test_every_installed_encoding_has_a_decoder_that_is_there() -> None:
    for syntax, plugin in dicom_pixels.DECODERS.items():
        assert plugin in pydicom.pixels.get_decoder(syntax).available_plugins


def test_no_value_of_a_header_reaches_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    paths = write_series(tmp_path, stored_volume())
    for path in paths:
        # A type that does not fit and a number that is none: what pydicom likes to quote.
        data = path.read_bytes().replace(b"SMITH-1 ", b"SMITH\\\xff ").replace(b"0.5\\0.75", b"SMIT\\0.7")
        path.write_bytes(data)
    said = []
    with caplog.at_level(logging.DEBUG):
        for path in paths:
            try:
                read_volume([path])
            except RefusalError as error:
                said.append(str(error))
    assert said
    assert "SMIT" not in caplog.text + "".join([*said, *(str(warning.message) for warning in recwarn)])
