"""DICOM series as volumes in modality units (HU for CT), decoded slice by slice into place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword

from radgen.cohort.dicom_colours import red_green_blue
from radgen.cohort.dicom_elements import understanding
from radgen.cohort.dicom_frames import pixel_spacing_mm, planes_of, scale
from radgen.cohort.dicom_pixels import GREY, OVERLAY_BIT_TAGS, StoredPixels, frames_of, open_pixels
from radgen.cohort.modality import Modality
from radgen.cohort.mosaic import MOSAIC_TAGS
from radgen.cohort.planes import Plane
from radgen.cohort.refusal import Reason, RefusalError, blaming
from radgen.cohort.stacks import REFUSE, Stack, stacks_of
from radgen.imaging.volume import CANONICAL_DIRECTIONS, Volume

# All that places and decodes the pixels of a slice; parsing nothing else of a header saves a fifth of its time.
_KEYWORDS = [
    "ImageType",
    "Modality",
    "SOPClassUID",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SpacingBetweenSlices",
    "SliceThickness",
    "AcquisitionNumber",
    "InstanceNumber",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "EchoTime",
    "EffectiveEchoTime",
    "EchoNumbers",
    "FrameType",
    "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence",
]
PLANE_TAGS = (*(int(tag_for_keyword(keyword) or 0) for keyword in _KEYWORDS), *OVERLAY_BIT_TAGS, *MOSAIC_TAGS)


def read_volume(paths: Sequence[Path], repeat: int = 0, treatment: str = REFUSE) -> Volume:
    """Read a series in modality units, slices ordered along their normal.

    Each file's header is parsed once, and its frames are decoded one at a time into the volume.

    Parameters
    ----------
    paths
        The files of the series, in any order.
    repeat
        Which volume, where a series holds several per position.
    treatment
        What is done about faults of geometry; see `stacks_of`.

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
    stack = stacks_of(planes, treatment)[repeat]
    slices = _decoded(stack, sources)
    return Volume(slices if stack.regrid is None else stack.regrid.apply(slices), stack.affine)


def read_grid(
    paths: Sequence[Path], repeat: int = 0, treatment: str = REFUSE
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return shape and affine of the volume that `read_volume` would give, from headers alone."""
    stack = read_stack(paths, repeat, treatment)
    return stack.shape, stack.affine


def read_stack(paths: Sequence[Path], repeat: int, treatment: str) -> Stack:
    """Return the planes of the volume that `read_volume` would give, and the way to its grid, from headers alone."""
    planes = [plane for number, path in enumerate(paths) for plane in _open(path, number)[1]]
    return stacks_of(planes, treatment)[repeat]


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


def read_frame(path: Path, plane: Plane) -> NDArray[Any]:
    """Read one frame in modality units."""
    with blaming(path):
        source, _ = _open(path, plane.file)
        return next(values for _, values in source.frames({plane.frame: plane}))


def _open(path: Path, number: int) -> tuple[_Source, list[Plane]]:
    with understanding():
        dataset, pixels = open_pixels(path, PLANE_TAGS)
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
    """Read an image without a place in the patient: a slice for each frame, and a spacing of 1 where none is given."""
    with understanding():
        dataset, pixels = open_pixels(path)
        spacing_mm = pixel_spacing_mm(dataset) or (1.0, 1.0)
        modality = Modality.of(dataset)
        slope, intercept = scale(dataset.get("RescaleSlope", None), dataset.get("RescaleIntercept", None))
    affine = np.eye(4)
    affine[:3, :3] = CANONICAL_DIRECTIONS.T * (1.0, *spacing_mm)
    if pixels.photometric not in GREY:
        return Volume(_colours(dataset, pixels), affine)
    filling = _Filling((pixels.frames, *pixels.shape))
    for place, stored in enumerate(frames_of(pixels)):
        filling.put(place, modality.apply(stored, slope, intercept))
    return Volume(filling.array, affine)


def _colours(dataset: pydicom.Dataset, pixels: StoredPixels) -> NDArray[np.uint8]:
    """Decode a colour image, [frames, rows, columns, 3] as red, green and blue."""
    array = np.empty((pixels.frames, *pixels.shape, 3), np.uint8)
    for place, stored in enumerate(frames_of(pixels)):
        array[place] = red_green_blue(stored, dataset)
    return array
