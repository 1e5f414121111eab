"""DICOM: `images/<id>.dcm`, Secondary Capture marked as derived and synthetic, and `segmentations/<id>.dcm`, DICOM SEG.

Each image is a series with its own frame of reference, because between slices no distance is known; it has a place in
it (origin 0, axis-aligned), so that a viewer lays the segmentation over it. Stored values are the picture's greys, not
HU. Identifiers are digests of what is stored: the same image has the same, another image never.

Source: DICOM PS3.3, C.8.6.1 (conversion type SYN, synthetic image), C.12.1 (synthetic data, contributing equipment).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from radgen import __version__
from radgen.export.dicom_seg import segmentation_bytes, short_text
from radgen.export.examples import Example, ExportSet
from radgen.export.folder import write_bytes
from radgen.export.notice import Origin
from radgen.export.pictures import picture_array
from radgen.export.placed import Options, Placed
from radgen.imaging.dicom_out import MAKER, Uids, dataset_bytes, fresh_uid, secondary_capture

# What a row may call a modality, where it is a term that DICOM defines for pictures.
MODALITIES = frozenset({"CT", "MR", "PT", "NM", "US", "MG", "DX", "CR", "XA", "RF", "ES", "GM", "SM", "OP", "OPT"})


def write(images: ExportSet, out: Path, options: Options) -> Iterator[Placed]:
    """Write images and segmentations; yield where each went."""
    for example in images:
        image = image_dataset(example, options.name)
        name = f"images/{example.stem}.dcm"
        write_bytes(out / name, dataset_bytes(image))
        found = segmentation_bytes(example, image, images.labels)
        mask = f"segmentations/{example.stem}.dcm" if found is not None else ""
        if found is not None:
            write_bytes(out / mask, found)
        yield Placed(example.image_id, name, mask)


def image_dataset(example: Example, set_name: str) -> FileDataset:
    """Return one image as a Secondary Capture dataset.

    Raises
    ------
    InputError
        The image has neither 1 nor 3 channels.
    """
    pixels = picture_array(example)
    spacing = np.array(example.spacing_mm).tobytes()
    content = (example.image_id, str(pixels.shape), pixels.tobytes(), spacing, str(sorted(example.facts().items())))
    # A real patient's images share a study, whichever set they are exported from; a synthetic image has its own.
    study = fresh_uid("study", *([example.group] if example.origin is Origin.REAL else content))
    uids = Uids(fresh_uid("image", *content), study, fresh_uid("series", *content), fresh_uid("frame", *content))
    image = secondary_capture(pixels, example.spacing_mm, uids)
    _say_who(image, example, set_name)
    _say_what(image, example)
    return image


def _say_who(image: Dataset, example: Example, set_name: str) -> None:
    synthetic = example.origin.is_synthetic
    image.PatientID = short_text(example.group)
    image.PatientName = f"{example.origin.word}^{short_text(example.group)}"[:64]
    image.PatientIdentityRemoved, image.DeidentificationMethod = "YES", "no patient" if synthetic else "pseudonym"
    image.StudyDescription = f"{example.origin.word} {set_name}"[:64]


def _say_what(image: Dataset, example: Example) -> None:
    word, class_name = example.origin.word, example.row["class_name"]
    image.ImageType = ["DERIVED", "SECONDARY", word]
    image.ConversionType = "SYN" if example.origin.is_synthetic else "WSD"
    image.SyntheticData = "YES" if example.origin.is_synthetic else "NO"
    modality = example.row["modality"]
    image.Modality = modality if modality in MODALITIES else "OT"
    image.SeriesNumber = 1
    image.SeriesDescription = short_text(" ".join(filter(None, [word, class_name])))
    image.ImageComments = example.origin.notice
    if not example.spacing_known:
        image.ImageComments += " Its millimetres are not known; 1 mm stands for them."
    image.DerivationDescription = "; ".join(f"{name} {value}" for name, value in example.facts().items())[:1024]
    image.ManufacturerModelName = image.DeviceSerialNumber = MAKER
    image.SoftwareVersions = __version__
    image.ContributingEquipmentSequence = [_contribution(example)]


def _contribution(example: Example) -> Dataset:
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109102", "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    item = Dataset()
    item.Manufacturer = item.ManufacturerModelName = MAKER
    item.SoftwareVersions = __version__
    item.ContributionDescription = example.origin.notice
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item
