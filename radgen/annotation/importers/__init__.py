"""Readers of painted masks, one module per file format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.nifti import read_nifti_mask
from radgen.annotation.importers.png import read_png_mask
from radgen.annotation.schema import Label

Reader = Callable[[Path, tuple[int, int], Sequence[Label]], NDArray[np.int64]]

READERS: dict[str, Reader] = {".png": read_png_mask, ".nii.gz": read_nifti_mask, ".nii": read_nifti_mask}


def read_mask(path: Path, shape: tuple[int, int], labels: Sequence[Label]) -> NDArray[np.int64]:
    """Read a mask by its file's suffix.

    Parameters
    ----------
    path
        A file that `radgen.annotation.waiting.mask_files` lists.
    shape
        (rows, columns) of the image it belongs to.
    labels
        The pack's labels.

    Returns
    -------
    int64 [H, W] of label ids as found, in the image's rows and columns; whether the ids are known is checked elsewhere.

    Raises
    ------
    AnnotationError
        The file cannot be read as a mask of this size.
    """
    name = path.name.lower()
    reader = next(reader for suffix, reader in READERS.items() if name.endswith(suffix))
    return reader(path, shape, labels)
