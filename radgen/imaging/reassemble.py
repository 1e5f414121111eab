"""Slices of one case back into one volume on its source's grid: axes, shape and affine are those of the source file.

Images made from the label maps of a case carry the maps' place in the source (series, slice_index and the geometry
columns of the index), so they go back as the maps do.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.cohort.archives import Roots
from radgen.cohort.readers import file_paths, read_series
from radgen.cohort.tables import SERIES_SCHEMA, read_rows
from radgen.errors import InputError
from radgen.imageset.core import ImageSet, write_table
from radgen.imaging.restore import intensities, restore
from radgen.imaging.volume import Volume
from radgen.provenance import atomic_path

GRIDS_SCHEMA = pa.schema(
    [
        pa.field("series", pa.string(), nullable=False),
        pa.field("shape", pa.list_(pa.int32(), 3), nullable=False),  # of the source file's own axes
        pa.field("affine", pa.list_(pa.float64(), 16), nullable=False),  # index to RAS+ mm, row by row
    ]
)
KINDS = ("images", "masks")


@dataclass(frozen=True, eq=False)
class SourceGrid:
    """Where the voxels of a series lie: shape of its own axes, and affine float64 [4, 4] to RAS+ millimetres."""

    series: str
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def volume(self) -> Volume:
        """Return a volume of this grid that holds zeros and takes no memory."""
        return Volume(np.broadcast_to(np.uint8(0), self.shape), self.affine)

    @classmethod
    def of(cls, series: str, volume: Volume) -> SourceGrid:
        """Return the grid of a volume as its reader gave it."""
        first, second, third = volume.array.shape[:3]
        return cls(series, (first, second, third), volume.affine)


def write_grids(path: Path, grids: Iterable[SourceGrid]) -> None:
    """Write grids as Parquet, one row per series."""
    rows = [
        {"series": grid.series, "shape": list(grid.shape), "affine": grid.affine.ravel().tolist()} for grid in grids
    ]
    write_table(path, pa.Table.from_pylist(rows, schema=GRIDS_SCHEMA))


def read_grids(path: Path) -> dict[str, SourceGrid]:
    """Read grids by series.

    Raises
    ------
    InputError
        The file is missing, or no table of grids.
    """
    try:
        rows = pq.read_table(path, schema=GRIDS_SCHEMA).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{path}: not a readable table of source grids ({error}); import the label maps again"
        raise InputError(msg) from error
    return {
        row["series"]: SourceGrid(row["series"], tuple(row["shape"]), np.array(row["affine"]).reshape(4, 4))
        for row in rows
    }


def cohort_grids(cohort: Path, files: Path, roots: Roots, wanted: Iterable[str]) -> dict[str, SourceGrid]:
    """Read the grids of a cohort's series from its archive, one series in memory at a time.

    Parameters
    ----------
    cohort
        cohort/series.parquet.
    files
        private/files.parquet.
    roots
        Where the archives lie.
    wanted
        Series keys.

    Raises
    ------
    InputError
        A series is not in the cohort.
    RefusalError
        The archive has changed, and a series is no longer read.
    """
    rows = {row["series_key"]: row for row in read_rows(cohort, SERIES_SCHEMA)}
    grids = {}
    for series in sorted(set(wanted)):
        if series not in rows:
            msg = f"{cohort}: series {series} is not in the cohort; make the slices of this study again"
            raise InputError(msg)
        grids[series] = SourceGrid.of(
            series, read_series(rows[series], file_paths(files, roots, rows[series]["file_ids"]))
        )
    return grids


def cases_of(images: ImageSet) -> dict[tuple[str, int | None], list[int]]:
    """Group the rows of a set by series and seed: what is one volume.

    Raises
    ------
    InputError
        A row names no series.
    """
    cases: dict[tuple[str, int | None], list[int]] = {}
    names = zip(images.column("image_id"), images.column("series"), _seeds(images), strict=True)
    for place, (image_id, series, seed) in enumerate(names):
        if series is None:
            msg = (
                f"{images.folder}: image {image_id} names no series, so nothing says which volume it is a slice of; "
                "make images from maps of patients, not from drawn ones"
            )
            raise InputError(msg)
        cases.setdefault((series, seed), []).append(place)
    return cases


def _seeds(images: ImageSet) -> list[int | None]:
    seeds: list[int | None] = images.table.column("seed").to_pylist()
    return seeds


def reassemble(
    images: ImageSet, places: Sequence[int], grid: SourceGrid, *, kind: str = "images", channel: int = 0
) -> Volume:
    """Put slices of one case back into its volume.

    Parameters
    ----------
    images
        A set whose rows have the place of their slices.
    places
        Positions in its index, all of one series and seed.
    grid
        Of the series.
    kind
        images: float32 in the units of each row's window, or grey levels 0 to 255 where it has none; not stored: NaN.
        masks: uint8 of stored ids; not stored: 0.
    channel
        Of images.

    Raises
    ------
    InputError
        A row is of another series or grid, or two rows claim one slice.
    """
    rows: list[dict[str, Any]] = images.table.take(list(places)).to_pylist()
    strange = [row for row in rows if row["series"] != grid.series]
    if strange:
        msg = f"image {strange[0]['image_id']} is of series {strange[0]['series']}, not of {grid.series}; leave one out"
        raise InputError(msg)
    if kind == "masks":
        return restore(grid.volume(), rows, list(images.masks(places)), 0)
    stored = images.images(places)
    planes = [in_units(row, image, channel) for row, image in zip(rows, stored, strict=True)]
    return restore(grid.volume(), rows, planes, np.nan)


def in_units(row: Mapping[str, Any], image: NDArray[np.uint8], channel: int) -> NDArray[np.float32]:
    """Return one channel of a stored image [C, H, W] in units of its row's window, or grey levels where it has none."""
    return intensities(row, image, channel) if row["window_low"] else image[channel].astype(np.float32)


def write_cases(images: ImageSet, grids: Mapping[str, SourceGrid], out: Path, *, kind: str = "images") -> list[Path]:
    """Write one NIfTI per series and seed: `<series>.nii.gz`, or `<series>_seed-<seed>.nii.gz` where rows have seeds.

    Raises
    ------
    InputError
        A series has no grid, or see `reassemble`.
    """
    paths = []
    for (series, seed), places in cases_of(images).items():
        if series not in grids:
            msg = f"{images.folder}: series {series} has no source grid among {len(grids)}; give those of its maps"
            raise InputError(msg)
        paths.append(out / (f"{series}.nii.gz" if seed is None else f"{series}_seed-{seed}.nii.gz"))
        write_volume(paths[-1], reassemble(images, places, grids[series], kind=kind))
    return paths


def write_volume(path: Path, volume: Volume) -> None:
    """Write a volume as gzipped NIfTI in millimetres, with the same bytes for the same volume."""
    image = nib.Nifti1Image(volume.array, volume.affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as part:
        part.write_bytes(gzip.compress(image.to_bytes(), compresslevel=4, mtime=0))
