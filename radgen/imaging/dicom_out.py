"""What every DICOM file of synthetic pictures has in common: bytes that depend on its content alone."""

from __future__ import annotations

import hashlib
import io

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

MAKER = "radgen"
LONG_STRING = 64  # characters that a value of type LO may have
UID_BITS = 120
# highdicom writes the time of writing, which is no part of the content.
FIXED_CLOCK = {"DA": "20000101", "TM": "000000", "DT": "20000101000000"}


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
