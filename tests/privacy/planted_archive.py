"""An archive that names people in every place that holds text, damaged files included, and the names that were planted.

Use `plant_volumes` or `plant_pictures` for an archive, and `search.leaks` for what of it shows elsewhere.
"""

from __future__ import annotations

import copy
import functools
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Extension
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from tests.cohort.toys import ct_slice, item, save, segmentation, stored_volume, uid

NAME = "Zwyrtek"  # in every name; each place has its own ending, so that a leak tells where it came from
DATE, TIME, AGE = "19470311", "031459.265358", "093Y"
WHOLE, DECIMAL, PRIVATE_UID = "918273645", "77.12345678", "1.2.999.271828182845"
UMLAUT = "Zwyrteküß"
# What decides how a file is read, so that a planted value would only make another refusal; those have own files.
STRUCTURE = """
    SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID Modality
    PhotometricInterpretation ImageType SpecificCharacterSet ImagePositionPatient ImageOrientationPatient
    PixelSpacing SliceThickness SpacingBetweenSlices RescaleSlope RescaleIntercept NumberOfFrames InstanceNumber
    AcquisitionNumber ImagesInAcquisition NumberOfTemporalPositions TemporalPositionIdentifier EchoNumbers
    EchoTime ImagerPixelSpacing RescaleType BurnedInAnnotation LossyImageCompression PatientID DataSetType
    DataSetSubtype
"""
ALWAYS = """
    PatientName PatientBirthDate PatientAge PatientWeight StudyDate StudyTime StudyDescription SeriesDescription
    InstitutionName OperatorsName AccessionNumber ProtocolName StationName AcquisitionDateTime SeriesNumber
"""
PLANTED_BY_KIND = {"DA": DATE, "TM": TIME, "DT": DATE + TIME, "AS": AGE, "IS": WHOLE, "DS": DECIMAL, "UI": PRIVATE_UID}
TEXT_KINDS = frozenset({"PN", "LO", "SH", "ST", "LT", "UT", "UC", "UR", "AE", "CS"})


# The date as a person or a table might write it.
DATE_FORMS = ("1947-03-11", "11.03.1947", "1947/03/11")


def planted() -> tuple[str, ...]:
    """Return what was written into the archives, and must not be found anywhere else."""
    return (NAME, UMLAUT, DATE, TIME, AGE, WHOLE, DECIMAL, PRIVATE_UID)


def name_of(place: str) -> str:
    return f"{NAME}{place}"


# ---------------------------------------------------------------- DICOM


def plant_tags(dataset: Dataset, *, every: bool = False) -> Dataset:
    """Fill every tag of the dictionary that holds text, dates, identifiers or numbers as text, or each fortieth."""
    dataset.update(copy.deepcopy(_all_tags(1 if every else 40)))
    return dataset


@functools.cache
def _all_tags(step: int) -> Dataset:
    dataset = Dataset()
    structure = set(STRUCTURE.split())
    for number, (tag, (kind, _, _, retired, keyword)) in enumerate(sorted(DicomDictionary.items())):
        group = tag >> 16
        if group < 8 or group >= 0x5000 or retired == "Retired" or not keyword or keyword in structure:
            continue
        if number % step and keyword not in ALWAYS.split():
            continue
        short = kind.split(" ")[0]
        text = name_of(str(number))
        if short in TEXT_KINDS:
            value = text.upper() if short in {"CS", "AE"} else f"{text}^Jane" if short == "PN" else text
            setattr(dataset, keyword, value)
        elif short in PLANTED_BY_KIND:
            setattr(dataset, keyword, PLANTED_BY_KIND[short])
    dataset.PatientComments = UMLAUT
    dataset.OtherPatientIDsSequence = [item(PatientID=name_of("Nested"), PatientName=name_of("Nested2"))]
    block = dataset.private_block(0x0011, name_of("Creator"), create=True)
    block.add_new(1, "LO", name_of("Private"))
    block.add_new(2, "UN", name_of("Wide").encode("utf-16-le"))
    block.add_new(3, "OB", name_of("Bytes").encode())
    return dataset


