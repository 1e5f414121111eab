"""DICOM SEG objects (BINARY, FRACTIONAL and LABELMAP), placed into their image by geometry alone.

The reader is radgen's own: an image's grid is known already, and all that a frame needs is its place on it. highdicom,
which builds the whole object with its code sequences first, finds the same voxels in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from radgen.cohort.dicom_elements import known_word, number_value, text_value, understanding
from radgen.cohort.dicom_frames import planes_of
from radgen.cohort.dicom_pixels import frames_of, open_pixels
from radgen.cohort.grids import GRID_TOLERANCE_VOXELS
from radgen.cohort.label_ids import refuse_unknown, structure_of
from radgen.cohort.planes import LPS_TO_RAS, Plane, normal_of, plane_affine
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.settings import StructureSettings
from radgen.cohort.stacks import Stack

# A FRACTIONAL segment is where the fraction is at least this share of its largest value.
FRACTION_THRESHOLD = 0.5
# Frames that say only where their first pixel lies (3D Slicer's early segmentations) take directions and spacing of
# their image, whose slice may begin so far (mm) from there: positions were written with few digits.
POSITION_TOLERANCE_MM = 0.1


def read_segmentation(
    path: Path, shape: tuple[int, int, int], affine: NDArray[np.float64], structures: StructureSettings
) -> NDArray[np.uint8]:
    """Paint the segments of one SEG file onto the grid of an image.

    Parameters
    ----------
    path
        The SEG file.
    shape, affine
        Of the image volume (see `Volume`); each frame is placed by its own position and orientation.
    structures
        Segments are matched by their labels; where they overlap, the later structure wins.

    Returns
    -------
    array of uint8
        Structure ids, of the image's shape.

    Raises
    ------
    RefusalError
        The file is damaged, or lies on another grid than the image.
    InputError
        A segment's label is named by no structure.
    """
    labels = np.zeros(shape, dtype=np.uint8)
    for structure, plane, seen in painted(path, structures, affine):
        labels[_place(plane, shape, affine, np.argwhere(seen))] = structure
    return labels


def read_mended_segmentation(path: Path, stack: Stack, structures: StructureSettings) -> NDArray[np.uint8]:
    """Paint the segments of one SEG file onto the slices of an irregular series, and bring them to its regular grid.

    Parameters
    ----------
    path
        The SEG file; its frames lie on the slices that were drawn on.
    stack
        The series, with its `regrid`; labels go to the grid by the nearest slice and pixel.
    structures
        As for `read_segmentation`, and so are the errors.
    """
    first = stack.planes[0]
    drawn = np.zeros((len(stack.planes), *first.shape), dtype=np.uint8)
    normal = normal_of(first)
    along = np.array([normal @ plane.position_mm for plane in stack.planes])
    for structure, plane, seen in painted(path, structures, plane_affine(first)):
        number = int(np.abs(along - normal @ plane.position_mm).argmin())
        _, rows, columns = _place(plane, (1, *first.shape), plane_affine(stack.planes[number]), np.argwhere(seen))
        drawn[number, rows, columns] = structure
    if stack.regrid is None:
        return drawn
    return np.asarray(replace(stack.regrid, linear=False).apply(drawn, fill=0), dtype=np.uint8)


def painted(
    path: Path, structures: StructureSettings, affine: NDArray[np.float64]
) -> list[tuple[int, Plane, NDArray[np.bool_]]]:
    """Read the pieces of a SEG file in the order in which they are painted: structure, place, where it is seen."""
    with understanding():
        dataset, stored = open_pixels(path)
        kind = text_value(dataset, "SegmentationType")
        if kind not in {"BINARY", "FRACTIONAL", "LABELMAP"}:
            text = f"a segmentation of {known_word(kind, ())} type; BINARY, FRACTIONAL and LABELMAP are read"
            raise RefusalError(Reason.UNDECODABLE, text)
        ids = _structure_ids(dataset, structures)
        planes = _planes(dataset, affine)
    pixels = np.stack(list(frames_of(stored)))
    if len(planes) != len(pixels):
        text = f"{len(planes)} of {len(pixels)} frames say where they lie"
        raise RefusalError(Reason.BAD_GEOMETRY, text)
    if kind == "LABELMAP":
        pieces = _labelmap_pieces(pixels, ids)
    else:
        with understanding():
            pieces = _pieces(dataset, pixels >= _least_seen(dataset, kind), ids)
    ordered = sorted(pieces, key=lambda piece: piece[:2])
    return [(structure, planes[frame], seen) for structure, frame, seen in ordered]


def _least_seen(dataset: pydicom.Dataset, kind: str) -> float:
    """Return the least stored value that counts as seen."""
    if kind == "BINARY":
        return 1.0
    most = number_value(dataset, "MaximumFractionalValue")
    if most < 1:
        raise RefusalError(Reason.UNDECODABLE, "a fractional segmentation that does not name its largest value")
    return FRACTION_THRESHOLD * most


def _planes(dataset: pydicom.Dataset, affine: NDArray[np.float64]) -> list[Plane]:
    """Return the planes of the frames, by their own orientation or, where no frame has one, by that of their image."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence", None) or ()
    shared = dataset.get("SharedFunctionalGroupsSequence", None) or ()
    oriented = any("PlaneOrientationSequence" in group for group in (*groups, *shared))
    if oriented or not groups or not all("PlanePositionSequence" in group for group in groups):
        return planes_of(dataset, 0)
    shape = (int(dataset.Rows), int(dataset.Columns))
    positions = [group.PlanePositionSequence[0].ImagePositionPatient for group in groups]
    return [_by_position(position, number, shape, affine) for number, position in enumerate(positions)]


