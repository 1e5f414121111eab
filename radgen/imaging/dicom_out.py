"""What every DICOM file of synthetic pictures has in common: bytes that depend on its content alone."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

MAKER = "radgen"
IMPLEMENTATION_UID = "2.25.253918464216870137104129786152283617281"
# What names a person or a visit, and stays empty.
NAMELESS = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
LONG_STRING = 64  # characters that a value of type LO may have
UID_BITS = 120
# highdicom writes the time of writing, which is no part of the content.
FIXED_CLOCK = {"DA": "20000101", "TM": "000000", "DT": "20000101000000"}


@dataclass(frozen=True)
class Uids:
    """Whose an image is: UIDs of the image, its study, its series and its frame of reference."""

    image: str
    study: str
    series: str
    frame: str


def secondary_capture(pixels: NDArray[np.uint8], spacing_mm: tuple[float, float], uids: Uids) -> FileDataset:
    """Return a picture as a Secondary Capture dataset that knows its place, but not yet what it shows.

    Secondary Capture because that is what pictures are: 8-bit greys, made by a program. Plane and frame of reference
    are added, origin 0 and axis-aligned, so that segmentations align. Columns run to the patient's left, rows to the
    back.

    Parameters
    ----------
    pixels
        uint8 [H, W], or [H, W, 3] in colour.
    spacing_mm
        Distance of rows and of columns.
    uids
        Digests of what is stored.

    Notes
    -----
    Source: DICOM PS3.3, A.8.1 (the object), C.7.6.2 (plane), C.7.6.3 (pixels).
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = uids.image
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = MAKER
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, uids.image
    image.StudyInstanceUID, image.SeriesInstanceUID = uids.study, uids.series
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = uids.frame, ""
    for keyword in NAMELESS:
        setattr(image, keyword, "")
    image.Manufacturer, image.BurnedInAnnotation, image.InstanceNumber = MAKER, "NO", 1
    image.ImagePositionPatient = [0, 0, 0]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing = [round(distance, 6) for distance in spacing_mm]
    image.SliceThickness = 1
    _store(image, pixels)
    return image


def _store(image: Dataset, pixels: NDArray[np.uint8]) -> None:
    colour = pixels.ndim == 3
    image.SamplesPerPixel = 3 if colour else 1
    image.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        image.PlanarConfiguration = 0
    else:
        image.WindowCenter, image.WindowWidth = 128, 256
    image.Rows, image.Columns = pixels.shape[:2]
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    image["PixelData"].VR = "OB"


def fresh_uid(*parts: str | bytes) -> str:
    """Return a UID below 2.25 that is a digest of the parts: never that of a source, always the same.

    Source: DICOM PS3.5, annex B.2.

    >>> fresh_uid("study", b"1") == fresh_uid("study", b"1"), len(fresh_uid("series", b"1")) <= 64
    (True, True)
    """
    state = hashlib.sha256(b"radgen export")
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big") + data)
    return f"2.25.{int.from_bytes(state.digest(), 'big') >> (256 - UID_BITS)}"


def forget_chance(segmentation: Dataset, dimensions_uid: str) -> None:
    """Put fixed values where highdicom put the clock, and a given UID where it drew that of its dimensions."""

    def overwrite(_: Dataset, element: DataElement) -> None:
        if element.VR in FIXED_CLOCK and element.value:
            element.value = FIXED_CLOCK[element.VR]

    segmentation.walk(overwrite)
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions_uid


def dataset_bytes(dataset: Dataset) -> bytes:
    """Return a dataset as the bytes of a DICOM file."""
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
