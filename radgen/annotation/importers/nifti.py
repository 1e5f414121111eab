"""Masks as NIfTI, one slice on the physical grid of the pack's own NIfTI, in any order or direction of axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from radgen.annotation.schema import Label
from radgen.errors import AnnotationError

GRID_TOLERANCE = 1e-3  # voxels: rounding of headers, far below half a pixel


def read_nifti_mask(path: Path, shape: tuple[int, int], labels: Sequence[Label]) -> NDArray[np.int64]:
    """Read a NIfTI mask; see `radgen.annotation.importers.read_mask`.

    Its header must describe the grid of `nifti/<image_id>.nii.gz` beside the folder of masks. Axes that were flipped
    or swapped on that same grid are put back by the header; anything else is refused, because nothing is resized.
    """
    del labels  # a NIfTI has no colours to check
    original = path.parent.parent / "nifti" / f"{path.name.removesuffix('.gz').removesuffix('.nii')}.nii.gz"
    try:
        picture = nibabel.Nifti1Image.from_filename(path)
        values = np.asanyarray(picture.dataobj)
        reference = nibabel.Nifti1Image.from_filename(original).affine
    except (OSError, ValueError, EOFError, ImageFileError) as error:
        msg = f"{path.name}: not a readable NIfTI file ({error}); save it again"
        raise AnnotationError(msg) from error
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2:
        values = values[:, :, None]
    values = _on_grid(path, values, picture.affine, reference, (shape[1], shape[0], 1))
    mask = values[:, :, 0].T
    if not np.array_equal(mask, np.rint(mask)):
        odd = mask[mask != np.rint(mask)][0]
        msg = f"{path.name}: holds values that are not whole numbers, such as {odd}; save label ids"
        raise AnnotationError(msg)
    whole: NDArray[np.int64] = np.rint(mask).astype(np.int64)
    return whole


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
        msg = (
            f"{path.name}: is {' x '.join(map(str, values.shape))} voxels, but its image is "
            f"{shape[0]} x {shape[1]} x 1; masks are never resized, so paint on the image's own grid"
        )
        raise AnnotationError(msg)
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
