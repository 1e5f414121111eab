"""Where an image of a pack lies: the physical grid of its NIfTI, onto which masks with a geometry are put."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from radgen.cohort.grids import on_lattice
from radgen.cohort.refusal import RefusalError, distrusting
from radgen.errors import AnnotationError
from radgen.imaging.volume import Volume


def affine_of(grids: Path, image_id: str) -> NDArray[np.float64]:
    """Return the affine of a pack's image, voxel (column, row, slice) to RAS+ mm.

    Parameters
    ----------
    grids
        The pack's folder `nifti`.
    image_id
        Of the image.

    Raises
    ------
    AnnotationError
        The pack's NIfTI is missing or damaged.
    """
    path = grids / f"{image_id}.nii.gz"
    try:
        return np.asarray(nibabel.Nifti1Image.from_filename(path).affine, dtype=np.float64)
    except (OSError, ValueError, EOFError, ImageFileError) as error:
        msg = f"{path}: needed to place a mask, but not readable ({error}); run annotate-pack again"
        raise AnnotationError(msg) from error


def put_on_image(mask: Volume, size: tuple[int, int], affine: NDArray[np.float64]) -> NDArray[np.generic]:
    """Return a mask on its image's rows and columns: [H, W]; axes are turned back, what was cut off is 0.

    Parameters
    ----------
    mask
        Whose voxels are those of the image, all or a part of them, along axes of any order and direction.
    size
        Rows, columns.
    affine
        As `affine_of` returns it.

    Raises
    ------
    RefusalError
        The mask lies on another grid, or paints outside its image.
    """
    slice_row_column = affine[:, [2, 1, 0, 3]]
    placed: NDArray[np.generic] = on_lattice(mask, (1, *size), slice_row_column)[0]
    return placed


@contextmanager
def refusing(file: str) -> Iterator[None]:
    """Turn damage of any kind, and whatever a medical reader refuses, into a problem of this file of masks."""
    try:
        with distrusting():
            yield
    except RefusalError as error:
        msg = f"{file}: {error.sentence}; save the mask again, on the grid of its image"
        raise AnnotationError(msg) from error
