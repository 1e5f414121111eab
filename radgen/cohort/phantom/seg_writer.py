"""Writes the masks of one phantom patient as a DICOM Segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from radgen.cohort.phantom.dicom_writer import IMPLEMENTATION_UID, MARK, Series
from radgen.cohort.phantom.settings import STRUCTURES, TISSUES

ANATOMY = codes.SCT.AnatomicalStructure
ABNORMAL = codes.SCT.MorphologicallyAbnormalStructure
SUBSTANCE = codes.SCT.Substance
CODES = {
    "liver": (ANATOMY, codes.SCT.Liver),
    "spleen": (ANATOMY, codes.SCT.Spleen),
    "kidneys": (ANATOMY, codes.SCT.Kidney),
    "aorta": (ANATOMY, codes.SCT.Aorta),
    "spine": (ANATOMY, codes.SCT.Vertebra),
    "lesion": (ABNORMAL, codes.SCT.Lesion),
    "fat": (ANATOMY, codes.SCT.AdiposeTissue),
    "lean": (ANATOMY, codes.SCT.SoftTissue),
    "gas": (SUBSTANCE, codes.SCT.Gas),
    "ribs": (ANATOMY, codes.SCT.Rib),
}


def segmentation(series: Series, images: Sequence[Dataset], labels: npt.NDArray[np.uint8]) -> Dataset:
    """Return a binary DICOM Segmentation of a series.

    Parameters
    ----------
    series
        Whose identifiers and dates are used: highdicom's own, which follow the clock, are overwritten.
    images
        Its images, from feet to head.
    labels
        uint8 [S, H, W]: each structure present becomes a segment whose label is the structure's name.
    """
    names = (*STRUCTURES, *TISSUES)
    present = [number for number in range(1, len(names) + 1) if (labels == number).any()]
    stack = np.stack([labels == number for number in present], axis=-1)
    result = hd.seg.Segmentation(
        source_images=images,
        pixel_array=stack.astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_describe(k, names[number - 1]) for k, number in enumerate(present, start=1)],
        series_instance_uid=series.uid("seg series"),
        series_number=3,
        sop_instance_uid=series.uid("seg"),
        instance_number=1,
        manufacturer=MARK,
        manufacturer_model_name=f"{MARK} masks",
        software_versions=f"{MARK} 1",
        device_serial_number=MARK,
        content_description=f"{MARK} organs and lesions",
        content_creator_name=f"{MARK}^",
        content_label=MARK,
        series_description=f"{MARK} masks",
    )
    _overwrite_clock(result, series)
    return result


def _describe(number: int, name: str) -> hd.seg.SegmentDescription:
    category, kind = CODES[name]
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


def _overwrite_clock(result: Dataset, series: Series) -> None:
    """Replace every date, time and random UID that highdicom made."""
    clock = {"DA": series.day, "TM": series.time, "DT": series.day + series.time}

    def overwrite(_: Dataset, element: DataElement) -> None:
        if element.VR in clock and element.value:
            element.value = clock[element.VR]

    result.walk(overwrite)
    organization = series.uid("seg dimensions")
    result.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for item in result.DimensionIndexSequence:
        item.DimensionOrganizationUID = organization
    result.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    result.file_meta.ImplementationVersionName = MARK
