"""Masks as NIfTI, one slice on the physical grid of the pack's own NIfTI, in any order or direction of axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.grids import affine_of
from radgen.annotation.importers.label_ids import layers_of_ids
from radgen.annotation.returned import Returned, Sizes, image_named
from radgen.annotation.schema import Label
from radgen.cohort.inflate import inflate
from radgen.cohort.refusal import RefusalError, distrusting
from radgen.errors import AnnotationError

SUFFIXES = (".nii.gz", ".nii")
GRID_TOLERANCE = 1e-3  # voxels: rounding of headers, far below half a pixel


def recognise(path: Path) -> bool:
    """Tell whether a file is called a NIfTI."""
    return path.name.lower().endswith(SUFFIXES)


def read(path: Path, sizes: Sizes, labels: Sequence[Label], *, grids: Path) -> Iterator[Returned]:
    """Read one mask, named after its image; see `radgen.annotation.returned`.

    Its header must describe the grid of the image in `grids`, the pack's folder `nifti`. Axes that were flipped or
    swapped on that same grid are put back by the header; anything else is refused, because nothing is resized.
    """
    image_id = image_named(path.name, sizes, path.name)
    rows, columns = sizes[image_id]
    values, affine = _read_whole(path, (columns, rows, 1))
    values = _on_grid(path, values, affine, affine_of(grids, image_id), (columns, rows, 1))
    yield Returned(image_id, layers_of_ids(values[:, :, 0].T, labels, path.name), (rows, columns), path.name)


def _read_whole(path: Path, wanted: tuple[int, int, int]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return voxels (three axes) and affine; a file of another number of voxels is refused before it is inflated."""
    try:
        with distrusting(what="the file"):
            picture = nibabel.Nifti1Image.from_filename(path)
            if math.prod(picture.shape) != math.prod(wanted):
                raise AnnotationError(_other_size(path, picture.shape, wanted))
            _refuse_damaged_gzip(path, picture)
            values = np.asanyarray(picture.dataobj)
    except (OSError, RefusalError) as error:
        msg = f"{path.name}: not a readable NIfTI file ({error}); save it again"
        raise AnnotationError(msg) from error
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    return (values[:, :, None] if values.ndim == 2 else values), picture.affine


def _refuse_damaged_gzip(path: Path, picture: nibabel.Nifti1Image) -> None:
    """Read compressed voxels to their check sum, which nibabel leaves out when it has all that it wants."""
    if path.name.lower().endswith(".gz"):
        stored = picture.dataobj
        promised = int(stored.offset) + math.prod(picture.shape) * stored.dtype.itemsize
        with path.open("rb") as stream:
            inflate(stream, promised, slice(0, 0))


def _other_size(path: Path, found: Sequence[int], wanted: Sequence[int]) -> str:
    return (
        f"{path.name}: is {' x '.join(map(str, found))} voxels, but its image is "
        f"{' x '.join(map(str, wanted))}; masks are never resized, so paint on the image's own grid"
    )


def _on_grid(
    path: Path,
    values: NDArray[np.generic],
    affine: NDArray[np.float64],
    reference: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> NDArray[np.generic]:
    """Put the axes of a mask into the order and direction of the pack's image."""
    step = np.linalg.inv(reference) @ affine  # mask voxel -> image voxel
    turn = np.rint(step[:3, :3])
    is_turn = np.allclose(step[:3, :3], turn, atol=GRID_TOLERANCE) and np.array_equal(np.abs(turn).sum(0), np.ones(3))
    found = tuple(int(size) for size in np.abs(turn) @ values.shape) if is_turn and values.ndim == 3 else values.shape
    if found != shape:
        raise AnnotationError(_other_size(path, values.shape, shape))
    first = np.where(turn.sum(axis=1) < 0, np.array(shape) - 1, 0)  # where the mask's voxel (0, 0, 0) must lie
    if not is_turn or not np.allclose(step[:3, 3], first, atol=GRID_TOLERANCE):
        msg = (
            f"{path.name}: its header places it elsewhere than its image (origin off by "
            f"{np.round(step[:3, 3] - first, 2).tolist()} voxels, or spacing or direction differ); "
            f"save the mask on the grid of nifti/{path.name.split('.nii')[0]}.nii.gz"
        )
        raise AnnotationError(msg)
    order = np.argmax(np.abs(turn), axis=1)  # image axis a comes from mask axis order[a]
    aligned = np.transpose(values, order)
    return aligned[tuple(slice(None, None, -1) if sign < 0 else slice(None) for sign in turn.sum(axis=1))]
