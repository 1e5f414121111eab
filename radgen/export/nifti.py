"""NIfTI: one slice a file, `images/<id>.nii.gz` and `masks/<id>.nii.gz` with the same header.

Voxel (i, j, 0) is the picture's column i and row j; qform and sform are the same axis-aligned affine, with code 1. An
image of several channels is one file for each, `<id>_0000.nii.gz` and on. The description and a comment extension say
where the image comes from.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Extension
from numpy.typing import NDArray

from radgen.annotation.pictures import slice_affine
from radgen.export.examples import Example, ExportSet
from radgen.export.folder import write_bytes
from radgen.export.placed import Options, Placed

DESCRIPTION_BYTES = 79  # the header's field, less its closing zero


def write(images: ExportSet, out: Path, _options: Options) -> Iterator[Placed]:
    """Write the slices; yield where each went."""
    for example in images:
        names = channel_names(f"images/{example.stem}", len(example.image))
        for name, plane in zip(names, example.image, strict=True):
            write_bytes(out / name, slice_bytes(example, plane))
        mask = ""
        if example.mask is not None:
            mask = f"masks/{example.stem}.nii.gz"
            write_bytes(out / mask, slice_bytes(example, example.mask))
        yield Placed(example.image_id, names[0], mask)


def channel_names(stem: str, channels: int) -> list[str]:
    """Return the file of each channel.

    >>> channel_names("a", 1), channel_names("a", 2)
    (['a.nii.gz'], ['a_0000.nii.gz', 'a_0001.nii.gz'])
    """
    if channels == 1:
        return [f"{stem}.nii.gz"]
    return [f"{stem}_{channel:04d}.nii.gz" for channel in range(channels)]


def slice_bytes(example: Example, plane: NDArray[np.uint8], *, axes: int = 3) -> bytes:
    """Return a plane, uint8 [H, W], as the bytes of a gzipped NIfTI file of three axes, or of two."""
    affine = slice_affine(example.spacing_mm)
    array = np.ascontiguousarray(plane.T[..., None] if axes == 3 else plane.T)
    picture = nibabel.Nifti1Image(array, affine)
    picture.set_qform(affine, code=1)
    picture.set_sform(affine, code=1)
    picture.header.set_xyzt_units("mm")
    said = f"{example.origin.word} radgen {example.image_id}"
    picture.header["descrip"] = said.encode()[:DESCRIPTION_BYTES]
    comment = json.dumps({"notice": example.origin.notice} | example.facts(), sort_keys=True)
    picture.header.extensions.append(Nifti1Extension("comment", comment.encode()))
    # No time in the gzip header: the same image gives the same bytes.
    return gzip.compress(picture.to_bytes(), compresslevel=6, mtime=0)
