"""Writes one phantom patient as a DICOM series with masks, every identifier and date derived from the seed."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias

import nibabel as nib
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from radgen.cohort.phantom.settings import PhantomSettings
from radgen.cohort.phantom.traits import place
from radgen.seeds import derive_seed, stable_unit

Floats: TypeAlias = npt.NDArray[np.float32]

MARK = "PHANTOM"
IMPLEMENTATION_UID = "2.25.84715213398710945"
FIRST_DAY = date(2001, 1, 1)


@dataclass(frozen=True)
class Storage:
    """How a scanner stores HU.

    Attributes
    ----------
    slope, intercept
        HU = slope x stored + intercept.
    signed
        Whether stored values may be negative.
    padding_hu
        What fills the square outside the reconstructed circle, HU; -1000 is plain air.
    tagged
        Whether PixelPaddingValue says so.
    """

    slope: float
    intercept: float
    signed: bool
    padding_hu: float
    tagged: bool


STORAGES = (
    Storage(1, -1024, signed=False, padding_hu=-1000, tagged=False),
    Storage(1, -1024, signed=False, padding_hu=-1024, tagged=False),
    Storage(1, 0, signed=True, padding_hu=-1024, tagged=True),
    Storage(1, -1024, signed=True, padding_hu=-3024, tagged=True),
    Storage(1, 0, signed=True, padding_hu=-2000, tagged=True),
    Storage(0.5, -1024, signed=True, padding_hu=-2000, tagged=True),
)
"""The habits of several vendors, untagged padding among them."""
MR_STORAGE = Storage(1, 0, signed=False, padding_hu=0, tagged=False)
"""Magnitudes as they are: MR has no units and no padding."""


@dataclass(frozen=True)
class Series:
    """Where a series lies and how it is stored.

    Attributes
    ----------
    patient
        Patient id, as in PHANTOM-0001.
    seed, number
        Everything else is derived from these two.
    pixel_mm, slice_mm
        Spacing.
    origin_mm
        Centre of the first pixel of the lowest slice, DICOM patient coordinates (left, back, head).
    storage
        Stored values.
    head_first
        Instance numbers run from head to feet.
    kernel
        Name of the reconstruction filter.
    modality
        CT or MR.
    """

    patient: str
    seed: int
    number: int
    pixel_mm: float
    slice_mm: float
    origin_mm: tuple[float, float, float]
    storage: Storage
    head_first: bool
    kernel: str
    modality: str = "CT"

    def uid(self, *parts: str | int) -> str:
        """Return a valid UID of up to 126 bits below 2.25, from the seed and the parts."""
        high, low = (derive_seed("phantom", self.seed, self.number, "uid", half, *parts) for half in (0, 1))
        return f"2.25.{(high << 63) | low}"

    @property
    def day(self) -> str:
        """The study's date, DICOM DA."""
        days = int(stable_unit("phantom", self.seed, self.number, "day") * 7000)
        return (FIRST_DAY + timedelta(days=days)).strftime("%Y%m%d")

    @property
    def time(self) -> str:
        """The study's time, DICOM TM."""
        second = int(stable_unit("phantom", self.seed, self.number, "time") * 36_000) + 7 * 3600
        return f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"


def make_series(
    settings: PhantomSettings, number: int, *, pixel_mm: float, kernel: str, modality: str = "CT"
) -> Series:
    """Derive how patient `number` is stored and where the table stood."""

    def unit(part: str) -> float:
        return stable_unit("phantom", settings.seed, number, "series", part)

    half = (settings.size_px - 1) / 2 * pixel_mm
    shift_x, shift_y, table = (round(unit(axis) * reach, 1) for axis, reach in (("x", 20), ("y", 60), ("z", 900)))
    return Series(
        patient=f"{MARK}-{number:04d}",
        seed=settings.seed,
        number=number,
        pixel_mm=pixel_mm,
        slice_mm=settings.slice_mm,
        origin_mm=(round(shift_x - 10 - half, 4), round(-shift_y - half, 4), round(table - 1200, 1)),
        storage=STORAGES[int(place(settings.seed, "storage", number) * len(STORAGES))]
        if modality == "CT"
        else MR_STORAGE,
        head_first=unit("order") < 0.5,
        kernel=kernel,
        modality=modality,
    )


def stored_values(hu: Floats, inside: npt.NDArray[np.bool_], storage: Storage) -> npt.NDArray[np.int16 | np.uint16]:
    """Return HU as stored integers, the outside of the circle padded.

    Parameters
    ----------
    hu
        float32 [S, H, W].
    inside
        bool [H, W], the reconstructed circle.
    storage
        Slope, intercept and padding.
    """
    shown = np.where(inside, hu, np.float32(storage.padding_hu))
    stored = np.rint((shown - storage.intercept) / storage.slope)
    return stored.astype(np.int16 if storage.signed else np.uint16)


