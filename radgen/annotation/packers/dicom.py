"""DICOM: each picture as a secondary capture that knows its place, and an empty segmentation of it.

Pictures are of no modality and made by a program (Conversion Type SYN). Every picture is a series
of its own with a frame of reference of its own: two pictures show no common space, and a viewer must not stack them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from radgen.annotation.packers.material import Material, Packer
from radgen.annotation.pictures import SYNTHETIC_NOTICE
from radgen.annotation.schema import Label
from radgen.imaging.dicom_out import (
    LONG_STRING,
    MAKER,
    Uids,
    dataset_bytes,
    forget_chance,
    fresh_uid,
    secondary_capture,
)
from radgen.provenance import digest_bytes

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription


def _files(material: Material) -> Iterator[tuple[str, bytes]]:
    study = _uid("study", material.generator)
    for number, (image_id, pixels) in enumerate(material.pictures.items(), start=1):
        image = _image(image_id, pixels, material.spacing_mm, study)
        image.SeriesNumber = number
        yield f"{image_id}.dcm", dataset_bytes(image)
        if material.structures:
            yield f"{image_id}.seg.dcm", dataset_bytes(_empty_segmentation(image, material.structures))


def _uid(*parts: str) -> UID:
    return UID(fresh_uid("annotation pack", *parts))


def _image(image_id: str, pixels: NDArray[np.uint8], spacing_mm: tuple[float, float], study: UID) -> FileDataset:
    seed = f"{image_id}/{digest_bytes(pixels.tobytes())}"
    uids = Uids(_uid("image", seed), study, _uid("series", seed), _uid("frame", seed))
    dataset = secondary_capture(pixels, spacing_mm, uids)
    _describe(dataset, image_id)
    return dataset


def _describe(dataset: Dataset, image_id: str) -> None:
    """Say that it is synthetic wherever a viewer may look, and name nobody."""
    dataset.SyntheticData = "YES"
    dataset.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC"]
    dataset.ConversionType = "SYN"
    dataset.DerivationDescription = SYNTHETIC_NOTICE
    dataset.ContentQualification = "RESEARCH"
    dataset.Modality = "OT"
    dataset.PatientOrientation = ["L", "P"]
    dataset.SeriesDescription = image_id[:LONG_STRING]
    dataset.StudyDescription = "Synthetic images, no patient"
    dataset.PatientName = "SYNTHETIC^NO PATIENT"
    dataset.PatientID = "SYNTHETIC"


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
