"""The one door to pixels: a row of the series table in, a Volume and its mask out, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.cohort import dicom_volumes, nifti, npy, nrrd, outlines, pictures
from radgen.cohort.archives import Roots
from radgen.cohort.candidates import Remark
from radgen.cohort.mask_files import PLACED, MaskReader
from radgen.cohort.refusal import Reason, RefusalError, blaming, distrusting
from radgen.cohort.segmentations import read_mended_segmentation
from radgen.cohort.settings import StructureSettings
from radgen.cohort.stacks import NEAREST, REFUSE, RESAMPLE, treatment_of
from radgen.errors import InputError
from radgen.imaging.volume import Volume


def file_paths(files: Path, roots: Roots, ids: Iterable[str] | None = None) -> dict[str, Path]:
    """Read the private table and return where each file lies.

    Parameters
    ----------
    files
        private/files.parquet.
    roots
        Where the archives lie.
    ids
        Only these file ids; all of them by default.
    """
    table = pq.read_table(files, columns=["file_id", "path"])
    wanted = None if ids is None else set(ids)
    pairs = zip(table.column("file_id").to_pylist(), table.column("path").to_pylist(), strict=True)
    return {file_id: roots.locate(path) for file_id, path in pairs if wanted is None or file_id in wanted}


def read_series(series_row: Mapping[str, Any], files: Mapping[str, Path]) -> Volume:
    """Read the image of one series in modality units (HU for CT), axes as stored; see `canonical` to turn it.

    Parameters
    ----------
    series_row
        A row of series.parquet: format, file_ids, repeat and remarks are used.
    files
        From `file_paths`.

    Raises
    ------
    RefusalError
        A file is gone or damaged; `reason`, `sentence` and `path` make a row of a rejects table.
    """
    paths = _paths(series_row["file_ids"], files)
    repeat = int(series_row["repeat"])
    return read_files(str(series_row["format"]), paths, repeat, _treatment(series_row))


def read_files(kind: str, paths: Sequence[Path], repeat: int, treatment: str = REFUSE) -> Volume:
    """Read one volume of files: dicom | nifti | nrrd | npy | picture; `treatment` is for DICOM's faults."""
    if kind == "dicom":
        with distrusting():
            return dicom_volumes.read_volume(paths, repeat, treatment)
    with blaming(paths[0]), distrusting():
        if kind in PLACED:
            return PLACED[kind](paths[0], repeat)
        return npy.read_volume(paths[0]) if kind == "npy" else pictures.read_volume(paths[0])


def read_mask(
    series_row: Mapping[str, Any],
    files: Mapping[str, Path],
    structures: StructureSettings,
    image: Volume | None = None,
    remarks: list[Remark] | None = None,
) -> Volume | None:
    """Read the mask of one series on the grid and in the axes of its image.

    Parameters
    ----------
    series_row
        A row of series.parquet: format, file_ids, repeat, mask_ids and mask_kind are used.
    files
        From `file_paths`.
    structures
        Which source labels make up the study's structures.
    image
        What `read_series` gave; without it, the image's headers are read again.
    remarks
        Gets what is to be said of a mask that is used all the same: labels that were resampled, because they lie on
        another grid and `structures.other_grid` is nearest.

    Returns
    -------
    Volume or None
        uint8 ids, 0 = background and 1..K = the structures in order; None for a series without a mask. Where several
        mask files overlap, the later structure wins.

    Raises
    ------
    RefusalError
        A mask file is damaged or lies on another grid than its image.
    InputError
        A label is named by no structure; the message names labels and hashed file.
    """
    if not series_row["mask_ids"]:
        return None
    kind = str(series_row["mask_kind"])
    shape, affine = _grid(series_row, files) if image is None else (image.array.shape, image.affine)
    reader = MaskReader((shape[0], shape[1], shape[2]), affine, structures)
    mended = _mended_reader(series_row, files, structures) if kind == "seg" else None
    merged = np.zeros(shape[:3], dtype=np.uint8)
    paths = _paths(series_row["mask_ids"], files)
    shown = series_row["mask_labels"] or [""] * len(paths)
    # One file outlines all pictures of a case: the picture's own name tells which of them is meant.
    beside = _paths(series_row["file_ids"][:1], files) if kind == outlines.KIND else []
    together = [paths] if kind == "picture_stack" else [[path, *beside] for path in paths]
    for mask_id, group, label in zip(series_row["mask_ids"], together, shown, strict=kind != "picture_stack"):
        try:
            with blaming(group[0]), distrusting():
                labels = reader.read(kind, group, label) if mended is None else mended(group[0])
        except RefusalError:
            raise
        except InputError as error:
            msg = f"mask {mask_id}: {error}"
            raise InputError(msg) from error
        merged = labels if len(together) == 1 else np.maximum(merged, labels)
    if remarks is not None:
        remarks.extend(reader.remarks)
    return Volume(merged, affine)


def _grid(series_row: Mapping[str, Any], files: Mapping[str, Path]) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    paths = _paths(series_row["file_ids"], files)
    if series_row["format"] == "dicom":
        return dicom_volumes.read_grid(paths, int(series_row["repeat"]), _treatment(series_row))
    if series_row["format"] in PLACED:
        header = (nrrd if series_row["format"] == "nrrd" else nifti).read_header(paths[0])
        if header.affine is not None:
            return header.shape, header.affine
    volume = read_files(str(series_row["format"]), paths, int(series_row["repeat"]))
    return volume.array.shape[:3], volume.affine


def _mended_reader(
    series_row: Mapping[str, Any], files: Mapping[str, Path], structures: StructureSettings
) -> Callable[[Path], NDArray[np.uint8]] | None:
    """Return how DICOM SEG files of a series brought to a regular grid are read; None for any other series."""
    treatment = _treatment(series_row)
    if treatment not in {NEAREST, RESAMPLE}:
        return None
    stack = dicom_volumes.read_stack(_paths(series_row["file_ids"], files), int(series_row["repeat"]), treatment)
    return partial(read_mended_segmentation, stack=stack, structures=structures)


def _treatment(series_row: Mapping[str, Any]) -> str:
    """Return what is done about faults of a DICOM series, as its remarks say."""
    return treatment_of(remark["treatment"] for remark in series_row.get("remarks") or ())


def _paths(ids: Iterable[str], files: Mapping[str, Path]) -> list[Path]:
    paths = [files[file_id] for file_id in ids]
    gone = [path for path in paths if not path.is_file()]
    if gone:
        refusal = RefusalError(Reason.UNREADABLE, f"{len(gone)} of {len(paths)} files are gone since the inventory")
        refusal.path = gone[0] if len(gone) == 1 else None
        raise refusal
    return paths
