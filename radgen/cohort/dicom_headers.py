"""DICOM headers: what the inventory needs to know of a file without decoding its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from radgen.cohort.mosaic import is_mosaic, tile_planes
from radgen.cohort.planes import Plane
from radgen.cohort.refusal import Reason, RefusalError

# pydicom's warnings quote the values they doubt, and a value may be a name: nothing of it may reach a log.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
GREY = ("MONOCHROME1", "MONOCHROME2")


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
    size = path.stat().st_size
    with path.open("rb") as file:
        dataset = read_dataset(file, stop_before_pixels=True)
        _check_kind(dataset)
        _check_whole(file, dataset, size)
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


# ---------------------------------------------------------------- headers


def read_dataset(file: Any, *, stop_before_pixels: bool) -> pydicom.Dataset:  # noqa: ANN401 - any binary file
    """Read a dataset from an open file.

    Raises
    ------
    RefusalError
        foreign or truncated.
    """
    try:
        return pydicom.dcmread(file, stop_before_pixels=stop_before_pixels)
    except InvalidDicomError as error:
        raise RefusalError(Reason.FOREIGN, "the file is not DICOM") from error
    except (EOFError, ValueError, OSError, NotImplementedError, KeyError, AttributeError) as error:
        raise RefusalError(
            Reason.TRUNCATED, f"the DICOM header ends too early or is damaged ({type(error).__name__})"
        ) from error


def _open(path: Path) -> pydicom.Dataset:
    with path.open("rb") as file:
        return read_dataset(file, stop_before_pixels=False)


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


def planes_of(dataset: pydicom.Dataset, file: int) -> list[Plane]:
    """List the frames of a dataset with their places; empty when it has none.

    Raises
    ------
    RefusalError
        Some but not all of position, orientation and spacing are there.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence", None)
    if not per_frame:
        plane = _plane(dataset, [dataset], file, 0)
        if plane is not None and is_mosaic(dataset):
            return tile_planes(dataset, plane)
        return [] if plane is None else [plane]
    shared = list(dataset.get("SharedFunctionalGroupsSequence", ()))
    planes = [_plane(dataset, _macros([frame, *shared]), file, number) for number, frame in enumerate(per_frame)]
    return [plane for plane in planes if plane is not None]


def _macros(groups: Sequence[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """Flatten functional groups: the items of their sequences, the frame's own before the shared ones."""
    return [element.value[0] for group in groups for element in group if element.VR == "SQ" and element.value]


def _plane(dataset: pydicom.Dataset, sources: Sequence[pydicom.Dataset], file: int, frame: int) -> Plane | None:
    def find(keyword: str) -> Any:  # noqa: ANN401 - any element value
        return next((source[keyword].value for source in sources if source.get(keyword, None) is not None), None)

    position, directions, spacing = find("ImagePositionPatient"), find("ImageOrientationPatient"), find("PixelSpacing")
    given = [value is not None and len(value) > 0 for value in (position, directions, spacing)]
    if not (given[0] or given[1]):
        return None
    if not all(given) or (len(position), len(directions), len(spacing)) != (3, 6, 2):
        raise RefusalError(Reason.BAD_GEOMETRY, "image position, orientation or pixel spacing is missing or incomplete")
    thickness = find("SpacingBetweenSlices") or find("SliceThickness") or 1.0
    slope, intercept = find("RescaleSlope"), find("RescaleIntercept")
    x, y, z = (float(value) for value in position)
    d = [float(value) for value in directions]
    return Plane(
        file=file,
        frame=frame,
        shape=(int(dataset.Rows), int(dataset.Columns)),
        position_mm=(x, y, z),
        directions=(d[0], d[1], d[2], d[3], d[4], d[5]),
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        thickness_mm=abs(float(thickness)) or 1.0,
        order=(number_value(dataset, "AcquisitionNumber"), number_value(dataset, "InstanceNumber")),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )


def _check_whole(file: Any, dataset: pydicom.Dataset, size: int) -> None:  # noqa: ANN401 - any binary file
    """Compare the bytes after the header, where `file` stands, with what the header promises."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_deflated:
        return  # nothing is known of the length without inflating
    left = size - file.tell()
    if left <= 0:
        raise RefusalError(Reason.TRUNCATED, "the file ends before its pixels")
    if syntax.is_compressed:
        if not _items_end(file, size):
            raise RefusalError(Reason.TRUNCATED, "the file ends inside its compressed pixels")
        return
    bits = (
        int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) * int(dataset.get("SamplesPerPixel", 1))
    )
    promised = (bits * int(dataset.get("NumberOfFrames", None) or 1) + 7) // 8
    if left < promised:
        raise RefusalError(
            Reason.TRUNCATED, f"the file ends inside its pixels: {left} bytes where {promised} are promised"
        )


def _items_end(file: Any, size: int) -> bool:  # noqa: ANN401 - any binary file
    """Walk the fragments of compressed pixels, whose element header `file` stands at, to their end mark."""
    place = file.tell() + 12  # tag, VR and undefined length
    while place + 8 <= size:
        file.seek(place)
        mark = file.read(8)
        if mark[:4] == b"\xfe\xff\xdd\xe0":
            return True
        if mark[:4] != b"\xfe\xff\x00\xe0":
            return False
        place += 8 + int.from_bytes(mark[4:], "little")
    return False


def text_value(dataset: pydicom.Dataset, keyword: str) -> str:
    """Return an element as text without surrounding blanks; empty when it is absent."""
    value = dataset.get(keyword, None)
    return "" if value is None else str(value).strip()


def number_value(dataset: pydicom.Dataset, keyword: str) -> int:
    """Return an element as a whole number; 0 when it is absent."""
    value = dataset.get(keyword, None)
    return 0 if value in (None, "") else int(value)


def first_value(dataset: pydicom.Dataset, *keywords: str) -> Any:  # noqa: ANN401 - any element value
    """Return the first of several elements that is there and not empty or zero, else None."""
    return next((dataset[keyword].value for keyword in keywords if dataset.get(keyword, None)), None)
