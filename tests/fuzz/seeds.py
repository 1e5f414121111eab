"""The registry of formats: one small good file each, and what a changed file says differently.

To add a reader: write a maker and an `explain` function (or reuse one), and add a line to `FORMATS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import nrrd as pynrrd
import numpy as np
import pydicom
from PIL import Image
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.tag import BaseTag
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from radgen.cohort.settings import StructureSettings
from tests.cohort.toys import AXIAL, ct_slice, item, save, segmentation, stored_volume, uid, write_nifti

STRUCTURES = StructureSettings(names=("liver", "lesion"))
Explain = Callable[[bytes, bytes], frozenset[str]]
ALL = frozenset({"shape", "geometry", "values"})


@dataclass(frozen=True)
class Format:
    """How one format is fuzzed.

    Parameters
    ----------
    make
        Write a small archive into a folder and return the file to damage.
    header_end
        Given the good file, where its pixels begin.
    explain
        Given the good and the changed file: which of shape, geometry and values the changed one says differently. None
        for formats whose check sums let no change pass.
    mask
        Whether the file is a mask, read with `read_mask`.
    raw
        Whether its body is raw pixels.
    """

    make: Callable[[Path], Path]
    header_end: Callable[[bytes], int]
    explain: Explain | None
    mask: bool = False
    raw: bool = False


# ---------------------------------------------------------------- DICOM

SAYS_SHAPE = {"Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "TransferSyntaxUID", "ImageType"}
SAYS_GEOMETRY = {
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "SOPClassUID",
    "MediaStorageSOPClassUID",
}
SAYS_VALUES = {
    "RescaleSlope",
    "RescaleIntercept",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "BitsStored",
    "HighBit",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelData",
    "PlanarConfiguration",
    "Modality",
    "SegmentSequence",
    "SegmentationType",
    "FloatPixelData",
}


def explain_dicom(good: bytes, changed: bytes) -> frozenset[str]:
    """Compare elements as pydicom reads them; an element that is gone or new is a difference."""
    one, two = _elements(good), _elements(changed)
    differing = {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}
    # An unknown element that appeared may have swallowed or replaced another.
    says = {"shape": SAYS_SHAPE, "geometry": SAYS_GEOMETRY, "values": SAYS_VALUES}
    return frozenset(what for what, names in says.items() if differing & names)


def _elements(data: bytes) -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(BytesIO(data), force=True)
        return {_name(tag): _value(part, tag) for part in (dataset.file_meta, dataset) for tag in list(part.keys())}


def _name(tag: BaseTag) -> str:
    return keyword_for_tag(tag) or str(tag)


def _value(dataset: Dataset, tag: BaseTag) -> str:
    try:
        element = dataset[tag]
        if element.VR != "SQ":
            return repr(element.value)
        # A sequence's own representation tells its length alone.
        return str([[(_name(inner), _value(part, inner)) for inner in list(part.keys())] for part in element.value])
    except Exception as error:  # noqa: BLE001 - what cannot be read as the good file's value is another value
        return type(error).__name__


def _one_slice(rows: int = 8, columns: int = 9, **tags: Any) -> Dataset:
    dataset = ct_slice(stored_volume(1, rows, columns)[0], (-10.0, -20.0, 100.0), **tags)
    dataset.BurnedInAnnotation = "NO"
    return dataset


def _dicom(folder: Path) -> Path:
    return save(folder / "a.dcm", _one_slice())


def _compressed(syntax: str, folder: Path) -> Path:
    dataset = _one_slice(32, 33, PixelRepresentation=0, BitsStored=12, HighBit=11)
    dataset.compress(syntax)
    return save(folder / "a.dcm", dataset)


def _jpeg_dicom(folder: Path) -> Path:
    pixels = (stored_volume(1, 16, 16)[0] // 8).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    dataset = ct_slice(pixels, (0, 0, 0), BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return save(folder / "a.dcm", dataset)


def _multi_frame(folder: Path) -> Path:
    dataset = ct_slice(stored_volume(3, 8, 9), (0, 0, 0), NumberOfFrames=3, ImagePositionPatient=None)
    for name in ("ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope", "RescaleIntercept"):
        del dataset[name]
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=list(AXIAL))],
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=2.0)],
            PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=-1024)],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[0.0, 0.0, 2.0 * number])]) for number in range(3)
    ]
    return save(folder / "a.dcm", dataset)


def _seg(folder: Path) -> Path:
    save(folder / "image.dcm", _one_slice())
    seen = np.zeros((8, 9), dtype=bool)
    seen[2:5, 3:6] = True
    position = (-10.0, -20.0, 100.0)
    mask = segmentation([(1, position, seen), (2, position, ~seen)], {1: "liver", 2: "lesion"})
    mask.ReferencedSeriesSequence = [item(SeriesInstanceUID=uid("series"))]
    return save(folder / "mask.dcm", mask)


def _dicom_pixels(data: bytes) -> int:
    return data.rindex(b"\xe0\x7f\x10\x00")


# ---------------------------------------------------------------- formats of fixed places

NIFTI_PLACES = (
    (0, 4, ALL),  # length of the header, which tells the byte order
    (40, 56, ALL),  # dimensions
    (70, 74, ALL),  # type of the voxels
    (76, 108, frozenset({"geometry", "values"})),  # edges of the voxels
    (108, 112, frozenset({"values"})),  # where they begin
    (112, 120, frozenset({"values"})),  # slope and intercept
    (123, 124, frozenset({"geometry", "values"})),  # unit of lengths
    (252, 328, frozenset({"geometry", "values"})),  # the two affines
    (344, 348, ALL),  # magic
    (352, 1 << 40, frozenset({"values"})),
)
BMP_PLACES = ((0, 1078, ALL), (1078, 1 << 40, frozenset({"values"})))  # header and palette: grey or colour


def explain_places(places: tuple[tuple[int, int, frozenset[str]], ...], good: bytes, changed: bytes) -> frozenset[str]:
    """Tell by places: where bytes differ, and what stands there."""
    return frozenset().union(*(says for start, end, says in places if good[start:end] != changed[start:end]))


def _nifti(name: str, folder: Path) -> Path:
    turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn * (-0.5, -0.75, 2.0)
    affine[:3, 3] = (7.0, 3.0, -9.0)
    return write_nifti(
        folder / name, stored_volume(4, 6, 5), affine, scale=None if name.endswith("gz") else (2.0, -9.0)
    )


# ---------------------------------------------------------------- pictures


def explain_jpeg(good: bytes, changed: bytes) -> frozenset[str]:
    """The frame header tells the shape, anything else the values."""
    return ALL if _frame_header(good) != _frame_header(changed) else _values_if(good != changed)


def _values_if(changed: bool) -> frozenset[str]:
    return frozenset({"values"} if changed else ())


def _frame_header(data: bytes) -> bytes:
    for mark in range(0xC0, 0xC3):
        place = data.find(bytes((0xFF, mark)))
        if place >= 0:
            return data[place : place + 11]
    return b""


def explain_tiff(good: bytes, changed: bytes) -> frozenset[str]:
    """Tags that Pillow reads differently: width and height (256, 257) tell the shape, all others the values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = _tags(good), _tags(changed)
    return ALL if any(one.get(tag) != two.get(tag) for tag in (256, 257)) else _values_if(good != changed)


