"""What may become a series: one candidate per volume, with identifiers as written, and files that are not used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.refusal import Reason, RefusalError
from radgen.imaging.volume import canonical_turn

Size = tuple[tuple[int, int, int], tuple[float, float, float] | None]  # shape and voxel edges, canonical axes


@dataclass(frozen=True, slots=True)
class Remark:
    """Something out of the ordinary that was found in a series which is used all the same, and what was done about it.

    Parameters
    ----------
    kind
        What was found: a value of `Reason`, such as tilted.
    treatment
        What the reader does about it: nearest | resample | split | ...
    figure, unit
        What was measured: degrees, mm, positions, ...
    """

    kind: str
    treatment: str
    figure: float
    unit: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One series as the archive has it, with identifiers as written; only hashed ids of it leave the inventory.

    Parameters
    ----------
    format
        dicom | nifti | nrrd | npy | picture.
    paths
        Its files in order.
    repeat
        Which volume of those files.
    patient, study, series
        Raw identifiers; patient is None until somebody finds out.
    shape, spacing_mm
        Along the canonical axes.
    masks, mask_kind
        Mask files and how they are read: seg | nifti | nrrd | picture | binary_picture | picture_stack (one
        picture for each slice, in their order).
    mask_labels
        For each mask file the structure that it shows as a whole; empty where it holds label numbers.
    remarks
        What is unusual about it, and how the reader treats it.
    archive, case, split
        Name of the archive; what the layout calls the case, and the split it fixes (see `layouts.FileFacts`).
    """

    format: str
    paths: tuple[str, ...]
    repeat: int
    patient: str | None
    study: str
    series: str
    modality: str
    anatomy: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float] | None
    tag_value: str = ""
    frame_of_reference: str = ""
    masks: tuple[str, ...] = ()
    mask_kind: str | None = None
    mask_labels: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    archive: str = ""
    case: str = ""
    split: str = ""

    @property
    def folder(self) -> PurePosixPath:
        """The folder of its first file."""
        return PurePosixPath(self.paths[0]).parent


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not used, and why; `series` is the raw identifier of the series it belonged to."""

    path: str
    reason: Reason
    sentence: str
    series: str | None = None
    figure: float | None = None
    unit: str = ""

    @classmethod
    def by(cls, refusal: RefusalError, path: str, series: str | None = None) -> Refused:
        """Refuse a file for what an error says."""
        return cls(path, refusal.reason, refusal.sentence, series, refusal.figure, refusal.unit)


def canonical_size(shape: tuple[int, int, int], affine: NDArray[np.float64]) -> Size:
    """Return shape and voxel edges (mm) along the canonical axes."""
    a, b, c = canonical_turn(affine).axes
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    # Rounding hides the last bits of square roots, which differ between machines.
    spacing = (round(float(edges[a]), 6), round(float(edges[b]), 6), round(float(edges[c]), 6))
    return (shape[a], shape[b], shape[c]), spacing
