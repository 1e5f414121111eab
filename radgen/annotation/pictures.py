"""The two picture formats of a pack, exact both ways: 8-bit PNG marked as synthetic, and one-slice NIfTI."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from radgen.errors import AnnotationError
from radgen.provenance import atomic_path

SYNTHETIC_NOTICE = "Synthetic image made by radgen. It shows no patient. For research, not for diagnosis."


def write_png(path: Path, image: NDArray[np.uint8], facts: Mapping[str, str]) -> None:
    """Write a grey picture (uint8 [H, W]) whose text chunks say that it is synthetic, and the given facts."""
    notes = PngImagePlugin.PngInfo()
    for key, value in ({"synthetic": "yes", "Comment": SYNTHETIC_NOTICE, "Software": "radgen"} | dict(facts)).items():
        notes.add_text(key, value)
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG", pnginfo=notes)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit grey PNG: uint8 [H, W].

    Raises
    ------
    AnnotationError
        The file is missing, damaged, or no longer 8-bit grey.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode == "L":
                return np.asarray(picture, dtype=np.uint8)
            mode = picture.mode
    except (OSError, ValueError, SyntaxError) as error:
        msg = f"{path}: not a readable PNG ({error}); run annotate-pack again"
        raise AnnotationError(msg) from error
    msg = f"{path}: is a {mode} picture, but packs hold 8-bit grey (L); run annotate-pack again"
    raise AnnotationError(msg)


def slice_affine(spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Return the affine of a one-slice NIfTI whose voxel (i, j, 0) is the picture's column i and row j.

    Columns run towards the patient's left and rows towards the back, as in the radiological picture, so in RAS+
    millimetres both axes are negative. Axis-aligned on purpose: several painting tools refuse anything else.
    """
    row_mm, column_mm = spacing_mm
    return np.diag([-column_mm, -row_mm, 1.0, 1.0])


def slice_lps(spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Return `slice_affine` in the axes of DICOM and NRRD, whose first two point the other way (LPS)."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ slice_affine(spacing_mm)


def nifti_bytes(image: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> bytes:
    """Return a picture or mask (uint8 [H, W]) as one-slice NIfTI, gzip-compressed; qform = sform with code 1."""
    affine = slice_affine(spacing_mm)
    picture = nibabel.Nifti1Image(np.ascontiguousarray(image.T[:, :, None]), affine)
    picture.set_qform(affine, code=1)
    picture.set_sform(affine, code=1)
    picture.header.set_xyzt_units("mm")
    picture.header["descrip"] = b"radgen: synthetic"
    # A fixed time in the gzip header: the same picture gives the same bytes.
    return gzip.compress(picture.to_bytes(), mtime=0)


def write_nifti(path: Path, image: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> None:
    """Write `nifti_bytes` of a picture or mask (uint8 [H, W])."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(nifti_bytes(image, spacing_mm))