def _tags(data: bytes) -> dict[int, Any]:
    found: dict[int, Any] = {}
    try:
        with Image.open(BytesIO(data)) as picture:
            tags = getattr(picture, "tag_v2", {})
            for tag in list(tags):
                found[tag] = None  # what cannot be read as the good file's value is another value
                found[tag] = tags[tag]
    except Exception:  # noqa: BLE001, S110 - a damaged file, whose tags up to here are compared
        pass
    return found


def _picture(name: str, folder: Path, bits: int = 8, **options: Any) -> Path:
    rng = np.random.default_rng(bits)
    pixels = rng.integers(0, 1 << bits, (16, 20)).astype(np.uint8 if bits == 8 else np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name, **options)
    return folder / name


def explain_npy(good: bytes, changed: bytes) -> frozenset[str]:
    """The header, a line of text, tells everything but the numbers behind it."""
    return ALL if good[:128] != changed[:128] else _values_if(good != changed)


def _npy(folder: Path) -> Path:
    np.save(folder / "a.npy", stored_volume(3, 6, 5).astype(np.uint8))
    return folder / "a.npy"


def explain_nrrd(good: bytes, changed: bytes) -> frozenset[str]:
    """The header, lines of text, tells everything but the numbers behind it; packed ones have a check sum."""
    end = _nrrd_pixels(good)
    if good[:end] != changed[:end]:
        return ALL
    return _values_if(b"encoding: raw" in good and good != changed)


