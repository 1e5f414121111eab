"""Read one file of label maps, a picture or a NIfTI volume, onto the stored grid; called in a child with limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort import nifti, pictures
from radgen.cohort.guarded import Guard
from radgen.cohort.refusal import Reason, RefusalError, distrusting
from radgen.imaging.resize import Geometry, fit_axis, resize_mask
from radgen.imaging.volume import Volume, canonical
from radgen.imports.reading import LARGEST_LABEL, MAX_SIDE_PX, Refused

GUARD = Guard(seconds=120.0, memory_bytes=4 << 30)


@dataclass(frozen=True)
class MapTask:
    """A file, and the grid it is to be stored on.

    Parameters
    ----------
    path
        Picture or NIfTI.
    size_px
        Side of the square stored map; None: the slices as they are.
    field_of_view_mm
        Physical side of the stored map, centred on the slice; None: the whole slice, padded to a square.
    background
        Stored id of what lies outside the slice.
    """

    path: Path
    size_px: int | None
    field_of_view_mm: float | None
    background: int


@dataclass(frozen=True, eq=False)
class ReadMaps:
    """The slices of one file, feet to head.

    Parameters
    ----------
    maps
        uint8 [n, H, W] as stored, by nearest pixel.
    geometry
        Of all of them.
    spacing_mm
        Of the stored pixels, (row, column); None for pictures.
    grid
        Shape and affine of the file's own axes; None for pictures.
    """

    maps: NDArray[np.uint8]
    geometry: Geometry
    spacing_mm: tuple[float, float] | None
    grid: tuple[tuple[int, ...], NDArray[np.float64]] | None


def read_maps(task: MapTask) -> ReadMaps | Refused:
    """Read a file, in canonical orientation where it has one."""
    try:
        with distrusting(what="the label map"):
            return _read(task)
    except RefusalError as refusal:
        return Refused(task.path, refusal.sentence)
    except OSError as error:
        return Refused(task.path, f"the file cannot be read ({error.strerror})")


def _read(task: MapTask) -> ReadMaps:
    if task.path.name.lower().endswith((".nii", ".nii.gz")):
        volume = _volume(task.path)
        turned, _ = canonical(volume)
        labels, spacing = _ids(turned.array), turned.spacing_mm[1:]
        grid = (volume.array.shape, volume.affine)
    else:
        if task.field_of_view_mm is not None:
            raise RefusalError(Reason.BAD_GEOMETRY, "a picture says no millimetres, so no field of view fits it")
        labels, spacing, grid = _ids(pictures.read_stored(task.path))[np.newaxis], None, None
    if max(labels.shape[1:]) > MAX_SIDE_PX:
        size = " x ".join(map(str, labels.shape[1:]))
        raise RefusalError(Reason.TOO_LARGE, f"slices of {size}; {MAX_SIDE_PX} on a side are the most")
    geometry = _geometry(task, labels.shape[1:], spacing or (1.0, 1.0))
    maps = np.stack([_placed(one, geometry, task.background) for one in labels])
    own = None if spacing is None else (spacing[0] * geometry.rows.step, spacing[1] * geometry.cols.step)
    return ReadMaps(maps, geometry, own, grid)


def _volume(path: Path) -> Volume:
    header = nifti.read_header(path)
    if header.volumes != 1:
        raise RefusalError(Reason.MIXED_SIZE, f"a file of {header.volumes} volumes; give each its own file")
    return nifti.read_volume(path)


def _ids(values: NDArray[Any]) -> NDArray[np.uint8]:
    whole = values.dtype.kind in "iub" or bool(np.all(values == np.rint(values)))
    if not whole or values.min() < 0 or values.max() > LARGEST_LABEL:
        text = f"values from {values.min():g} to {values.max():g}; label maps hold whole numbers from 0 to 255"
        raise RefusalError(Reason.UNDECODABLE, text)
    return np.ascontiguousarray(values).astype(np.uint8)


def _geometry(task: MapTask, shape: tuple[int, ...], spacing: tuple[float, float]) -> Geometry:
    rows, cols = shape
    if task.size_px is None:
        return Geometry(fit_axis(rows, rows, 1.0, (rows - 1) / 2), fit_axis(cols, cols, 1.0, (cols - 1) / 2))
    side_mm = task.field_of_view_mm or max(rows * spacing[0], cols * spacing[1])
    step = side_mm / task.size_px
    return Geometry(
        fit_axis(task.size_px, rows, step / spacing[0], (rows - 1) / 2),
        fit_axis(task.size_px, cols, step / spacing[1], (cols - 1) / 2),
    )


def _placed(labels: NDArray[np.uint8], geometry: Geometry, background: int) -> NDArray[np.uint8]:
    """Bring ids to the stored grid by nearest pixel; outside the slice lies background."""
    inside = resize_mask(np.ones_like(labels), geometry) > 0
    return np.where(inside, resize_mask(labels, geometry), np.uint8(background))
