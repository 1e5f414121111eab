"""Pictures: values as the header means them, whole files only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort import pictures
from radgen.cohort.headers import VolumeHeader
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import scan_file
from radgen.imaging.volume import canonical
from tests.cohort.toys import picture, write_picture


def refusal_of(path: Path) -> Reason:
    scanned = scan_file(path.parent, path.name, "")
    assert scanned.refusal is not None
    return scanned.refusal[0]


def grey16() -> NDArray[np.uint16]:
    return np.arange(12, dtype=np.uint16).reshape(3, 4) * 4000


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_a_picture_is_one_canonical_slice_of_its_values(tmp_path: Path, name: str) -> None:
    path = write_picture(tmp_path / name, picture(3))
    volume = pictures.read_volume(path)
    assert volume.array.dtype == np.uint8
    np.testing.assert_array_equal(volume.array[0], picture(3))
    np.testing.assert_array_equal(canonical(volume)[0].array, volume.array)
    header = scan_file(tmp_path, name, "").header
    assert isinstance(header, VolumeHeader)
    assert header.size == ((1, 20, 20), None)


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
