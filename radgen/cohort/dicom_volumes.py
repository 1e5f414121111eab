"""DICOM series as volumes in modality units (HU for CT), every transfer syntax that pydicom's decoders know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from radgen.cohort.dicom_headers import first_value, planes_of, read_dataset, text_value
from radgen.cohort.mosaic import is_mosaic, tile_count, untile
from radgen.cohort.planes import stacks_of
from radgen.cohort.refusal import Reason, RefusalError, blaming
from radgen.imaging.volume import CANONICAL_DIRECTIONS, Volume


def read_volume(paths: Sequence[Path], repeat: int = 0) -> Volume:
    """Read a series in modality units, slices ordered along their normal.

    Parameters
    ----------
    paths
        The files of the series, in any order.
    repeat
        Which volume, where a series holds several per position.

    Returns
    -------
    Volume
        int16 where slope and intercept are whole numbers and the values fit, else int32 or float32. A series without a
        place in the patient (plain X-ray) is one slice that is canonical as it is.

    Raises
    ------
    RefusalError
        A file is damaged, or the planes make no volume (see `stacks_of`).
    """
    datasets = [open_dataset(path) for path in paths]
    planes = [plane for number, dataset in enumerate(datasets) for plane in planes_of(dataset, number)]
    if not planes:
        with blaming(paths[0]):
            return _without_place(datasets[0])
    stack = stacks_of(planes)[repeat]
    pixels = {}
    for number in sorted({plane.file for plane in stack.planes}):
        with blaming(paths[number]):
            pixels[number] = decode(datasets[number])
    slices = [
        _intensity(pixels[plane.file][plane.frame], plane.slope, plane.intercept, datasets[plane.file])
        for plane in stack.planes
    ]
    if not all(np.issubdtype(item.dtype, np.integer) for item in slices):
        slices = [item.astype(np.float32, copy=False) for item in slices]
    return Volume(np.stack(slices), stack.affine)


def read_grid(paths: Sequence[Path], repeat: int = 0) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return shape and affine of the volume that `read_volume` would give, from headers alone."""
    planes = []
    for number, path in enumerate(paths):
        with path.open("rb") as file:
            planes.extend(planes_of(read_dataset(file, stop_before_pixels=True), number))
    stack = stacks_of(planes)[repeat]
    return (len(stack.planes), *stack.planes[0].shape), stack.affine


def open_dataset(path: Path) -> pydicom.Dataset:
    """Read a whole DICOM file."""
    with blaming(path), path.open("rb") as file:
        return read_dataset(file, stop_before_pixels=False)


def decode(dataset: pydicom.Dataset) -> NDArray[Any]:
    """Return stored values, [frames, rows, columns].

    Raises
    ------
    RefusalError
        undecodable.
    """
    try:
        pixels: NDArray[Any] = dataset.pixel_array
    except (ValueError, RuntimeError, NotImplementedError, AttributeError, KeyError, EOFError) as error:
        name = dataset.file_meta.TransferSyntaxUID.name
        raise RefusalError(
            Reason.UNDECODABLE, f"the pixels cannot be decoded ({name}, {type(error).__name__})"
        ) from error
    if pixels.ndim == 2:
        return untile(pixels, tile_count(dataset)) if is_mosaic(dataset) else pixels[np.newaxis]
    return pixels


def rescale(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Apply slope and intercept: int16 while whole numbers allow it, else int32, else float32."""
    if not (slope.is_integer() and intercept.is_integer() and np.issubdtype(stored.dtype, np.integer)):
        return np.asarray(stored.astype(np.float32) * np.float32(slope) + np.float32(intercept))
    values = stored.astype(np.int32) * int(slope) + int(intercept)
    # One below the type's range is left, so that the sign can be turned.
    fits = int(values.min()) >= -32767 and int(values.max()) <= 32767
    return values.astype(np.int16) if fits else values


def _intensity(stored: NDArray[Any], slope: float, intercept: float, dataset: pydicom.Dataset) -> NDArray[Any]:
    """Return modality units, growing with brightness."""
    values = rescale(stored, slope, intercept)
    return np.negative(values) if text_value(dataset, "PhotometricInterpretation") == "MONOCHROME1" else values


def _without_place(dataset: pydicom.Dataset) -> Volume:
    slope, intercept = first_value(dataset, "RescaleSlope"), first_value(dataset, "RescaleIntercept")
    row_mm, column_mm = first_value(dataset, "PixelSpacing", "ImagerPixelSpacing") or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3, :3] = CANONICAL_DIRECTIONS.T * (1.0, float(row_mm), float(column_mm))
    return Volume(_intensity(decode(dataset)[:1], float(slope or 1.0), float(intercept or 0.0), dataset), affine)
