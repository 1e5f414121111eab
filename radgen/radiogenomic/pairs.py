"""A CT series and the segmentations drawn on it, checked by the UIDs that the files name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radgen.cohort.dicom_headers import DicomHeader, read_header
from radgen.cohort.refusal import Reason, RefusalError


@dataclass(frozen=True)
class Pair:
    """A CT series and its segmentations: all of them, because a healthy patch must miss every nodule.

    Parameters
    ----------
    patient
        Key of the patient.
    ct
        Files of the series.
    segs
        Files of the segmentations.
    """

    patient: str
    ct: tuple[Path, ...]
    segs: tuple[Path, ...]


def check_pair(pair: Pair) -> None:
    """Refuse a pair whose files do not all say that they belong together.

    One segmentation that does not spoils the pair: nodules of the series are then not all known, and nothing in it may
    be called healthy.

    Raises
    ------
    RefusalError
        A file is damaged, there is no segmentation, or one names another series, frame of reference or patient.
    """
    image = read_header(pair.ct[0])
    if image.modality != "CT":
        raise RefusalError(Reason.NO_MASK, "a series that is no CT; nodules are cut from CT alone")
    if not pair.segs:
        raise RefusalError(Reason.NO_MASK, "a CT series that no segmentation names")
    for path in pair.segs:
        _check(read_header(path), image)


def _check(mask: DicomHeader, image: DicomHeader) -> None:
    """Refuse a segmentation that names other images than these."""
    if mask.kind != "segmentation":
        raise RefusalError(Reason.NO_MASK, "a mask that is no DICOM SEG; nodules are read from DICOM SEG alone")
    if mask.referenced_series and image.series_uid not in mask.referenced_series:
        text = "a segmentation that names another series than its CT; add the CT it was drawn on"
        raise RefusalError(Reason.MASK_WITHOUT_IMAGE, text)
    # Old versions of 3D Slicer leave the frame of reference of a segmentation empty.
    if mask.frame_of_reference and mask.frame_of_reference != image.frame_of_reference:
        text = "a segmentation in another frame of reference than the CT it names; take the one drawn on this CT"
        raise RefusalError(Reason.MASK_OTHER_GRID, text)
    if mask.patient_id != image.patient_id:
        text = "a segmentation of another patient than the CT it names; mend the PatientID of one of them"
        raise RefusalError(Reason.NO_PATIENT, text)
