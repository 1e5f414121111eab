"""Mask files of every kind, brought onto the grid of their image: by geometry, or pixel for pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort import label_pictures, nifti, nrrd, outlines, seg_nrrd
from radgen.cohort.candidates import Remark
from radgen.cohort.grids import nearest, on_grid, on_lattice, same_pixels
from radgen.cohort.label_ids import map_numbers, show_one
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.seg_resample import resample_segmentation
from radgen.cohort.segmentations import read_segmentation
from radgen.cohort.settings import StructureSettings
from radgen.imaging.volume import Volume

# Label maps that place their voxels themselves, by kind.
PLACED = {"nifti": nifti.read_volume, "nrrd": nrrd.read_volume}
# Masks without millimetres, and what reads their label ids.
PICTURES = {
    "picture": label_pictures.read_stack,
    "binary_picture": label_pictures.read_binary,
    "picture_stack": label_pictures.read_stack,
}


class MaskReader:
    """Reads the mask files of one series.

    Parameters
    ----------
    shape, affine
        Of the image.
    structures
        Which source labels make up the study's structures, and what becomes of labels on another grid.

    Attributes
    ----------
    remarks
        What was done to labels on another grid, worst figure of all files.
    """

    def __init__(self, shape: tuple[int, int, int], affine: NDArray[np.float64], structures: StructureSettings) -> None:
        self._shape, self._affine, self._structures = shape, affine, structures
        self._found: dict[tuple[str, str], Remark] = {}

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """In a fixed order."""
        return tuple(self._found[key] for key in sorted(self._found))

    def read(self, kind: str, paths: Sequence[Path], label: str) -> NDArray[np.uint8]:
        """Return structure ids of the image's shape.

        Parameters
        ----------
        kind
            As `Candidate.mask_kind`.
        paths
            One file; for a picture_stack one for each slice; after a file of outlines the picture it is for.
        label
            The one structure that the file shows, or empty.

        Raises
        ------
        RefusalError
            The file is damaged, or lies on another grid and `structures.other_grid` is refuse.
        InputError
            A label is named by no structure.
        """
        if kind == "seg":
            return self._place_frames(paths[0])
        if kind == "nrrd" and seg_nrrd.is_segmentation(paths[0]):
            segments = seg_nrrd.read_segments(paths[0], self._structures, label)
            return self._place(segments, cut=True).astype(np.uint8, copy=False)
        stored: NDArray[Any]
        if kind == outlines.KIND:
            stored = outlines.read_outlines(paths[0], paths[1], self._shape)
        elif kind in PICTURES:
            stored = same_pixels(PICTURES[kind](paths), self._shape)
        else:
            stored = self._place(PLACED[kind](paths[0], 0), cut=False)
        return show_one(stored, label, self._structures) if label else map_numbers(stored, self._structures)

    def _place(self, mask: Volume, *, cut: bool) -> NDArray[Any]:
        """Bring labels onto the image's grid; a segmentation may be cut to a part of it."""
        try:
            return (on_lattice if cut else on_grid)(mask, self._shape, self._affine)
        except RefusalError as refusal:
            if refusal.reason != Reason.MASK_OTHER_GRID or self._structures.other_grid != "nearest":
                raise
        labels, remarks = nearest(mask, self._shape, self._affine)
        self._remember(remarks)
        return labels

    def _place_frames(self, path: Path) -> NDArray[np.uint8]:
        try:
            return read_segmentation(path, self._shape, self._affine, self._structures)
        except RefusalError as refusal:
            if refusal.reason != Reason.MASK_OTHER_GRID or self._structures.other_grid != "nearest":
                raise
        labels, remarks = resample_segmentation(path, self._shape, self._affine, self._structures)
        self._remember(remarks)
        return labels

    def _remember(self, remarks: Sequence[Remark]) -> None:
        for remark in remarks:
            before = self._found.get((remark.treatment, remark.unit), remark)
            self._found[remark.treatment, remark.unit] = max(before, remark, key=lambda one: one.figure)
