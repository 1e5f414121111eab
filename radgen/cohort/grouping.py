"""From scanned files to candidate series and their masks, whatever the format."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from radgen.cohort.candidates import Candidate, Refused
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.dicom_series import dicom_series
from radgen.cohort.headers import VolumeHeader
from radgen.cohort.layouts import FileFacts
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import ScannedFile
from radgen.cohort.settings import InventorySettings

NNUNET_CHANNEL = re.compile(r"_(\d{4})$")


def find_candidates(
    files: Sequence[ScannedFile], settings: InventorySettings, facts: Mapping[str, FileFacts] | None = None
) -> tuple[list[Candidate], list[Refused], list[ScannedFile]]:
    """Group readable files of one archive into series.

    Parameters
    ----------
    files
        Of the archive.
    settings
        How images and masks are recognised.
    facts
        What the archive's layout says of its files, by path; without a layout, names and folders decide.

    Returns
    -------
    candidates, refused, masks
        The masks (DICOM SEG, label volumes and pictures) are still without their images.
    """
    if facts is not None:
        return _by_layout(files, settings, facts)
    refused = _refused(files)
    readable = [file for file in files if file.refusal is None]
    masks = [file for file in readable if _is_mask(file, settings)]
    images = [file for file in readable if not _is_mask(file, settings)]
    images = _of_channel(images, [_channel_of(file) for file in images], settings, refused)
    candidates = dicom_series(images, settings, refused) + _volume_series(images, settings)
    pictures = [file for file in images if isinstance(file.header, VolumeHeader) and file.header.format == "picture"]
    if candidates:
        text = "a picture in an archive of volumes"
        refused.extend(Refused(file.path, Reason.SIDE_FILE, text) for file in pictures)
    else:
        candidates = _pictures(images, settings)
    return candidates, refused, masks


def _by_layout(
    files: Sequence[ScannedFile], settings: InventorySettings, facts: Mapping[str, FileFacts]
) -> tuple[list[Candidate], list[Refused], list[ScannedFile]]:
    known = [file for file in files if file.path in facts and not facts[file.path].problem]
    text = "the archive's layout has no place for the file"
    refused = [Refused(file.path, Reason.SIDE_FILE, text) for file in files if file.path not in facts]
    refused += [Refused(path, Reason.UNDECODABLE, fact.problem) for path, fact in facts.items() if fact.problem]
    # A mask may be a table of outlines, which is no image of its own; a DICOM SEG is a mask wherever it lies.
    masks = [file for file in known if _is_segmentation(file) or _is_told_mask(file, facts[file.path])]
    taken = {file.path for file in masks}
    text = "a DICOM image where label maps are looked for; DICOM SEG is read as one"
    refused += [Refused(file.path, Reason.SIDE_FILE, text) for file in masks if _is_dicom_image(file)]
    masks = [file for file in masks if not _is_dicom_image(file)]
    refused += _refused([file for file in known if file.path not in taken])
    images = [_named(file, facts[file.path]) for file in known if file.header is not None and file.path not in taken]
    images = _of_channel(images, [facts[file.path].channel for file in images], settings, refused)
    candidates = dicom_series(images, settings, refused) + _volume_series(images, settings)
    candidates += _pictures(images, settings)
    return [_with_facts(item, facts[item.paths[0]]) for item in candidates], refused, masks


def _named(file: ScannedFile, facts: FileFacts) -> ScannedFile:
    """Let a layout say whose a DICOM file is and which series it belongs to, before its header does."""
    if not isinstance(file.header, DicomHeader):
        return file
    patient, series = facts.patient or file.header.patient_id, facts.series or file.header.series_uid
    return replace(file, header=replace(file.header, patient_id=patient, series_uid=series))


def _is_segmentation(file: ScannedFile) -> bool:
    return isinstance(file.header, DicomHeader) and file.header.kind == "segmentation"


def _is_dicom_image(file: ScannedFile) -> bool:
    return isinstance(file.header, DicomHeader) and not _is_segmentation(file)


def _refused(files: Sequence[ScannedFile]) -> list[Refused]:
    return [
        Refused(file.path, *file.refusal, None, file.figure, file.unit) for file in files if file.refusal is not None
    ]


def _is_told_mask(file: ScannedFile, facts: FileFacts) -> bool:
    is_table = file.refusal is not None and file.refusal[0] == Reason.SIDE_FILE
    return facts.role == "mask" and (file.header is not None or is_table)


def _with_facts(candidate: Candidate, facts: FileFacts) -> Candidate:
    modality = facts.modality or candidate.modality
    class_value = modality + facts.class_value if facts.class_value.startswith("/") else facts.class_value
    return replace(
        candidate,
        patient=facts.patient or candidate.patient,
        modality=modality,
        anatomy=facts.anatomy or candidate.anatomy,
        tag_value=class_value or candidate.tag_value,
        case=facts.case,
        split=facts.split,
    )


def without_nifti_suffix(name: str) -> str:
    """Return a file name without .nii, .nii.gz, .nrrd or .seg.nrrd.

    >>> without_nifti_suffix("case_0000.nii.gz")
    'case_0000'
    """
    return name.removesuffix(".gz").removesuffix(".nii").removesuffix(".nrrd").removesuffix(".seg")


def _is_mask(file: ScannedFile, settings: InventorySettings) -> bool:
    if isinstance(file.header, DicomHeader):
        return file.header.kind == "segmentation"
    if not isinstance(file.header, VolumeHeader) or file.header.format == "picture":
        return False
    if file.header.segments:
        return True
    name = PurePosixPath(file.path).name
    in_label_folder = file.folder.name.startswith("labels")
    return in_label_folder or any(fnmatch.fnmatchcase(name, pattern) for pattern in settings.mask_names)


def _channel_of(file: ScannedFile) -> int | None:
    """Return which channel of a case a volume is, as nnU-Net writes it in names."""
    if not isinstance(file.header, VolumeHeader) or file.header.format == "picture":
        return None
    channel = NNUNET_CHANNEL.search(without_nifti_suffix(PurePosixPath(file.path).name))
    return int(channel[1]) if channel is not None and file.folder.name.startswith("images") else None


def _of_channel(
    images: Sequence[ScannedFile],
    channels: Sequence[int | None],
    settings: InventorySettings,
    refused: list[Refused],
) -> list[ScannedFile]:
    """Return the images of the channel that is asked for; the others are appended to `refused`."""
    kept = []
    for file, channel in zip(images, channels, strict=True):
        if settings.channel is None or channel is None or channel == settings.channel:
            kept.append(file)
        else:
            text = f"channel {channel} of its case, and inventory.channel names {settings.channel}"
            refused.append(Refused(file.path, Reason.SIDE_FILE, text, figure=float(channel), unit="channel"))
    return kept


def _volume_series(images: Iterable[ScannedFile], settings: InventorySettings) -> list[Candidate]:
    candidates: list[Candidate] = []
    for file in images:
        if not isinstance(file.header, VolumeHeader) or file.header.format == "picture":
            continue
        repeats = file.header.volumes if settings.repeats == "all" else 1
        candidates.extend(_nameless(file, file.header, settings, number) for number in range(repeats))
    return candidates


def _pictures(images: Iterable[ScannedFile], settings: InventorySettings) -> list[Candidate]:
    return [
        _nameless(file, file.header, settings)
        for file in images
        if isinstance(file.header, VolumeHeader) and file.header.format == "picture"
    ]


def _nameless(file: ScannedFile, header: VolumeHeader, settings: InventorySettings, number: int = 0) -> Candidate:
    """Describe a file that names no patient, study or series: its path stands for study and series."""
    shape, spacing_mm = header.size
    return Candidate(
        format=header.format,
        paths=(file.path,),
        repeat=number,
        patient=None,
        study=file.path,
        series=file.path if number == 0 else f"{file.path} {number}",
        modality=settings.modality,
        anatomy=settings.anatomy,
        shape=shape,
        spacing_mm=spacing_mm,
        remarks=header.remarks,
    )