def slice_of(number: int = 0, series: str = "good", **tags: Any) -> Dataset:
    """One planted CT slice; the tags given win over the planted ones."""
    pixels = stored_volume(4, 40, 40)[number]
    fixed: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "BodyPartExamined": name_of("Part").upper()[:16],
        "SeriesInstanceUID": f"{PRIVATE_UID}.{zlib.crc32(series.encode())}",
        "StudyInstanceUID": f"{PRIVATE_UID}.1",
        "ReferringPhysicianName": UMLAUT,
        "PatientID": name_of("Id"),
    } | tags
    every = series == "good0" and number == 0
    dataset = plant_tags(ct_slice(pixels, (0.0, 0.0, 2.0 * number), series=series), every=every)
    for keyword, value in fixed.items():
        if value is None and keyword in dataset:
            del dataset[keyword]
        elif value is not None:
            setattr(dataset, keyword, value)
    return dataset


def write_stack(folder: Path, series: str, count: int = 4, **tags: Any) -> list[Path]:
    return [save(folder / f"{name_of('File')}-{n}", slice_of(n, series, **tags)) for n in range(count)]


def _damaged(folder: Path) -> None:
    """Every kind of DICOM refusal, each of a file full of names."""
    whole = write_stack(folder / "cut", "cut")[0].read_bytes()
    (folder / f"{name_of('Cut')}.dcm").write_bytes(whole[:-100])
    (folder / f"{name_of('Head')}.dcm").write_bytes(whole[:700])
    (folder / f"{name_of('Garbage')}.dcm").write_bytes(whole[:200] + name_of("X").encode() * 300)
    (folder / f"{name_of('Foreign')}.bin").write_bytes(name_of("Foreign").encode() * 9)
    (folder / f"{name_of('Empty')}.dcm").touch()
    (folder / f"{name_of('Note')}.txt").write_text(name_of("Note"))
    with zipfile.ZipFile(folder / f"{name_of('Zip')}.zip", "w") as packed:
        packed.writestr(name_of("Inner"), name_of("Inner"))
    single: dict[str, dict[str, Any]] = {
        "colour": {"PhotometricInterpretation": name_of("Colour").upper()},
        "private": {"SOPClassUID": PRIVATE_UID, "Rows": None},
        "modality": {"Modality": name_of("Mod").upper()},
        "number": {"InstanceNumber": None, "RescaleSlope": None},
        "nowhere": {"ImagePositionPatient": None},
        "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "kind": {"ImageType": ["DERIVED", "SECONDARY", name_of("Type").upper()]},
        "burned": {"BurnedInAnnotation": "YES"},
        "ultrasound": {"Modality": "US"},
        "nobody": {"PatientID": None},
        "bits": {"BitsStored": 99},
    }
    for kind, tags in single.items():
        write_stack(folder / kind, kind, **tags)
    for path in write_stack(folder / "gap", "gap")[1:2]:
        path.unlink()
    save(folder / "tilt" / "a", slice_of(0, "tilt"))
    save(folder / "tilt" / "b", slice_of(1, "tilt", ImagePositionPatient=[0.0, 1.0, 2.0]))
    save(folder / "turned" / "a", slice_of(0, "turned"))
    save(folder / "turned" / "b", slice_of(1, "turned", ImageOrientationPatient=[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]))
    for syntax, kind in ((RLELossless, "rle"), (JPEG2000Lossless, "j2k")):
        dataset = slice_of(0, kind, PixelRepresentation=0)
        dataset.compress(syntax)
        path = save(folder / kind / "a", dataset)
        data = bytearray(path.read_bytes())
        start = data.rindex(b"\xe0\x7f\x10\x00") + 60
        data[start : start + 60] = name_of("Pixel").encode() * 5 + bytes(60 - 5 * len(name_of("Pixel")))
        path.write_bytes(data)


