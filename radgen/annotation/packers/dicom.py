"""DICOM: each picture as a secondary capture that knows its place, and an empty segmentation of it.

Secondary capture because that is what the pictures are: 8-bit, made by a program (Conversion Type SYN), of no modality.
The attributes of plane and frame of reference are added to it, so that segmentations align. Every picture is a series
of its own with a frame of reference of its own: two pictures show no common space, and a viewer must not stack them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pydicom.valuerep import DSfloat

from radgen.annotation.packers.material import Material, Packer
from radgen.annotation.pictures import SYNTHETIC_NOTICE, slice_lps
from radgen.annotation.schema import Label
from radgen.imaging.dicom_out import LONG_STRING, MAKER, dataset_bytes, forget_chance, fresh_uid
from radgen.provenance import digest_bytes

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription


def _files(material: Material) -> Iterator[tuple[str, bytes]]:
    study = _uid("study", material.generator)
    for number, (image_id, pixels) in enumerate(material.pictures.items(), start=1):
        image = _image(image_id, pixels, material.spacing_mm)
        image.StudyInstanceUID = study
        image.SeriesNumber = number
        yield f"{image_id}.dcm", dataset_bytes(image)
        if material.structures:
            yield f"{image_id}.seg.dcm", dataset_bytes(_empty_segmentation(image, material.structures))


def _uid(*parts: str) -> UID:
    return UID(fresh_uid("annotation pack", *parts))


def _image(image_id: str, pixels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> Dataset:
    seed = f"{image_id}/{digest_bytes(pixels.tobytes())}"
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = _uid("image", seed)
    dataset.SeriesInstanceUID = _uid("series", seed)
    dataset.FrameOfReferenceUID = _uid("frame", seed)
    dataset.PositionReferenceIndicator = ""
    _describe(dataset, image_id)
    _place(dataset, spacing_mm)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = "128", "256"
    dataset.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    dataset["PixelData"].VR = "OB"
    return dataset


def _describe(dataset: Dataset, image_id: str) -> None:
    """Say that it is synthetic wherever a viewer may look, and name nobody."""
    dataset.SyntheticData = "YES"
    dataset.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC"]
    dataset.ConversionType = "SYN"
    dataset.DerivationDescription = SYNTHETIC_NOTICE
    dataset.ContentQualification = "RESEARCH"
    dataset.BurnedInAnnotation = "NO"
    dataset.Modality = "OT"
    dataset.Manufacturer = MAKER
    dataset.SeriesDescription = image_id[:LONG_STRING]
    dataset.StudyDescription = "Synthetic images, no patient"
    dataset.PatientName = "SYNTHETIC^NO PATIENT"
    dataset.PatientID = "SYNTHETIC"
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(dataset, keyword, "")
    dataset.ReferringPhysicianName = ""
    dataset.InstanceNumber = 1


def _place(dataset: Dataset, spacing_mm: tuple[float, float]) -> None:
    lps = slice_lps(spacing_mm)
    row_mm, column_mm = spacing_mm
    along = [*(lps[:3, 0] / column_mm), *(lps[:3, 1] / row_mm)]
    dataset.ImageOrientationPatient = [_decimal(value) for value in along]
    dataset.ImagePositionPatient = [_decimal(value) for value in lps[:3, 3]]
    dataset.PixelSpacing = [_decimal(value) for value in spacing_mm]
    dataset.SliceThickness = _decimal(lps[2, 2])
    dataset.PatientOrientation = ["L", "P"]


def _decimal(value: float) -> DSfloat:
    return DSfloat(float(value) + 0.0, auto_format=True)


def _empty_segmentation(image: Dataset, structures: tuple[Label, ...]) -> Dataset:
    """Return a binary segmentation with one empty frame per structure, on the image's own grid."""
    from highdicom.seg import Segmentation

    seed = f"{image.SOPInstanceUID}/{[(label.id, label.name, label.colour) for label in structures]}"
    segmentation = Segmentation(
        source_images=[image],
        pixel_array=np.zeros((1, image.Rows, image.Columns, len(structures)), np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(number, label) for number, label in enumerate(structures, start=1)],
        series_instance_uid=_uid("segmentation series", seed),
        series_number=10_000 + int(image.SeriesNumber),
        sop_instance_uid=_uid("segmentation", seed),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=MAKER,
        device_serial_number="0",
        omit_empty_frames=False,
        content_label="SEGMENTATION",
        content_description="Empty segmentation of a synthetic image",
    )
    segmentation.SpecificCharacterSet = "ISO_IR 192"
    segmentation.SyntheticData = "YES"
    segmentation.SeriesDescription = f"{image.SeriesDescription[: LONG_STRING - 6]} paint"
    forget_chance(segmentation, _uid("dimensions", seed))
    del segmentation.ContributingEquipmentSequence  # it names highdicom's version, and nobody contributed yet
    return segmentation


def _segment(number: int, label: Label) -> SegmentDescription:
    """Describe a structure as "some anatomical structure": what it is, is known by its name alone."""
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription

    return SegmentDescription(
        segment_number=number,
        segment_label=label.name.replace("\\", "/")[:LONG_STRING],
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.AnatomicalStructure,
        algorithm_type="MANUAL",
        display_color=CIELabColor.from_rgb(*label.colour),
    )


PACKER = Packer(
    folder="dicom",
    tool="A DICOM workstation",
    files=_files,
    steps=(
        "Import the folder `dicom`. Each picture is a series of its own, described by its `NAME`; beside it lies an "
        "empty segmentation with the names and colours (`NAME paint`).",
        "Paint the segments.",
        "Export each segmentation as DICOM SEG and save it as `masks/NAME.dcm`.",
    ),
)
