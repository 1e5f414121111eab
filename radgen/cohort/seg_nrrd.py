"""Masks in NRRD files: label maps, and segmentations of 3D Slicer with named segments in layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.label_ids import refuse_unknown, structure_of
from radgen.cohort.nrrd import Segment, parse, read_numbers
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.settings import StructureSettings
from radgen.imaging.volume import Volume


def is_segmentation(path: Path) -> bool:
    """Tell whether a NRRD file names segments."""
    return bool(parse(path).segments)


def read_segments(path: Path, structures: StructureSettings, label: str = "") -> Volume:
    """Read a segmentation on its own grid, which may be a part of its image's.

    Parameters
    ----------
    path
        A .seg.nrrd file.
    structures
        Segments are matched by their names; where layers overlap, the later structure wins.
    label
        What all of them are called, where the file shows one structure whatever it calls its segments.

    Returns
    -------
    Volume
        uint8 structure ids.

    Raises
    ------
    RefusalError
        The file is damaged, or holds values that stand for no segment.
    InputError
        A segment's name is that of no structure.
    """
    found = parse(path)
    ids = {segment: structure_of(label or segment.name, structures) for segment in found.segments}
    refuse_unknown((label or segment.name for segment, number in ids.items() if number == 0), structures)
    numbers = read_numbers(path, found)
    merged = np.zeros(found.shape, dtype=np.uint8)
    for layer in range(found.volumes):
        stored = numbers if found.extra is None else np.take(numbers, layer, axis=found.extra)
        painted = _paint(stored, {segment: number for segment, number in ids.items() if segment.layer == layer})
        np.maximum(merged, painted, out=merged)
    return Volume(merged, found.affine)


def _paint(stored: NDArray[Any], ids: dict[Segment, int]) -> NDArray[np.uint8]:
    painted = np.zeros(stored.shape, dtype=np.uint8)
    known = stored == 0
    for segment, number in ids.items():
        where = stored == segment.value
        painted[where] = number
        known |= where
    lost = stored.size - int(np.count_nonzero(known))
    if lost:
        text = f"{lost} voxels of the segmentation hold values that belong to no segment"
        raise RefusalError(Reason.UNDECODABLE, text, float(lost), "voxels")
    return painted
