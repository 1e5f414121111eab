"""DICOM headers: what the inventory needs to know of a file without decoding its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom

from radgen.cohort.dicom_colours import COLOURS, PALETTE
from radgen.cohort.dicom_elements import kind_name, known_word, number_value, read_dataset, text_value
from radgen.cohort.dicom_frames import pixel_spacing_mm, planes_of
from radgen.cohort.dicom_pixels import GREY, stored_pixels
from radgen.cohort.planes import Plane
from radgen.cohort.refusal import Reason, RefusalError

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
# Parts of ImageType that mark images computed from other images, pictures of screens, and what stands for documents.
REFORMATS = frozenset(
    {
        "REFORMATTED",
        "MPR",
        "CSA MPR",
        "CSAPARALLEL",
        "CSA PARALLEL",
        "PROJECTION IMAGE",
        "MIP",
        "MINIP",
        "VRT",
        "VOLREND",
    }
)
SCREENS = frozenset({"SCREEN SAVE", "SCREENSHOT", "SCREEN"})
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SECONDARY_MODALITIES = frozenset({"OT", "SC", "DOC"})


@dataclass(frozen=True, slots=True)
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
    path
        Where the file lies, for a second look at its pixels; written nowhere.
    reformatted
        The part of ImageType that says that the image was computed from others (MPR, MIP, ...); else empty.
    secondary
        Whether it is a picture of a screen or a document.
    promised
        How many images its acquisition has, and how many temporal positions; 0 where nothing is said.
    sop_class
        What kind of DICOM object it is, a UID.
    burned_in
        BurnedInAnnotation: YES, NO, or empty where it says neither.
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
    path: Path
    reformatted: str
    secondary: bool
    promised: tuple[int, int]
    sop_class: str = ""
    burned_in: str = ""


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
    _check_colour(dataset, placed=bool(planes))
    spacing = pixel_spacing_mm(dataset)
    image_type = [str(item).upper() for item in dataset.get("ImageType", None) or ()]
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
        localizer="LOCALIZER" in image_type,
        shape=planes[0].shape if planes else (int(dataset.Rows), int(dataset.Columns)),
        frames=len(planes) or int(dataset.get("NumberOfFrames", None) or 1),
        planes=planes,
        spacing_mm=spacing,
        referenced_series=tuple(str(item.SeriesInstanceUID) for item in dataset.get("ReferencedSeriesSequence", ())),
        segment_labels=tuple(text_value(item, "SegmentLabel") for item in dataset.get("SegmentSequence", ())),
        path=path,
        reformatted=_reformatted(image_type),
        secondary=_is_secondary(dataset, image_type),
        promised=(number_value(dataset, "ImagesInAcquisition"), number_value(dataset, "NumberOfTemporalPositions")),
        sop_class=_sop_class(dataset),
        burned_in=text_value(dataset, "BurnedInAnnotation").upper(),
    )


def _reformatted(image_type: list[str]) -> str:
    """Return what says that an image was computed from others: derived alone may be a copy or a compression."""
    return next((item for item in image_type[2:] if item in REFORMATS and image_type[0] == "DERIVED"), "")


def _is_secondary(dataset: pydicom.Dataset, image_type: list[str]) -> bool:
    return (
        _sop_class(dataset).startswith(SECONDARY_CAPTURE)
        or text_value(dataset, "Modality") in SECONDARY_MODALITIES
        or bool(SCREENS & set(image_type))
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
        name = kind_name(sop_class)
        if "Image Storage" in name or sop_class in SEGMENTATION_CLASSES:
            raise RefusalError(Reason.TRUNCATED, f"the DICOM header ends before the size of its image ({name})")
        raise RefusalError(Reason.NOT_AN_IMAGE, f"a DICOM object without rows and columns ({name})")


def _check_colour(dataset: pydicom.Dataset, *, placed: bool) -> None:
    """Refuse colour that is not read: other colour spaces, more than 8 bits, overlays on slices of a patient."""
    photometric = text_value(dataset, "PhotometricInterpretation")
    grey = photometric in GREY and int(dataset.get("SamplesPerPixel", None) or 1) == 1
    if grey or _sop_class(dataset) in SEGMENTATION_CLASSES:
        return
    if placed:
        named = known_word(photometric, COLOURS)
        text = f"a colour image with a place in the patient ({named}); its colours are drawn over the slice"
        raise RefusalError(Reason.COLOUR, text)
    if photometric not in COLOURS or (photometric != PALETTE and dataset.get("BitsAllocated", None) != 8):
        text = f"an image of unknown colours ({known_word(photometric, COLOURS)})"
        raise RefusalError(Reason.COLOUR, text)
