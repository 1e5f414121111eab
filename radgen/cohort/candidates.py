"""From scanned files to candidate series: which files make one volume, and what is known of it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.nifti import NiftiHeader
from radgen.cohort.planes import Stack, stacks_of
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.scan import ScannedFile
from radgen.cohort.settings import InventorySettings
from radgen.imaging.volume import canonical_turn

Size = tuple[tuple[int, int, int], tuple[float, float, float] | None]  # shape and voxel edges, canonical axes
NNUNET_CHANNEL = re.compile(r"_(\d{4})$")


@dataclass(frozen=True)
class Candidate:
    """One series as the archive has it, with identifiers as written; only hashed ids of it leave the inventory.

    Parameters
    ----------
    format
        dicom | nifti | picture.
    paths
        Its files in order.
    repeat
        Which volume of those files.
    patient, study, series
        Raw identifiers; patient is None until somebody finds out.
    shape, spacing_mm
        Along the canonical axes.
    masks, mask_kind
        Mask files and how they are read (seg | nifti).
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

    @property
    def folder(self) -> PurePosixPath:
        """The folder of its first file."""
        return PurePosixPath(self.paths[0]).parent


@dataclass(frozen=True)
class Refused:
    """A file that is not used, and why; `series` is the raw identifier of the series it belonged to."""

    path: str
    reason: Reason
    sentence: str
    series: str | None = None


def find_candidates(
    files: Sequence[ScannedFile], settings: InventorySettings
) -> tuple[list[Candidate], list[Refused], list[ScannedFile]]:
    """Group readable files into series.

    Returns
    -------
    candidates, refused, masks
        The masks are DICOM SEG and NIfTI label files, still without their images.
    """
    refused = [Refused(file.path, *file.refusal) for file in files if file.refusal is not None]
    readable = [file for file in files if file.refusal is None]
    masks = [file for file in readable if _is_mask(file, settings)]
    images = [file for file in readable if not _is_mask(file, settings)]
    candidates = _dicom_series(images, settings, refused) + _nifti_series(images, settings)
    pictures = [file for file in images if isinstance(file.header, tuple)]
    if candidates:
        text = "a picture in an archive of volumes"
        refused.extend(Refused(file.path, Reason.SIDE_FILE, text) for file in pictures)
    else:
        candidates = [_picture(file, settings) for file in pictures]
    return candidates, refused, masks


def without_nifti_suffix(name: str) -> str:
    """Return a file name without .nii or .nii.gz.

    >>> without_nifti_suffix("case_0000.nii.gz")
    'case_0000'
    """
    return name.removesuffix(".gz").removesuffix(".nii")


def _is_mask(file: ScannedFile, settings: InventorySettings) -> bool:
    if isinstance(file.header, DicomHeader):
        return file.header.kind == "segmentation"
    if not isinstance(file.header, NiftiHeader):
        return False
    name = PurePosixPath(file.path).name
    in_label_folder = file.folder.name.startswith("labels")
    return in_label_folder or any(fnmatch.fnmatchcase(name, pattern) for pattern in settings.mask_names)


# ---------------------------------------------------------------- DICOM


def _dicom_series(
    images: Sequence[ScannedFile], settings: InventorySettings, refused: list[Refused]
) -> list[Candidate]:
    groups: dict[str, list[ScannedFile]] = {}
    instances: set[str] = set()
    for file in images:
        if not isinstance(file.header, DicomHeader):
            continue
        series = file.header.series_uid or f"{file.folder} {file.header.frame_of_reference}"
        if file.header.instance_uid and file.header.instance_uid in instances:
            refused.append(Refused(file.path, Reason.DUPLICATE, "the same DICOM instance is there twice", series))
        else:
            instances.add(file.header.instance_uid)
            groups.setdefault(series, []).append(file)
    candidates = []
    for series in sorted(groups):
        try:
            candidates.extend(_one_dicom_series(series, groups[series], settings))
        except RefusalError as refusal:
            refused.extend(Refused(file.path, refusal.reason, refusal.sentence, series) for file in groups[series])
    return candidates


