"""From scanned files to candidate series and their masks, whatever the format."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from radgen.cohort.candidates import Candidate, Refused, Size, canonical_size
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.dicom_series import dicom_series
from radgen.cohort.nifti import NiftiHeader
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import ScannedFile
from radgen.cohort.settings import InventorySettings

NNUNET_CHANNEL = re.compile(r"_(\d{4})$")


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
    candidates = dicom_series(images, settings, refused) + _nifti_series(images, settings)
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
