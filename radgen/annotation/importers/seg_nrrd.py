"""Masks as NRRD: segmentations of 3D Slicer (.seg.nrrd), whose segments may overlap in layers, and plain label maps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.grids import affine_of, put_on_image, refusing
from radgen.annotation.importers.label_ids import layers_of_ids
from radgen.annotation.returned import Layer, Returned, Sizes, image_named, label_named
from radgen.annotation.schema import MAX_LABELS, Label
from radgen.cohort.nrrd import NrrdFile, parse, read_numbers
from radgen.errors import AnnotationError
from radgen.imaging.volume import Volume

# A segmentation may be cut to what is painted, or padded by a little; a file of more voxels is no mask of its image.
MOST_PADDING = 4


def recognise(path: Path) -> bool:
    """Tell whether a file is called a NRRD."""
    return path.name.lower().endswith(".nrrd")


def read(path: Path, sizes: Sizes, labels: Sequence[Label], *, grids: Path) -> Iterator[Returned]:
    """Read one segmentation, named after its image; see `radgen.annotation.returned`.

    Segments are matched by their names and come in the order of the file, which is that of Slicer's list. The header
    must describe voxels of the image in `grids`, the pack's folder `nifti`: all of them, or those around the segments.
    """
    image_id = image_named(path.name, sizes, path.name)
    size = sizes[image_id]
    affine = affine_of(grids, image_id)
    with refusing(path.name):
        found = parse(path)
        _check_extent(path, found, size)
        numbers = read_numbers(path, found)
        volumes = [numbers if found.extra is None else np.take(numbers, at, found.extra) for at in range(found.volumes)]
        planes = [put_on_image(Volume(volume, found.affine), size, affine) for volume in volumes]
    if not found.segments and len(planes) == 1:
        yield Returned(image_id, layers_of_ids(planes[0], labels, path.name), size, path.name)
        return
    layers = tuple(
        Layer(label_named(segment.name, labels, path.name).id, planes[segment.layer] == segment.value)
        for segment in found.segments
    )
    _check_values(path, found, planes)
    yield Returned(image_id, layers, size, path.name)


def _check_extent(path: Path, found: NrrdFile, size: tuple[int, int]) -> None:
    voxels = math.prod(found.shape)
    if voxels > MOST_PADDING * math.prod(size) or found.volumes > MAX_LABELS or found.colours:
        msg = (
            f"{path.name}: is {' x '.join(map(str, found.shape))} voxels in {found.volumes} layers, but its image is "
            f"{size[1]} x {size[0]} x 1; masks are never resized, so segment the image of nifti/ itself"
        )
        raise AnnotationError(msg)


def _check_values(path: Path, found: NrrdFile, planes: Sequence[NDArray[np.generic]]) -> None:
    for number, plane in enumerate(planes):
        named = {0, *(segment.value for segment in found.segments if segment.layer == number)}
        stray = sorted({float(value) for value in np.unique(plane)} - named)
        if stray:
            msg = (
                f"{path.name}: layer {number} holds the value {stray[0]:g}, which belongs to no segment; "
                "save the segmentation again"
            )
            raise AnnotationError(msg)