def _one_dicom_series(series: str, files: Sequence[ScannedFile], settings: InventorySettings) -> list[Candidate]:
    headers = [file.header for file in files if isinstance(file.header, DicomHeader)]
    if any(header.localizer for header in headers):
        raise RefusalError(Reason.LOCALIZER, "a localizer")
    if len({header.patient_id for header in headers}) > 1:
        raise RefusalError(Reason.NO_PATIENT, "one series names several patients")
    bare = sum(not header.planes for header in headers)
    if bare == len(headers):
        return [_plain_image(file, header, settings) for file, header in zip(files, headers, strict=True)]
    if bare:
        text = f"{bare} of {len(headers)} images of one series do not say where they lie"
        raise RefusalError(Reason.BAD_GEOMETRY, text)
    planes = [replace(plane, file=n) for n, header in enumerate(headers) for plane in header.planes]
    stacks = stacks_of(planes)
    kept = stacks[:1] if settings.repeats == "first" else stacks
    return [_from_stack(series, number, stack, files, settings) for number, stack in enumerate(kept)]


def _from_stack(
    series: str, number: int, stack: Stack, files: Sequence[ScannedFile], settings: InventorySettings
) -> Candidate:
    """Describe one volume; its files are those of its planes, so `repeat` counts only inside multi-frame files."""
    paths = tuple(dict.fromkeys(files[plane.file].path for plane in stack.planes))
    first = files[stack.planes[0].file].header
    if not isinstance(first, DicomHeader):
        raise TypeError
    shape, spacing = canonical_size((len(stack.planes), *stack.planes[0].shape), stack.affine)
    return Candidate(
        format="dicom",
        paths=paths,
        repeat=number if first.frames > 1 else 0,
        patient=first.patient_id or None,
        study=first.study_uid or str(PurePosixPath(paths[0]).parent),
        series=series if number == 0 else f"{series} {number}",
        modality=first.modality or settings.modality,
        anatomy=settings.anatomy or first.anatomy,
        shape=shape,
        spacing_mm=spacing,
        tag_value=first.tag_value,
        frame_of_reference=first.frame_of_reference,
    )


def _plain_image(file: ScannedFile, header: DicomHeader, settings: InventorySettings) -> Candidate:
    """Describe an image without a place in the patient, such as a plain X-ray: a series of its own."""
    spacing = header.spacing_mm
    return Candidate(
        format="dicom",
        paths=(file.path,),
        repeat=0,
        patient=header.patient_id or None,
        study=header.study_uid or str(file.folder),
        series=header.instance_uid or file.path,
        modality=header.modality or settings.modality,
        anatomy=settings.anatomy or header.anatomy,
        shape=(1, *header.shape),
        spacing_mm=None if spacing is None else (1.0, *spacing),
        tag_value=header.tag_value,
    )


# ---------------------------------------------------------------- NIfTI and pictures


def _nifti_series(images: Iterable[ScannedFile], settings: InventorySettings) -> list[Candidate]:
    candidates: list[Candidate] = []
    for file in images:
        if not isinstance(file.header, NiftiHeader):
            continue
        channel = NNUNET_CHANNEL.search(without_nifti_suffix(PurePosixPath(file.path).name))
        if channel is not None and file.folder.name.startswith("images") and int(channel[1]) != settings.channel:
            continue
        size = canonical_size(file.header.shape, file.header.affine)
        repeats = file.header.volumes if settings.repeats == "all" else 1
        candidates.extend(_nameless("nifti", file, size, settings, number) for number in range(repeats))
    return candidates


def _picture(file: ScannedFile, settings: InventorySettings) -> Candidate:
    rows, columns = file.header if isinstance(file.header, tuple) else (0, 0)
    return _nameless("picture", file, ((1, rows, columns), None), settings)


def _nameless(kind: str, file: ScannedFile, size: Size, settings: InventorySettings, number: int = 0) -> Candidate:
    """Describe a file that names no patient, study or series: its path stands for study and series."""
    return Candidate(
        format=kind,
        paths=(file.path,),
        repeat=number,
        patient=None,
        study=file.path,
        series=file.path if number == 0 else f"{file.path} {number}",
        modality=settings.modality,
        anatomy=settings.anatomy,
        shape=size[0],
        spacing_mm=size[1],
    )


def canonical_size(shape: tuple[int, int, int], affine: NDArray[np.float64]) -> Size:
    """Return shape and voxel edges (mm) along the canonical axes."""
    a, b, c = canonical_turn(affine).axes
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    # Rounding hides the last bits of square roots, which differ between machines.
    spacing = (round(float(edges[a]), 6), round(float(edges[b]), 6), round(float(edges[c]), 6))
    return (shape[a], shape[b], shape[c]), spacing
