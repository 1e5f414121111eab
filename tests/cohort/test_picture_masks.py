"""Masks that are pictures: label ids as stored, one picture to a slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort.readers import read_mask, read_series
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.settings import StructureSettings
from radgen.errors import InputError
from tests.cohort.test_pictures import png
from tests.cohort.toys import picture, write_picture, write_series

STRUCTURES = StructureSettings(names=("polyp", "tool"))
IDS = (picture(9) % 3).astype(np.uint8)


def masked(image: Path | list[Path], masks: list[Path], kind: str) -> NDArray[np.uint8]:
    """The mask of a series, read with its image and again without."""
    images = image if isinstance(image, list) else [image]
    files = {str(path): path for path in (*images, *masks)}
    row: dict[str, Any] = {
        "format": "picture" if isinstance(image, Path) else "dicom",
        "file_ids": [str(path) for path in images],
        "repeat": 0,
        "mask_ids": [str(path) for path in masks],
        "mask_kind": kind,
        "mask_labels": [],
    }
    beside, alone = read_mask(row, files, STRUCTURES, read_series(row, files)), read_mask(row, files, STRUCTURES)
    assert beside is not None
    assert alone is not None
    np.testing.assert_array_equal(beside.array, alone.array)
    return beside.array


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_picture(tmp_path / "image.jpg", np.stack([picture(1)] * 3, axis=2))


def test_label_ids_are_those_that_are_stored(tmp_path: Path, image: Path) -> None:
    palette = Image.fromarray(IDS, mode="P")
    palette.putpalette([255, 255, 255, 0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "palette.png")
    write_picture(tmp_path / "grey.png", IDS)
    write_picture(tmp_path / "equal.png", np.stack([IDS] * 3, axis=2))
    write_picture(tmp_path / "deep.png", IDS.astype(np.uint16))
    tifffile.imwrite(tmp_path / "a.tif", IDS.astype(np.int32))
    for name in ("palette.png", "grey.png", "equal.png", "deep.png", "a.tif"):
        np.testing.assert_array_equal(masked(image, [tmp_path / name], "picture"), IDS[np.newaxis], name)


def test_few_bits_are_not_spread_over_eight(tmp_path: Path) -> None:
    write_picture(tmp_path / "image.png", picture(1, 8)[:2])
    for bits, byte, ids in ((2, 0b00_01_10_01, [0, 1, 2, 1]), (4, 0x12, [1, 2]), (1, 0b0110_1001, [0, 1, 1, 0, 1])):
        (tmp_path / "mask.png").write_bytes(png(bits, 0, [bytes([byte] * bits)] * 2))
        found = masked(tmp_path / "image.png", [tmp_path / "mask.png"], "picture")
        assert found[0, 0, : len(ids)].tolist() == ids


def test_a_label_map_must_hold_ids(tmp_path: Path, image: Path) -> None:
    Image.fromarray(np.stack([IDS, IDS * 0, IDS], axis=2)).save(tmp_path / "colours.png")
    Image.fromarray(IDS).save(tmp_path / "lossy.jpg")
    tifffile.imwrite(tmp_path / "inverted.tif", IDS, photometric="miniswhite")
    for name, words in {
        "colours.png": "in colours",
        "lossy.jpg": "no exact label ids",
        "inverted.tif": "0 is white",
    }.items():
        with pytest.raises(RefusalError, match=words) as caught:
            masked(image, [tmp_path / name], "picture")
        assert caught.value.path == tmp_path / name
    write_picture(tmp_path / "unknown.png", IDS * 9)
    with pytest.raises(InputError, match=r"mask .*unknown.png: unknown labels 9, 18"):
        masked(image, [tmp_path / "unknown.png"], "picture")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_binary_picture_is_bright_where_the_structure_is(tmp_path: Path, image: Path, suffix: str) -> None:
    drawn = np.zeros((20, 20), dtype=bool)
    drawn[4:12, 8:16] = True
    path = tmp_path / f"mask.{suffix}"
    Image.fromarray(np.stack([drawn * np.uint8(255)] * 3, axis=2)).save(path)
    np.testing.assert_array_equal(masked(image, [path], "binary_picture")[0], drawn)
    write_picture(path, np.zeros((20, 20), np.uint8))
    assert not masked(image, [path], "binary_picture").any()
    write_picture(tmp_path / "ids.png", drawn.astype(np.uint8))
    with pytest.raises(RefusalError, match="brightest pixel of a binary picture is 1, and white begins at 128"):
        masked(image, [tmp_path / "ids.png"], "binary_picture")


def test_a_mask_of_another_size_is_refused(tmp_path: Path, image: Path) -> None:
    path = write_picture(tmp_path / "mask.png", IDS[:19])
    with pytest.raises(RefusalError, match="1x19x20 pixels and its image 1x20x20") as caught:
        masked(image, [path], "picture")
    assert caught.value.reason == Reason.MASK_OTHER_GRID


def test_a_stack_of_pictures_is_the_mask_of_a_series_slice_by_slice(tmp_path: Path) -> None:
    ids = np.random.default_rng(3).integers(0, 3, (4, 6, 5)).astype(np.uint8)
    images = write_series(tmp_path / "ct", np.zeros((4, 6, 5), np.int16))
    masks = [write_picture(tmp_path / f"{number}.png", plane) for number, plane in enumerate(ids)]
    np.testing.assert_array_equal(masked(images, masks, "picture_stack"), ids)
    with pytest.raises(RefusalError, match="3x6x5 pixels and its image 4x6x5"):
        masked(images, masks[:3], "picture_stack")
    write_picture(masks[2], ids[0, :3])
    with pytest.raises(RefusalError, match="masks of 6x5 and of 3x5 pixels") as caught:
        masked(images, masks, "picture_stack")
    assert caught.value.path == masks[2]
