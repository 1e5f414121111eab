"""DICOM series as volumes in modality units (HU for CT), decoded slice by slice into place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.dicom_elements import first_value, understanding
from radgen.cohort.dicom_frames import planes_of
from radgen.cohort.dicom_pixels import StoredPixels, frames_of, open_pixels
from radgen.cohort.modality import Modality
from radgen.cohort.planes import Plane, Stack, stacks_of
from radgen.cohort.refusal import Reason, RefusalError, blaming
from radgen.imaging.volume import CANONICAL_DIRECTIONS, Volume


def read_volume(paths: Sequence[Path], repeat: int = 0) -> Volume:
    """Read a series in modality units, slices ordered along their normal.

    Each file's header is parsed once, and its frames are decoded one at a time into the volume.

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
        place in the patient (plain X-ray, ultrasound) has a slice for each frame and is canonical as it is.

    Raises
    ------
    RefusalError
        A file is damaged, or the planes make no volume (see `stacks_of`).
    """
    sources, planes = [], []
    for number, path in enumerate(paths):
        with blaming(path):
            source, found = _open(path, number)
        sources.append(source)
        planes.extend(found)
    if not planes:
        with blaming(paths[0]):
            return _without_place(paths[0])
    stack = stacks_of(planes)[repeat]
    return Volume(_decoded(stack, sources), stack.affine)


def read_grid(paths: Sequence[Path], repeat: int = 0) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return shape and affine of the volume that `read_volume` would give, from headers alone."""
    planes = [plane for number, path in enumerate(paths) for plane in _open(path, number)[1]]
    stack = stacks_of(planes)[repeat]
    return (len(stack.planes), *stack.planes[0].shape), stack.affine


@dataclass(frozen=True, eq=False)
class _Source:
    """One file, open to be decoded later; its header is not kept."""

    pixels: StoredPixels
    modality: Modality

    def frames(self, wanted: Mapping[int, Plane]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (number, modality units) of the wanted frames, in the order of the file."""
        left = len(wanted)
        for number, stored in enumerate(frames_of(self.pixels)):
            if number in wanted:
                plane = wanted[number]
                yield number, self.modality.apply(stored, plane.slope, plane.intercept)
                left -= 1
            if left == 0:
                return
        raise RefusalError(Reason.TRUNCATED, "the file has fewer frames than it describes")


def _open(path: Path, number: int) -> tuple[_Source, list[Plane]]:
    with understanding():
        dataset, pixels = open_pixels(path)
        return _Source(pixels, Modality.of(dataset)), planes_of(dataset, number)


def _decoded(stack: Stack, sources: Sequence[_Source]) -> NDArray[Any]:
    """Decode the planes of a stack, [planes, rows, columns]; memory holds the volume and one frame."""
    places: dict[int, dict[int, int]] = {}
    for place, plane in enumerate(stack.planes):
        places.setdefault(plane.file, {})[plane.frame] = place
    filling = _Filling((len(stack.planes), *stack.planes[0].shape))
    for file in sorted(places):
        wanted = {frame: stack.planes[place] for frame, place in places[file].items()}
        with blaming(sources[file].pixels.path):
            for frame, values in sources[file].frames(wanted):
                filling.put(places[file][frame], values)
    return filling.array


class _Filling:
    """An array filled slice by slice, of the narrowest type that holds all slices so far."""

    RANK = (np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.float32))

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.array: NDArray[Any] = np.empty(shape, self.RANK[0])

    def put(self, place: int, values: NDArray[Any]) -> None:
        """Write one slice, widening the array where the slice needs it."""
        if values.shape != self.array.shape[1:]:
            text = f"decoded to {values.shape} pixels where the header says {self.array.shape[1:]}"
            raise RefusalError(Reason.UNDECODABLE, text)
        if self.RANK.index(values.dtype) > self.RANK.index(self.array.dtype):
            self.array = self.array.astype(values.dtype)
        self.array[place] = values


def _without_place(path: Path) -> Volume:
    """Read an image without a place in the patient: a slice for each frame."""
    dataset, pixels = open_pixels(path)
    modality = Modality.of(dataset)
    slope, intercept = first_value(dataset, "RescaleSlope"), first_value(dataset, "RescaleIntercept")
    filling = _Filling((pixels.frames, *pixels.shape))
    for place, stored in enumerate(frames_of(pixels)):
        filling.put(place, modality.apply(stored, float(slope or 1.0), float(intercept or 0.0)))
    row_mm, column_mm = first_value(dataset, "PixelSpacing", "ImagerPixelSpacing") or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3, :3] = CANONICAL_DIRECTIONS.T * (1.0, float(row_mm), float(column_mm))
    return Volume(filling.array, affine)