def plant_volumes(archive: Path) -> None:
    """DICOM and NIfTI of three people, a segmentation, and damaged files; the first folder names the patient."""
    for number in range(3):
        person = archive / name_of(f"Person{number}")
        write_stack(person / "a\nnew line", f"good{number}", PatientID=name_of(f"Id{number}"))
        _nifti(person / f"{name_of('Nifti')}.nii.gz", number)
    seen = np.ones((40, 40), dtype=bool)
    for label, kind in (("liver", "BINARY"), (name_of("Label"), "BINARY"), ("liver", name_of("Kind").upper())):
        mask = plant_tags(segmentation([(1, (0.0, 0.0, 0.0), seen)], {1: "liver"}))
        mask.SegmentSequence[0].SegmentLabel, mask.SegmentationType = label, kind
        mask.SegmentSequence[0].SegmentDescription = name_of("Described")
        mask.SOPInstanceUID = uid(label, kind)
        mask.ReferencedSeriesSequence = [item(SeriesInstanceUID=f"{PRIVATE_UID}.{zlib.crc32(b'good0')}")]
        save(archive / name_of("Person0") / f"mask-{label}-{kind}", mask)
    _damaged(archive / name_of("Person1") / "damaged")
    good = _nifti(archive / name_of("Person2") / f"{name_of('Cut')}.nii.gz", 9).read_bytes()
    (archive / name_of("Person2") / f"{name_of('Cut')}.nii.gz").write_bytes(good[: len(good) // 2])
    broken = bytearray(gzip.decompress(good))
    broken[40:56] = name_of("Dimension").encode()[:16].ljust(16)
    (archive / name_of("Person2") / f"{name_of('Shape')}.nii").write_bytes(broken)
    (archive / name_of("Person2") / f"{name_of('Link')}").symlink_to(f"/{name_of('Target')}")


def _nifti(path: Path, seed: int) -> Path:
    array = np.random.default_rng(seed).integers(0, 900, (40, 40, 5)).astype(np.int16)
    image = nib.Nifti1Image(array, np.diag([-1.0, -1.0, 2.0, 1.0]))
    for field in ("descrip", "aux_file", "db_name", "intent_name"):
        image.header[field] = name_of(field)[: image.header[field].dtype.itemsize or 10]
    image.header.extensions.append(Nifti1Extension("comment", name_of("Extension").encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


# ---------------------------------------------------------------- pictures


def plant_pictures(archive: Path) -> None:
    """PNG, JPEG, TIFF and NumPy files with names in their metadata, and damaged ones."""
    for number in range(4):
        person = archive / name_of(f"Person{number}")
        person.mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40)).astype(np.uint8)
        for path, data in _pictures(person, Image.fromarray(pixels)):
            path.write_bytes(data)
            if number == 3:  # damaged copies
                path.with_name(f"cut-{path.name}").write_bytes(data[: len(data) * 2 // 3])
                middle = len(data) // 2
                path.with_name(f"hurt-{path.name}").write_bytes(
                    data[:middle] + name_of("Y").encode() + data[middle + 9 :]
                )
    records = np.zeros(3, dtype=[(name_of("Field"), "<i4")])
    np.save(archive / name_of("Person0") / f"{name_of('Records')}.npy", records)


def _pictures(folder: Path, picture: Image.Image) -> Iterator[tuple[Path, bytes]]:
    exif = Image.Exif()
    for tag in (270, 271, 272, 305, 315, 33432):  # description, maker, model, software, artist, copyright
        exif[tag] = name_of(f"Exif{tag}")
    exif[306] = "1947:03:11 03:14:59"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", name_of("Text"))
    text.add_text(name_of("Key"), "x", zip=True)
    text.add_itxt("Author", UMLAUT, lang="de", tkey=name_of("Itxt"))
    options: dict[str, dict[str, Any]] = {
        "png": {"pnginfo": text, "exif": exif},
        "jpg": {"comment": name_of("JpegComment").encode(), "exif": exif, "quality": 95},
        "tif": {"description": name_of("Tiff"), "artist": name_of("Artist"), "date_time": "1947:03:11 03:14:59"},
        "bmp": {},
    }
    for suffix, more in options.items():
        stream = io.BytesIO()
        picture.save(stream, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()), **more)
        yield folder / f"{name_of('Picture')}.{suffix}", stream.getvalue()
