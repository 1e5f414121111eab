"""A slice with a pasted nodule as DICOM CT: the place of its source, identifiers of its own, marked as synthetic.

Source: DICOM PS3.3, A.3 (CT image), C.8.2.1; C.12.1 (synthetic data). Identifiers are digests of the pixels, and no
value of the source's header is carried over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from radgen import __version__
from radgen.imaging.dicom_out import LONG_STRING, MAKER, dataset_bytes, fresh_uid

LOWEST_HU, HIGHEST_HU = -32768, 32767
NOTICE = "A synthetic nodule in a slice of a real or computed CT. For research, not for diagnosis."
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
WINDOW_CENTRE_HU, WINDOW_WIDTH_HU = -250, 1500


def slice_bytes(
    name: str, hu: NDArray[np.floating], affine: NDArray[np.float64], spacing_mm: tuple[float, float, float]
) -> bytes:
    """Return one slice as the bytes of a DICOM CT image.

    Parameters
    ----------
    name
        Image id of the nodule.
    hu
        [rows, columns], upright.
    affine
        float64 [4, 4]: (0, row, column, 1) to RAS+ millimetres.
    spacing_mm
        Between slices, rows and columns.
    """
    pixels = np.clip(np.rint(hu), LOWEST_HU, HIGHEST_HU).astype("<i2")
    rows, columns = affine[:3, 1] / spacing_mm[1] * RAS_TO_LPS, affine[:3, 2] / spacing_mm[2] * RAS_TO_LPS
    content = (name, pixels.tobytes(), affine.astype("<f8").tobytes())
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = fresh_uid("pasted", *content)
    meta.ImplementationClassUID, meta.ImplementationVersionName = fresh_uid("implementation"), MAKER
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = (fresh_uid(part, *content) for part in ("study", "series"))
    image.FrameOfReferenceUID = fresh_uid("frame", *content)
    image.PatientID, image.PatientName = name[:LONG_STRING], f"SYNTHETIC^{name}"[:LONG_STRING]
    image.PatientBirthDate = image.PatientSex = image.StudyDate = image.StudyTime = image.StudyID = ""
    image.AccessionNumber = image.ReferringPhysicianName = image.PositionReferenceIndicator = ""
    image.ImageType, image.Modality = ["DERIVED", "SECONDARY", "AXIAL"], "CT"
    image.SyntheticData, image.BurnedInAnnotation = "YES", "NO"
    image.ImageComments, image.DerivationDescription = NOTICE, f"nodule {name} pasted by {MAKER} {__version__}"
    image.SeriesDescription = "SYNTHETIC nodule"
    image.Manufacturer, image.SoftwareVersions = MAKER, __version__
    image.SeriesNumber = image.InstanceNumber = image.AcquisitionNumber = 1
    image.KVP = None
    image.ImagePositionPatient = [round(float(value), 4) for value in affine[:3, 3] * RAS_TO_LPS]
    image.ImageOrientationPatient = [round(float(value), 6) for value in (*columns, *rows)]
    image.PixelSpacing = [round(spacing_mm[1], 6), round(spacing_mm[2], 6)]
    image.SliceThickness = round(spacing_mm[0], 6)
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, 0, "HU"
    image.WindowCenter, image.WindowWidth = WINDOW_CENTRE_HU, WINDOW_WIDTH_HU
    image.PixelData = pixels.tobytes()
    return dataset_bytes(image)