def _by_position(position: Sequence[float], number: int, shape: tuple[int, int], affine: NDArray[np.float64]) -> Plane:
    """Place a frame that has a position alone: on the pixel of its image that begins there."""
    given = LPS_TO_RAS @ np.array([float(value) for value in position])
    index = np.rint(np.linalg.inv(affine) @ [*given, 1.0])
    nearest = (affine @ index)[:3]
    apart = float(np.linalg.norm(nearest - given))
    if not apart <= POSITION_TOLERANCE_MM:
        text = (
            f"a frame without an orientation lies {apart:.3f} mm beside the pixels of its image "
            f"({POSITION_TOLERANCE_MM} mm tolerated)"
        )
        raise RefusalError(Reason.MASK_OTHER_GRID, text, apart, "mm")
    place, steps = LPS_TO_RAS @ nearest, LPS_TO_RAS @ affine[:3, :3]
    slice_mm, row_mm, column_mm = np.linalg.norm(steps, axis=0).tolist()
    along_row, along_column = (steps[:, 2] / column_mm).tolist(), (steps[:, 1] / row_mm).tolist()
    return Plane(
        file=0,
        frame=number,
        shape=shape,
        position_mm=(float(place[0]), float(place[1]), float(place[2])),
        directions=(*along_row, *along_column),
        spacing_mm=(row_mm, column_mm),
        thickness_mm=slice_mm,
        contrast=(),
        order=(0, 0, 0),
        slope=1.0,
        intercept=0.0,
    )


def _structure_ids(dataset: pydicom.Dataset, structures: StructureSettings) -> dict[int, int]:
    """Map segment numbers to structure ids; a LABELMAP's segment 0 is its background."""
    segments = {int(item.SegmentNumber): text_value(item, "SegmentLabel") for item in dataset.SegmentSequence}
    ids = {number: structure_of(label, structures) for number, label in segments.items() if number != 0}
    refuse_unknown((segments[number] for number, structure in ids.items() if structure == 0), structures)
    return ids


_Piece = tuple[int, int, NDArray[np.bool_]]  # structure id, frame number, where it is seen [rows, columns]


def _pieces(dataset: pydicom.Dataset, seen: NDArray[np.bool_], ids: dict[int, int]) -> list[_Piece]:
    pieces = []
    for frame, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        both = (groups, *dataset.get("SharedFunctionalGroupsSequence", ()))
        named = next(group.SegmentIdentificationSequence for group in both if "SegmentIdentificationSequence" in group)
        structure = ids.get(int(named[0].ReferencedSegmentNumber), 0)
        if structure:
            pieces.append((structure, frame, seen[frame]))
    return pieces


def _labelmap_pieces(pixels: NDArray[Any], ids: dict[int, int]) -> list[_Piece]:
    pairs = [(number, structure) for number, structure in ids.items() if structure]
    return [
        (structure, frame, pixels[frame] == number)
        for frame in range(len(pixels))
        for number, structure in pairs
        if np.any(pixels[frame] == number)
    ]


def _place(
    plane: Plane, shape: Sequence[int], affine: NDArray[np.float64], seen: NDArray[np.intp]
) -> tuple[NDArray[np.intp], ...]:
    """Return the image indices of seen pixels (row, column) of one frame.

    The frame's pixel lattice must coincide with the image's voxel lattice: its first pixel and one step along rows and
    columns are mapped to voxel coordinates and must come out whole, over the whole extent of the frame.
    """
    to_voxel = np.linalg.inv(affine) @ plane_affine(plane)
    origin, row_step, column_step = to_voxel[:3, 3], to_voxel[:3, 1], to_voxel[:3, 2]
    whole = [np.rint(part).astype(np.intp) for part in (origin, row_step, column_step)]
    error = (
        np.abs(origin - whole[0]).max()
        + np.abs(row_step - whole[1]).max() * plane.shape[0]
        + np.abs(column_step - whole[2]).max() * plane.shape[1]
    )
    if error > GRID_TOLERANCE_VOXELS:
        text = (
            f"pixels of the segmentation lie up to {error:.2f} voxels off its image ({GRID_TOLERANCE_VOXELS} tolerated)"
        )
        raise RefusalError(Reason.MASK_OTHER_GRID, text)
    index = whole[0] + seen[:, :1] * whole[1] + seen[:, 1:] * whole[2]
    if len(index) and (index.min() < 0 or bool(np.any(index.max(axis=0) >= shape))):
        raise RefusalError(Reason.MASK_OTHER_GRID, "part of the segmentation lies outside its image")
    return tuple(index.T)