def _nrrd_pixels(data: bytes) -> int:
    return data.index(b"\n\n") + 2


def _nrrd(encoding: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pynrrd.write(str(folder / "a.nrrd"), stored_volume(4, 6, 5), NRRD_GRID | {"encoding": encoding})
    return folder / "a.nrrd"


def _seg_nrrd(folder: Path) -> Path:
    _nrrd("raw", folder)
    labels = np.random.default_rng(3).integers(0, 3, (4, 6, 5)).astype(np.uint8)
    named = {"Segment0_Name": "liver", "Segment0_LabelValue": "1", "Segment0_Layer": "0", "Segment1_Name": "lesion"}
    named |= {"Segment1_LabelValue": "2", "Segment1_Layer": "0", "encoding": "gzip"}
    # Named as a mask, so that it stays one when the damage takes its segments.
    pynrrd.write(str(folder / "labels.nii.nrrd"), labels, NRRD_GRID | named)
    return folder / "labels.nii.nrrd"


def _at(place: int, _data: bytes) -> int:
    return place


NRRD_GRID: dict[str, Any] = {
    "space": "left-posterior-superior",
    "space directions": [[0.48, 0.14, 0.0], [-0.21, 0.72, 0.0], [0.0, 0.0, 2.0]],
    "space origin": [7.0, 3.0, -9.0],
}

FORMATS: dict[str, Format] = {
    "dicom": Format(_dicom, _dicom_pixels, explain_dicom, raw=True),
    "dicom-frames": Format(_multi_frame, _dicom_pixels, explain_dicom, raw=True),
    "dicom-rle": Format(partial(_compressed, RLELossless), _dicom_pixels, explain_dicom),
    "dicom-jpeg2000": Format(partial(_compressed, JPEG2000Lossless), _dicom_pixels, explain_dicom),
    "dicom-jpegls": Format(partial(_compressed, JPEGLSLossless), _dicom_pixels, explain_dicom),
    "dicom-jpeg": Format(_jpeg_dicom, _dicom_pixels, explain_dicom),
    "dicom-seg": Format(_seg, _dicom_pixels, explain_dicom, mask=True),
    "nifti": Format(partial(_nifti, "a.nii"), partial(_at, 352), partial(explain_places, NIFTI_PLACES), raw=True),
    "nifti-gz": Format(partial(_nifti, "a.nii.gz"), partial(_at, 20), None),
    "png": Format(partial(_picture, "a.png"), partial(_at, 41), None),
    "png-16": Format(partial(_picture, "a.png", bits=16), partial(_at, 41), None),
    "jpeg": Format(partial(_picture, "a.jpg", quality=95), partial(_at, 200), explain_jpeg),
    "tiff": Format(partial(_picture, "a.tif", bits=16), partial(_at, 200), explain_tiff),
    "tiff-lzw": Format(partial(_picture, "a.tif", compression="tiff_lzw"), partial(_at, 200), explain_tiff),
    "nrrd": Format(partial(_nrrd, "raw"), _nrrd_pixels, explain_nrrd, raw=True),
    "nrrd-gz": Format(partial(_nrrd, "gzip"), _nrrd_pixels, explain_nrrd),
    "nrrd-bzip2": Format(partial(_nrrd, "bzip2"), _nrrd_pixels, explain_nrrd),
    "nrrd-seg": Format(_seg_nrrd, _nrrd_pixels, explain_nrrd, mask=True),
    "npy": Format(_npy, partial(_at, 128), explain_npy, raw=True),
    "bmp": Format(partial(_picture, "a.bmp"), partial(_at, 1078), partial(explain_places, BMP_PLACES)),
}
