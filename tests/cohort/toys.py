"""Small archives made on the spot: DICOM series and segmentations, NIfTI layouts, picture folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from radgen.cohort.archives import Roots
from radgen.cohort.inventory import Inventory, take_inventory
from radgen.cohort.settings import InventorySettings

CT = "1.2.840.10008.5.1.4.1.1.2"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
KEY = b"a key for tests"


def uid(*parts: object) -> str:
    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


def stored_volume(slices: int = 4, rows: int = 6, cols: int = 5) -> NDArray[np.int16]:
    return np.random.default_rng(slices * rows * cols).integers(0, 2000, (slices, rows, cols)).astype(np.int16)


def ct_slice(pixels: NDArray[Any], position: Sequence[float], **tags: Any) -> Dataset:
    """One CT image; `tags` overwrite or add elements, None removes one."""
    series = tags.pop("series", "series")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CT
    values: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": uid(series, *position, tags.get("InstanceNumber", 0)),
        "StudyInstanceUID": uid("study", series),
        "SeriesInstanceUID": uid(series),
        "FrameOfReferenceUID": uid("frame", series),
        "PatientID": "SMITH-1",
        "PatientName": "Smith^Jane",
        "Modality": "CT",
        "BodyPartExamined": "ABDOMEN",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImagePositionPatient": [float(value) for value in position],
        "ImageOrientationPatient": list(AXIAL),
        "PixelSpacing": [0.5, 0.75],
        "SliceThickness": 2.0,
        "InstanceNumber": 1,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
    }
    for name, value in (values | tags).items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", uid("none"))
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def save(path: Path, dataset: Dataset) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def write_series(
    folder: Path, pixels: NDArray[Any], *, step_mm: float = 2.0, order: Sequence[int] | None = None, **tags: Any
) -> list[Path]:
    """A series along z; `order` says which slice gets which file name."""
    names = range(len(pixels)) if order is None else order
    return [
        save(folder / f"{name}.bin", ct_slice(plane, (-10.0, -20.0, 100.0 + step_mm * number), **tags))
        for number, (name, plane) in enumerate(zip(names, pixels, strict=True))
    ]


def segmentation(
    frames: Sequence[tuple[int, Sequence[float], NDArray[np.bool_]]], labels: Mapping[int, str], **tags: Any
) -> Dataset:
    """A BINARY SEG of (segment number, position, mask) frames; `directions` and `spacing` describe their plane."""
    directions, spacing = tags.pop("directions", AXIAL), tags.pop("spacing", (0.5, 0.75))
    shape = frames[0][2].shape
    dataset = ct_slice(np.zeros(shape, np.uint8), (0, 0, 0), series="seg", **tags)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        del dataset[name]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SEG
    dataset.Modality, dataset.SegmentationType, dataset.NumberOfFrames = "SEG", "BINARY", len(frames)
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.SegmentSequence = DicomSequence([item(SegmentNumber=n, SegmentLabel=label) for n, label in labels.items()])
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(directions))],
        PixelMeasuresSequence=[item(PixelSpacing=list(spacing), SliceThickness=2.0)],
    )
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[float(value) for value in position])],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)],
        )
        for number, position, _ in frames
    ]
    bits = np.packbits(np.concatenate([mask.ravel() for _, _, mask in frames]), bitorder="little").tobytes()
    dataset.PixelData = bits + b"\0" * (len(bits) % 2)
    return dataset


def item(**tags: Any) -> Dataset:
    dataset = Dataset()
    for name, value in tags.items():
        setattr(dataset, name, DicomSequence(value) if name.endswith("Sequence") else value)
    return dataset


def write_nifti(
    path: Path, array: NDArray[Any], affine: NDArray[np.float64] | None = None, scale: tuple[float, float] | None = None
) -> Path:
    """A NIfTI file whose stored values are `array`; `scale` is its slope and intercept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, np.diag([-0.5, -0.75, 2.0, 1.0]) if affine is None else affine)
    nib.save(image, path)
    if scale is not None:
        data = bytearray(path.read_bytes())
        data[112:120] = np.array(scale, dtype="<f4").tobytes()
        path.write_bytes(data)
    return path


def write_picture(path: Path, pixels: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def picture(seed: int, size: int = 20) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size)).astype(np.uint8)


def write_msd(archive: Path, cases: int = 4, labels: Sequence[int] = (0, 1, 2)) -> None:
    """An MSD layout: case-<n> images and labels; the last case has no label."""
    for case in range(cases):
        array = np.random.default_rng(case).integers(0, 500, (5, 6, 7)).astype(np.int16)
        write_nifti(archive / "imagesTr" / f"case-{case}.nii.gz", array)
        if case < cases - 1:
            mask = np.random.default_rng(case).choice(np.array(labels, dtype=np.uint8), (5, 6, 7))
            write_nifti(archive / "labelsTr" / f"case-{case}.nii.gz", mask)


def inventory_of(archive: Path, **settings: Any) -> Inventory:
    table = settings.pop("patient_table", None)
    return take_inventory(Roots({"": archive}), InventorySettings(**settings), KEY, patient_table=table)


def by_path(found: Inventory) -> dict[str, str]:
    return {row["path"]: row["file_id"] for row in found.files}


def reasons_by_path(found: Inventory) -> dict[str, str]:
    path_of = {row["file_id"]: row["path"] for row in found.files}
    return {path_of[row["file_id"]]: row["reason"] for row in found.rejects}
