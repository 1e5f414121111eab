"""DICOM headers: what the inventory needs to know of a file without decoding its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom

from radgen.cohort.dicom_elements import first_value, read_dataset, text_value
from radgen.cohort.dicom_frames import planes_of
from radgen.cohort.dicom_pixels import GREY, stored_pixels
from radgen.cohort.planes import Plane
from radgen.cohort.refusal import Reason, RefusalError

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


@dataclass(frozen=True)
class DicomHeader:
    """What the inventory needs to know of one DICOM file.

    Parameters
    ----------
    kind
        image | segmentation
    patient_id, study_uid, series_uid, frame_of_reference
        As written in the file, empty where an anonymiser emptied them: they never leave the private tables.
    modality, anatomy, tag_value
        Modality, BodyPartExamined, and the value of the class tag (empty when absent).
    localizer
        Whether ImageType says so.
    shape, frames
        Rows, columns; number of frames.
    planes
        Empty for images without a place in the patient (plain X-ray) and for segmentations.
    spacing_mm
        Between rows, between columns of an image without planes, or None.
    referenced_series
        Of a segmentation: the series UIDs it says it segments.
    segment_labels
        Of a segmentation: the labels of its segments.
    """

    kind: str
    patient_id: str
    study_uid: str
    series_uid: str
    instance_uid: str
    frame_of_reference: str
    modality: str
    anatomy: str
    tag_value: str
    localizer: bool
    shape: tuple[int, int]
    frames: int
    planes: tuple[Plane, ...]
    spacing_mm: tuple[float, float] | None
    referenced_series: tuple[str, ...]
    segment_labels: tuple[str, ...]


def read_header(path: Path, class_tag: str = "") -> DicomHeader:
    """Read one file up to its pixels, and make sure that the pixels are all there.

    Parameters
    ----------
    path
        A DICOM file with the 128-byte preamble.
    class_tag
        DICOM keyword whose value is returned as `tag_value`.

    Raises
    ------
    RefusalError
        foreign, truncated, colour, mosaic, not-an-image or bad-geometry.
    """
    with path.open("rb") as file:
        dataset = read_dataset(file, stop_before_pixels=True)
        _check_kind(dataset)
        stored_pixels(file, dataset, path)
    kind = "segmentation" if _sop_class(dataset) in SEGMENTATION_CLASSES else "image"
    planes = tuple(planes_of(dataset, 0)) if kind == "image" else ()
    spacing = first_value(dataset, "PixelSpacing", "ImagerPixelSpacing")
    return DicomHeader(
        kind=kind,
        patient_id=text_value(dataset, "PatientID"),
        study_uid=text_value(dataset, "StudyInstanceUID"),
        series_uid=text_value(dataset, "SeriesInstanceUID"),
        instance_uid=text_value(dataset, "SOPInstanceUID"),
        frame_of_reference=text_value(dataset, "FrameOfReferenceUID"),
        modality=text_value(dataset, "Modality"),
        anatomy=text_value(dataset, "BodyPartExamined").upper(),
        tag_value=text_value(dataset, class_tag) if class_tag else "",
        localizer="LOCALIZER" in [str(item).upper() for item in dataset.get("ImageType", None) or ()],
        shape=planes[0].shape if planes else (int(dataset.Rows), int(dataset.Columns)),
        frames=len(planes) or int(dataset.get("NumberOfFrames", None) or 1),
        planes=planes,
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        referenced_series=tuple(str(item.SeriesInstanceUID) for item in dataset.get("ReferencedSeriesSequence", ())),
        segment_labels=tuple(text_value(item, "SegmentLabel") for item in dataset.get("SegmentSequence", ())),
    )


def _sop_class(dataset: pydicom.Dataset) -> str:
    """Return the kind of object, from the file's own header where an anonymiser emptied the data set's element."""
    return text_value(dataset, "SOPClassUID") or text_value(dataset.file_meta, "MediaStorageSOPClassUID")


def _check_kind(dataset: pydicom.Dataset) -> None:
    sop_class = _sop_class(dataset)
    if not sop_class:
        raise RefusalError(
            Reason.TRUNCATED, "the DICOM header names no kind of object; it ends too early or is damaged"
        )
    if not dataset.get("Rows", None) or not dataset.get("Columns", None):
        name = pydicom.uid.UID(sop_class).name
        if "Image Storage" in name or sop_class in SEGMENTATION_CLASSES:
            raise RefusalError(Reason.TRUNCATED, f"the DICOM header ends before the size of its image ({name})")
        raise RefusalError(Reason.NOT_AN_IMAGE, f"a DICOM object without rows and columns ({name})")
    if sop_class in SEGMENTATION_CLASSES:
        return
    photometric = text_value(dataset, "PhotometricInterpretation")
    if photometric not in GREY or int(dataset.get("SamplesPerPixel", None) or 1) != 1:
        raise RefusalError(Reason.COLOUR, f"a colour image ({photometric or 'unknown'}); only grey images are read")
