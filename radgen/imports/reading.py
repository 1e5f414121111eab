"""Read one image and its mask, whose bytes nobody vouches for; called in a child process with limits.

Whatever is wrong comes back as a sentence: exceptions would not all travel between processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort import nifti, pictures
from radgen.cohort.guarded import Guard
from radgen.cohort.inflate import inflated_head
from radgen.cohort.refusal import Reason, RefusalError, distrusting
from radgen.imaging.volume import canonical
from radgen.imaging.window import Window

GUARD = Guard(seconds=30.0, memory_bytes=2 << 30)
MAX_SIDE_PX = 4096
LARGEST_LABEL = 255
HEAD_BYTES = 1 << 16
NIFTI_DESCRIPTION = slice(148, 228)


@dataclass(frozen=True)
class Task:
    """Files of one image, and the intensities that are its black and white (None: 8-bit greys as they are)."""

    image: Path
    mask: Path | None
    window: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Pixels:
    """What was read: uint8 [C, H, W], uint8 [H, W] or None, and (row, column) spacing where the file says it."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    spacing_mm: tuple[float, float] | None


@dataclass(frozen=True)
class Refused:
    """Which file, and why."""

    path: Path
    sentence: str


def read_pixels(task: Task) -> Pixels | Refused:
    """Read an image and its mask.

    Parameters
    ----------
    task
        Which.

    Returns
    -------
    Pixels or Refused
        Of a NIfTI file the slice in canonical orientation: rows run front to back, columns from the patient's right.
    """
    path = task.image
    try:
        with distrusting(what="the image"):
            plane, spacing = _plane(task.image)
            _refuse_real(task.image)
            image = _as_grey(plane, task.window)
        mask = None
        if task.mask is not None:
            path = task.mask
            with distrusting(what="the mask"):
                mask = _labels(task.mask)
            _check_mask(mask, image)
    except RefusalError as refusal:
        return Refused(path, refusal.sentence)
    except OSError as error:
        return Refused(path, f"the file cannot be read ({error.strerror})")
    return Pixels(image, mask, spacing)


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _refuse_real(path: Path) -> None:
    """Refuse what an export marked as an image of a patient: here it would pass for synthetic."""
    if _is_nifti(path):
        with path.open("rb") as file:
            real = inflated_head(file.read(HEAD_BYTES))[NIFTI_DESCRIPTION].startswith(b"REAL radgen")
    else:
        with Image.open(path) as picture:
            real = picture.info.get("synthetic") == "no"
    if real:
        raise RefusalError(
            Reason.CONFLICT, "the file says of itself that it shows a patient; only synthetic ones enter"
        )


def _check_size(shape: tuple[int, ...]) -> None:
    if max(shape) > MAX_SIDE_PX:
        size = " x ".join(map(str, shape))
        raise RefusalError(Reason.TOO_LARGE, f"an image of {size}; {MAX_SIDE_PX} on a side are the most")


def _plane(path: Path) -> tuple[NDArray[Any], tuple[float, float] | None]:
    """Return [H, W] or [H, W, 3] as stored, and millimetres."""
    if _is_nifti(path):
        return _nifti_plane(path)
    array = pictures.read_volume(path).array
    if len(array) != 1:
        raise RefusalError(Reason.MIXED_SIZE, f"a file of {len(array)} pages; give each its own file")
    _check_size(array.shape[1:3])
    return array[0], None


def _nifti_plane(path: Path) -> tuple[NDArray[Any], tuple[float, float]]:
    header = nifti.read_header(path)
    _check_size(header.shape)
    if sorted(header.shape)[0] != 1 or header.volumes != 1:
        size = " x ".join(map(str, (*header.shape, header.volumes)))
        raise RefusalError(Reason.MIXED_SIZE, f"a volume of {size}; give each slice its own file")
    turned, _ = canonical(nifti.read_volume(path))
    axis = min(place for place in range(3) if turned.array.shape[place] == 1)
    row_mm, column_mm = (turned.spacing_mm[place] for place in range(3) if place != axis)
    return np.take(turned.array, 0, axis=axis), (row_mm, column_mm)


def _as_grey(plane: NDArray[Any], window: tuple[float, float] | None) -> NDArray[np.uint8]:
    if not np.isfinite(plane).all():
        raise RefusalError(Reason.UNDECODABLE, "the image holds values that are no numbers")
    if plane.ndim == 3:
        return np.ascontiguousarray(plane.transpose(2, 0, 1))
    if window is not None:
        return Window(*window).to_grey(plane)[np.newaxis]
    if plane.dtype != np.uint8:
        text = (
            f"{plane.dtype} values from {plane.min():g} to {plane.max():g}, but images are stored with 8 bits; "
            "say with --window LOW HIGH which values are black and white"
        )
        raise RefusalError(Reason.UNDECODABLE, text)
    return np.ascontiguousarray(plane)[np.newaxis]


def _labels(path: Path) -> NDArray[np.uint8]:
    stored = _nifti_plane(path)[0] if _is_nifti(path) else pictures.read_stored(path)
    _check_size(stored.shape)
    if stored.ndim == 3:
        raise RefusalError(Reason.COLOUR, "a mask in colours; masks hold one label id for each pixel")
    whole = stored.dtype.kind in "iub" or bool(np.all(stored == np.rint(stored)))
    if not whole or stored.min() < 0 or stored.max() > LARGEST_LABEL:
        text = f"label values from {stored.min():g} to {stored.max():g}; masks hold whole numbers from 0 to 255"
        raise RefusalError(Reason.UNDECODABLE, text)
    return np.ascontiguousarray(stored).astype(np.uint8)


def _check_mask(mask: NDArray[np.uint8], image: NDArray[np.uint8]) -> None:
    if mask.shape != image.shape[1:]:
        text = (
            f"the mask is {mask.shape[0]} x {mask.shape[1]}, but its image is {image.shape[1]} x {image.shape[2]}; "
            "masks are never resized, paint it on the image's own grid"
        )
        raise RefusalError(Reason.MASK_OTHER_GRID, text)
