"""Siemens mosaics: all slices of a volume as tiles of one large image, and where each tile lies in the patient."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from radgen.cohort.planes import Plane
from radgen.cohort.refusal import Reason, RefusalError

# Siemens private elements: how many tiles a mosaic has, and the CSA header that names tiles and slice direction.
TILE_COUNT_TAG = (0x0019, 0x100A)
CSA_IMAGE_TAG = (0x0029, 0x1010)
MOSAIC_TAGS = ((TILE_COUNT_TAG[0] << 16) + TILE_COUNT_TAG[1], (CSA_IMAGE_TAG[0] << 16) + CSA_IMAGE_TAG[1])
CSA_MAGIC = b"SV10"
# What a CSA header holds at most; real ones have about a hundred elements of a few items.
MOST_CSA_ELEMENTS = 1024
MOST_CSA_ITEMS = 4096


def is_mosaic(dataset: pydicom.Dataset) -> bool:
    """Tell whether the image is a mosaic by its ImageType."""
    return "MOSAIC" in [str(item).upper() for item in dataset.get("ImageType", None) or ()]


def tile_planes(dataset: pydicom.Dataset, mosaic: Plane) -> list[Plane]:
    """List the tiles of a mosaic as planes, in order of their tiles.

    Parameters
    ----------
    dataset
        Header of the mosaic.
    mosaic
        The large image as a plane. Its position is that of an image of this size centred on the slices, so the first
        tile's corner lies half the difference of both sizes further in, as in dcm2niix.

    Raises
    ------
    RefusalError
        mosaic: the number of tiles or the direction from slice to slice is unknown, or they do not fit the image.
    """
    csa = _csa_elements(dataset)
    count = tile_count(dataset, csa)
    rows, columns = tile_shape(mosaic.shape, count)
    along_row, along_column = np.array(mosaic.directions[:3]), np.array(mosaic.directions[3:])
    normal = np.cross(along_row, along_column)
    direction = _numbers(csa.get("SliceNormalVector", ())[:3])
    spacing = float(dataset.get("SpacingBetweenSlices", None) or 0.0)
    if len(direction) != 3 or abs(abs(float(normal @ direction)) - 1) > 0.01 or spacing <= 0:
        text = "a mosaic that does not say in which direction and at which distance its slices follow"
        raise RefusalError(Reason.MOSAIC, text)
    step = math.copysign(spacing, float(normal @ direction)) * normal
    row_mm, column_mm = mosaic.spacing_mm
    first = (
        np.array(mosaic.position_mm)
        + along_row * column_mm * (mosaic.shape[1] - columns) / 2
        + along_column * row_mm * (mosaic.shape[0] - rows) / 2
    )
    places = [first + number * step for number in range(count)]
    return [
        replace(
            mosaic,
            frame=number,
            shape=(rows, columns),
            position_mm=(float(place[0]), float(place[1]), float(place[2])),
            thickness_mm=spacing,
        )
        for number, place in enumerate(places)
    ]


def untile(pixels: NDArray[Any], count: int) -> NDArray[Any]:
    """Cut a mosaic [rows, columns] into its first `count` tiles, [count, tile rows, tile columns]."""
    rows, columns = tile_shape((pixels.shape[0], pixels.shape[1]), count)
    side = pixels.shape[1] // columns
    tiles = pixels.reshape(side, rows, side, columns).swapaxes(1, 2).reshape(side * side, rows, columns)
    return tiles[:count]


def tile_count(dataset: pydicom.Dataset, csa: Mapping[str, tuple[str, ...]] | None = None) -> int:
    """Return how many slices a mosaic holds.

    Raises
    ------
    RefusalError
        mosaic: nothing says so, or two elements say different things.
    """
    named = dataset.get(TILE_COUNT_TAG)
    written = (_csa_elements(dataset) if csa is None else csa).get("NumberOfImagesInMosaic", ())[:1]
    counts = {_whole(value) for value in ([] if named is None else [named.value]) + list(written)} - {0}
    if len(counts) != 1:
        text = "a mosaic of an unknown number of slices; convert it to single slices or NIfTI first"
        raise RefusalError(Reason.MOSAIC, text if not counts else f"a mosaic of {min(counts)} or {max(counts)} slices")
    return counts.pop()


def tile_shape(shape: tuple[int, int], count: int) -> tuple[int, int]:
    """Return rows and columns of a tile; mosaics are square arrangements, the last tiles may be empty."""
    side = math.ceil(math.sqrt(count))
    if shape[0] % side or shape[1] % side:
        text = f"a mosaic of {shape[0]}x{shape[1]} pixels cannot hold {side} by {side} equal tiles"
        raise RefusalError(Reason.MOSAIC, text)
    return shape[0] // side, shape[1] // side


def _whole(value: object) -> int:
    if isinstance(value, bytes):  # stored without a known VR: an unsigned short
        return int.from_bytes(value[:2], "little")
    text = str(value).strip()
    return int(text) if text.isdecimal() else 0


def _numbers(texts: tuple[str, ...]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except ValueError:
        return []


def _csa_elements(dataset: pydicom.Dataset) -> dict[str, tuple[str, ...]]:
    """Read the CSA image header: texts by element name; empty when there is none that can be read."""
    element = dataset.get(CSA_IMAGE_TAG)
    data = b"" if element is None else element.value
    if not isinstance(data, bytes) or not data.startswith(CSA_MAGIC):
        return {}
    try:
        return _parse_csa(data)
    except struct.error:
        return {}


def _parse_csa(data: bytes) -> dict[str, tuple[str, ...]]:
    """Parse a CSA header of the second kind: after the magic a list of named elements with items padded to 4 bytes."""
    (count,) = struct.unpack_from("<I", data, 8)
    place, elements = 16, {}
    for _ in range(min(count, MOST_CSA_ELEMENTS)):
        name, items = struct.unpack_from("<64s12xI4x", data, place)
        place += 84
        texts = []
        for _ in range(min(items, MOST_CSA_ITEMS)):
            (length,) = struct.unpack_from("<4xI8x", data, place)
            text = data[place + 16 : place + 16 + length].split(b"\0")[0].decode("latin-1").strip()
            texts += [text] if text else []
            place += 16 + (length + 3) // 4 * 4
        elements[name.split(b"\0")[0].decode("latin-1")] = tuple(texts)
    return elements
