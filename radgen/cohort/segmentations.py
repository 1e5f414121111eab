"""DICOM SEG objects (BINARY and LABELMAP), placed into their image by geometry alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from radgen.cohort.dicom_elements import known_word, text_value
from radgen.cohort.dicom_frames import planes_of
from radgen.cohort.dicom_pixels import frames_of, open_pixels
from radgen.cohort.grids import GRID_TOLERANCE_VOXELS
from radgen.cohort.label_ids import refuse_unknown, structure_of
from radgen.cohort.planes import Plane, plane_affine
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.settings import StructureSettings


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
        The file is damaged, fractional, or lies on another grid than the image.
    InputError
        A segment's label is named by no structure.
    """
    dataset, stored = open_pixels(path)
    kind = text_value(dataset, "SegmentationType")
    if kind not in {"BINARY", "LABELMAP"}:
        raise RefusalError(
            Reason.UNDECODABLE,
            f"a segmentation of {known_word(kind, ('FRACTIONAL',))} type; BINARY and LABELMAP are read",
        )
    ids = _structure_ids(dataset, structures)
    planes = planes_of(dataset, 0)
    pixels = np.stack(list(frames_of(stored)))
    if len(planes) != len(pixels):
        text = f"{len(planes)} of {len(pixels)} frames say where they lie"
        raise RefusalError(Reason.BAD_GEOMETRY, text)
    pieces = _pieces(dataset, pixels, ids) if kind == "BINARY" else _labelmap_pieces(pixels, ids)
    labels = np.zeros(shape, dtype=np.uint8)
    for structure, frame, seen in sorted(pieces, key=lambda piece: piece[:2]):
        place = _place(planes[frame], shape, affine, np.argwhere(seen))
        labels[place] = structure
    return labels


def _structure_ids(dataset: pydicom.Dataset, structures: StructureSettings) -> dict[int, int]:
    """Map segment numbers to structure ids; a LABELMAP's segment 0 is its background."""
    segments = {int(item.SegmentNumber): text_value(item, "SegmentLabel") for item in dataset.SegmentSequence}
    ids = {number: structure_of(label, structures) for number, label in segments.items() if number != 0}
    refuse_unknown((segments[number] for number, structure in ids.items() if structure == 0), structures)
    return ids


_Piece = tuple[int, int, NDArray[np.bool_]]  # structure id, frame number, where it is seen [rows, columns]


def _pieces(dataset: pydicom.Dataset, pixels: NDArray[Any], ids: dict[int, int]) -> list[_Piece]:
    pieces = []
    for frame, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        both = (groups, *dataset.get("SharedFunctionalGroupsSequence", ()))
        named = next(group.SegmentIdentificationSequence for group in both if "SegmentIdentificationSequence" in group)
        structure = ids.get(int(named[0].ReferencedSegmentNumber), 0)
        if structure:
            pieces.append((structure, frame, pixels[frame] != 0))
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
