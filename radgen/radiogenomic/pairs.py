"""Which SEG belongs to which CT, in a TCIA tree or any other: by the UIDs that the files name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from radgen.cohort.dicom_headers import DicomHeader, read_header
from radgen.cohort.refusal import Reason, RefusalError, distrusting


@dataclass(frozen=True)
class Reject:
    """What gave no patch.

    Parameters
    ----------
    patient
        Empty where a file does not say.
    reason
        A sentence with the values that show it, without names and paths.
    """

    patient: str
    reason: str


@dataclass(frozen=True)
class Pair:
    """A CT series and its segmentations: all of them, because a healthy patch must miss every nodule.

    Parameters
    ----------
    patient
        PatientID of all.
    ct
        Files of the series, sorted.
    segs
        Files of the segmentations, sorted.
    """

    patient: str
    ct: tuple[Path, ...]
    segs: tuple[Path, ...]


def find_pairs(root: Path) -> tuple[list[Pair], list[Reject]]:
    """Find the segmentations of an archive and the CT series that each one names.

    Parameters
    ----------
    root
        Any folder; what is no .dcm file is passed over, other modalities are left alone.

    Returns
    -------
    Pairs, one for each CT series, sorted by patient and path, and a reject for every damaged file, every segmentation
    without its CT, and every CT series without a segmentation.
    """
    rejects: list[Reject] = []
    series: dict[str, list[DicomHeader]] = {}
    masks: list[DicomHeader] = []
    for header in _headers(root, rejects):
        if header.kind == "segmentation":
            masks.append(header)
        elif header.modality == "CT" and not (header.localizer or header.reformatted or header.secondary):
            series.setdefault(header.series_uid, []).append(header)
    drawn: dict[str, list[DicomHeader]] = {}
    doubtful: set[str] = set()
    for mask in masks:
        try:
            images = _series_of(mask, series)
        except RefusalError as refusal:
            rejects.append(Reject(mask.patient_id, refusal.sentence))
            doubtful |= set(mask.referenced_series) & set(series)
            continue
        drawn.setdefault(images[0].series_uid, []).append(mask)
    pairs = [
        Pair(
            found[0].patient_id, tuple(sorted(image.path for image in series[uid])), tuple(mask.path for mask in found)
        )
        for uid, found in drawn.items()
        if uid not in doubtful
    ]
    for uid, images in sorted(series.items()):
        if uid in doubtful:
            # Its nodules are not all known, so that nothing in it may be called healthy.
            rejects.append(Reject(images[0].patient_id, "a CT series of which a segmentation was refused"))
        elif uid not in drawn:
            rejects.append(Reject(images[0].patient_id, "a CT series that no segmentation names"))
    return sorted(pairs, key=lambda pair: (pair.patient, pair.ct)), rejects


def _headers(root: Path, rejects: list[Reject]) -> Iterator[DicomHeader]:
    for path in sorted(root.rglob("*.dcm")):
        try:
            with distrusting():
                header = read_header(path)
        except RefusalError as refusal:
            rejects.append(Reject("", refusal.sentence))
        else:
            yield header


def _series_of(mask: DicomHeader, series: dict[str, list[DicomHeader]]) -> list[DicomHeader]:
    """Return the images that a segmentation names, or refuse it."""
    named = [uid for uid in mask.referenced_series if uid in series]
    if len(named) != 1:
        text = (
            f"a segmentation that names {len(mask.referenced_series)} series, of which {len(named)} are CT of this "
            "archive, where 1 is needed; add the CT it was drawn on"
        )
        raise RefusalError(Reason.MASK_WITHOUT_IMAGE, text)
    images = series[named[0]]
    frames = {image.frame_of_reference for image in images}
    # Old versions of 3D Slicer leave the frame of reference of a segmentation empty.
    if mask.frame_of_reference and mask.frame_of_reference not in frames:
        text = "a segmentation in another frame of reference than the CT it names; take the one drawn on this CT"
        raise RefusalError(Reason.MASK_OTHER_GRID, text)
    if {image.patient_id for image in images} != {mask.patient_id}:
        text = "a segmentation of another patient than the CT it names; mend the PatientID of one of them"
        raise RefusalError(Reason.NO_PATIENT, text)
    return images