def image_datasets(series: Series, stored: npt.NDArray[np.int16 | np.uint16]) -> list[FileDataset]:
    """Return one image per slice, from feet to head."""
    return [_image(series, stored, k) for k in range(len(stored))]


def _image(series: Series, stored: npt.NDArray[np.int16 | np.uint16], k: int) -> FileDataset:
    uid = series.uid(series.modality.lower(), k)
    storage_class = CTImageStorage if series.modality == "CT" else MRImageStorage
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = storage_class
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = MARK
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = storage_class, uid
    _describe(image, series)
    (_describe_ct if series.modality == "CT" else _describe_mr)(image, series)
    image.InstanceNumber = len(stored) - k if series.head_first else k + 1
    x, y, z = series.origin_mm
    height = round(z + k * series.slice_mm, 4)
    image.ImagePositionPatient = [x, y, height]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.SliceLocation = height
    image.PixelSpacing = [series.pixel_mm, series.pixel_mm]
    image.SliceThickness = image.SpacingBetweenSlices = series.slice_mm
    _store(image, series, stored[k])
    return image


def _describe(image: Dataset, series: Series) -> None:
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", MARK]
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate"):
        setattr(image, name, series.day)
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "InstanceCreationTime"):
        setattr(image, name, series.time)
    image.Modality, image.BodyPartExamined, image.PatientPosition = series.modality, "ABDOMEN", "HFS"
    image.PatientID, image.PatientName = series.patient, f"{MARK}^{series.number:04d}"
    image.PatientBirthDate, image.PatientSex = "", "O"
    image.StudyInstanceUID, image.SeriesInstanceUID = series.uid("study"), series.uid("series")
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = series.uid("frame"), ""
    image.StudyID, image.SeriesNumber, image.AcquisitionNumber = MARK, 2, 1
    image.AccessionNumber = f"{MARK}{series.number:04d}"
    image.ReferringPhysicianName = f"{MARK}^"
    image.InstitutionName = image.Manufacturer = MARK
    image.ManufacturerModelName, image.SoftwareVersions = f"{MARK} scanner", f"{MARK} 1"
    image.DeviceSerialNumber = image.StationName = MARK
    image.StudyDescription = image.ProtocolName = f"{MARK} abdomen"
    image.ImageComments = f"{MARK}: computed image, no patient is behind it"


def _describe_ct(image: Dataset, series: Series) -> None:
    image.SeriesDescription, image.ContrastBolusAgent = f"{MARK} CT portal venous", f"{MARK} contrast"
    image.KVP, image.ConvolutionKernel = 120, series.kernel
    image.GantryDetectorTilt = 0


def _describe_mr(image: Dataset, _series: Series) -> None:
    image.SeriesDescription = f"{MARK} MR T1-like"
    image.ScanningSequence, image.SequenceVariant, image.MRAcquisitionType = "GR", "SP", "2D"
    image.ScanOptions, image.EchoTrainLength = "", 1
    image.RepetitionTime, image.EchoTime, image.FlipAngle, image.MagneticFieldStrength = 150, 2.3, 70, 1.5


def _store(image: Dataset, series: Series, stored: npt.NDArray[np.int16 | np.uint16]) -> None:
    storage = series.storage
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = stored.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = int(storage.signed)
    if series.modality == "CT":
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = storage.slope, storage.intercept, "HU"
        image.WindowCenter, image.WindowWidth = 50, 400
    if storage.tagged:
        padding = round((storage.padding_hu - storage.intercept) / storage.slope)
        image.add_new("PixelPaddingValue", "SS" if storage.signed else "US", padding)
    image.PixelData = stored.astype("<i2" if storage.signed else "<u2").tobytes()


def write_dicom(path: Path, dataset: Dataset) -> None:
    """Write one DICOM file, its folder made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True, overwrite=True)


def write_nifti_labels(path: Path, series: Series, labels: npt.NDArray[np.uint8]) -> None:
    """Write labels as one NIfTI volume on the grid of the images.

    Parameters
    ----------
    path
        A .nii.gz file.
    series
        Gives the grid.
    labels
        uint8 [S, H, W]; stored as [column, row, slice] with an affine to RAS+ mm.
    """
    x, y, z = series.origin_mm
    affine = np.diag([-series.pixel_mm, -series.pixel_mm, series.slice_mm, 1.0])
    affine[:3, 3] = -x, -y, z
    image = nib.Nifti1Image(np.ascontiguousarray(labels.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = MARK.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A gzip header may hold the time of writing: set to zero, so that bytes follow from the seed alone.
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))
