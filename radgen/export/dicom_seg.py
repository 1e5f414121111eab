"""DICOM SEG beside an exported image: one binary segment for each structure that the mask holds.

A structure whose name DICOM's dictionary of SNOMED CT terms knows gets that code; others get a code of our own scheme.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from radgen import __version__
from radgen.annotation.schema import Label
from radgen.export.examples import Example
from radgen.imaging.dicom_out import LONG_STRING, MAKER, dataset_bytes, forget_chance, fresh_uid

OWN_SCHEME = "99RADGEN"
ABNORMAL = frozenset({"Lesion", "Neoplasm", "Nodule", "Mass", "Tumor", "Polyp", "Cyst", "Edema", "Hemorrhage"})


def segmentation_bytes(example: Example, image: Dataset, labels: Sequence[Label]) -> bytes | None:
    """Return the mask as the bytes of a DICOM SEG that refers to the image; None where there is no structure.

    Parameters
    ----------
    example
        Its mask, uint8 [H, W].
    image
        The exported image: geometry, patient and study are its own.
    labels
        Names and colours by label id.
    """
    present = [] if example.mask is None else [number for number in np.unique(example.mask).tolist() if number]
    if example.mask is None or not present:
        return None
    content = (str(image.SOPInstanceUID), example.mask.tobytes(), *(labels[number].name for number in present))
    by_machine = example.origin.is_synthetic
    result = hd.seg.Segmentation(
        source_images=[image],
        pixel_array=np.stack([example.mask == number for number in present], axis=-1).astype(np.uint8)[np.newaxis],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(k, labels[n], by_machine=by_machine) for k, n in enumerate(present, start=1)],
        series_instance_uid=fresh_uid("seg series", *content),
        series_number=2,
        sop_instance_uid=fresh_uid("seg", *content),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=__version__,
        device_serial_number=MAKER,
        content_label="MASKS",
        content_description=f"{example.origin.word} masks"[:LONG_STRING],
        content_creator_name=f"{MAKER}^",
        series_description=f"{image.SeriesDescription} masks"[:LONG_STRING],
    )
    _mark(result, image, fresh_uid("seg dimensions", *content))
    return dataset_bytes(result)


def short_text(text: str) -> str:
    """Return what fits a short text of DICOM: 64 characters, and none that parts values or names.

    >>> short_text("left^right=both")
    'left right both'
    """
    return re.sub(r"[\\^=\x00-\x1f]", " ", text)[:LONG_STRING]


def _segment(number: int, label: Label, *, by_machine: bool) -> hd.seg.SegmentDescription:
    term = label.name.replace("_", " ").title().replace(" ", "")
    code = getattr(codes.SCT, term, None) or _plural(term)
    kind = codes.SCT.MorphologicallyAbnormalStructure if term in ABNORMAL else codes.SCT.AnatomicalStructure
    algorithm = None
    if by_machine:
        algorithm = hd.AlgorithmIdentificationSequence(
            name=f"{MAKER} or the tool it was imported from",
            family=codes.DCM.ArtificialIntelligence,
            version=__version__,
        )
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=short_text(label.name),
        segmented_property_category=kind,
        segmented_property_type=code or Code(f"L{label.id}", OWN_SCHEME, short_text(label.name)),
        algorithm_type=(
            hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC if by_machine else hd.seg.SegmentAlgorithmTypeValues.MANUAL
        ),
        algorithm_identification=algorithm,
        display_color=hd.color.CIELabColor.from_rgb(*label.colour),
    )


def _plural(term: str) -> Code | None:
    return getattr(codes.SCT, term.removesuffix("s"), None)


def _mark(result: Dataset, image: Dataset, organization: str) -> None:
    """Say that it is synthetic where the image does, and put fixed values where highdicom put the clock or chance."""
    forget_chance(result, organization)
    result.SyntheticData = image.SyntheticData
    result.ContributingEquipmentSequence = image.ContributingEquipmentSequence
    result.PatientIdentityRemoved, result.DeidentificationMethod = "YES", image.DeidentificationMethod
    result.file_meta.ImplementationClassUID = image.file_meta.ImplementationClassUID
    result.file_meta.ImplementationVersionName = MAKER
