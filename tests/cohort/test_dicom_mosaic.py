"""Siemens mosaics: cut into their slices, each in its place, or refused where the place is not certain."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radgen.cohort.dicom_frames import planes_of
from radgen.cohort.dicom_volumes import read_volume
from radgen.cohort.mosaic import untile
from radgen.cohort.refusal import Reason, RefusalError
from tests.cohort.toys import ct_slice, inventory_of, save, stored_volume

MOSAIC = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]


def csa_header(**elements: tuple[str, ...]) -> bytes:
    """A CSA header of the second kind."""
    data = b"SV10\4\3\2\1" + struct.pack("<II", len(elements), 77)
    for name, texts in elements.items():
        data += struct.pack("<64si4siii", name.encode(), len(texts), b"FD", 4, len(texts), 77)
        for text in texts:
            item = text.encode() + b"\0"
            data += struct.pack("<4i", len(item), len(item), 77, len(item)) + item.ljust(
                (len(item) + 3) // 4 * 4, b"\0"
            )
    return data


def mosaic(tiles: NDArray[Any], *, normal: tuple[str, ...] = ("0", "0", "1"), **tags: Any) -> Dataset:
    """Tiles [n, rows, columns] in one image whose first slice starts at LPS (-10, -20, 100), 2.5 mm apart."""
    count, rows, cols = tiles.shape
    side = int(np.ceil(np.sqrt(count)))
    large = np.zeros((side * rows, side * cols), tiles.dtype)
    for number, tile in enumerate(tiles):
        row, col = divmod(number, side)
        large[row * rows : (row + 1) * rows, col * cols : (col + 1) * cols] = tile
    corner = (-10 - 0.75 * (side - 1) * cols / 2, -20 - 0.5 * (side - 1) * rows / 2, 100)
    dataset = ct_slice(large, corner, ImageType=MOSAIC, SpacingBetweenSlices=2.5, **tags)
    header = csa_header(NumberOfImagesInMosaic=(str(count),), SliceNormalVector=normal)
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", header)
    return dataset


@pytest.mark.parametrize(("normal", "up"), [(("0", "0", "1"), True), (("0.0", "0.0", "-1.0"), False)])
@pytest.mark.parametrize("count", [4, 5, 7])
def test_tiles_are_slices_in_the_direction_that_the_header_gives(
    tmp_path: Path, count: int, normal: tuple[str, ...], *, up: bool
) -> None:
    stored = stored_volume(count)
    volume = read_volume([save(tmp_path / "1", mosaic(stored, normal=normal))])
    np.testing.assert_array_equal(volume.array, (stored if up else stored[::-1]) - 1024)
    lowest = 100 if up else 100 - 2.5 * (count - 1)
    np.testing.assert_allclose(volume.affine[:3, 3], [10, 20, lowest])
    assert volume.spacing_mm == pytest.approx((2.5, 0.5, 0.75))


def test_each_file_of_a_series_of_mosaics_is_a_volume(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / str(number), mosaic(stored_volume(5) + np.int16(number), InstanceNumber=number))
    found = inventory_of(tmp_path, repeats="all")
    assert [(row["n_slices"], row["repeat"], len(row["file_ids"])) for row in found.index] == [(5, 0, 1)] * 3


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda dataset: delattr(dataset, "SpacingBetweenSlices"), "at which distance"),
        (lambda dataset: dataset.__delitem__((0x0029, 0x1010)), "unknown number of slices"),
        (lambda dataset: dataset.private_block(0x0029, "SIEMENS CSA HEADER").__delitem__(0x10), "unknown number"),
        (lambda dataset: setattr(dataset[0x0029, 0x1010], "value", csa_header(X=("1",))), "unknown number"),
        (
            lambda dataset: setattr(dataset[0x0029, 0x1010], "value", csa_header(NumberOfImagesInMosaic=("5",))),
            "in which direction",
        ),
        (
            lambda dataset: setattr(dataset[0x0029, 0x1010], "value", csa_header(NumberOfImagesInMosaic=("50",))),
            "cannot hold 8 by 8 equal tiles",
        ),
        (
            lambda dataset: dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 6),
            "5 or 6 slices",
        ),
    ],
)
def test_a_mosaic_that_does_not_say_where_its_slices_lie_is_refused(tmp_path: Path, spoil: Any, words: str) -> None:
    dataset = mosaic(stored_volume(5))
    spoil(dataset)
    with pytest.raises(RefusalError, match=words) as caught:
        read_volume([save(tmp_path / "1", dataset)])
    assert caught.value.reason == Reason.MOSAIC


@given(st.integers(1, 20), st.integers(1, 4), st.integers(1, 4))
def test_cutting_a_mosaic_undoes_laying_it(count: int, rows: int, cols: int) -> None:
    tiles = stored_volume(count, rows, cols)
    np.testing.assert_array_equal(untile(mosaic(tiles).pixel_array, count), tiles)


@given(st.binary(max_size=300))
def test_a_damaged_private_header_is_a_refusal(data: bytes) -> None:
    dataset = mosaic(stored_volume(4))
    dataset[0x0029, 0x1010].value = b"SV10" + data
    with pytest.raises(RefusalError):
        planes_of(dataset, 0)
