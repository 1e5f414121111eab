"""Plant identifiers in the phantom archive of a study, so that the whole study can be searched for them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pydicom

from tests.privacy.planted_archive import AGE, DATE_FORMS, name_of, plant_tags, planted

# Text fields of a NIfTI-1 header: db_name, descrip, aux_file, intent_name.
NIFTI_TEXT = {"Db": (14, 32), "Descrip": (148, 228), "Aux": (228, 252), "Intent": (328, 344)}


def needles() -> tuple[str, ...]:
    """Return what is searched for; the age's four bytes would be met by chance in so many bytes of images."""
    return (*(text for text in planted() if text != AGE), *DATE_FORMS)


def plant_phantom(archive: Path) -> int:
    """Name people in tags, headers, folders and file names of a phantom archive; return how many files were changed."""
    changed = 0
    for number, home in enumerate(sorted(archive.glob("PHANTOM-*"))):
        named = home.rename(archive / name_of(f"-Jane-{number:04d}"))
        for path in sorted(named.rglob("*")):
            if path.suffix == ".dcm":
                dataset = plant_tags(pydicom.dcmread(path))
                dataset.PatientID = name_of(f"Id{number}")
                dataset.save_as(path)
                path.rename(path.with_name(f"{name_of('File')}-{path.name}"))
            elif path.name.endswith(".nii.gz"):
                header = bytearray(gzip.decompress(path.read_bytes()))
                for field, (start, end) in NIFTI_TEXT.items():
                    header[start:end] = name_of(field).encode()[: end - start].ljust(end - start, b"\0")
                path.write_bytes(gzip.compress(bytes(header)))
            changed += path.is_file() or path.suffix == ".dcm"
    (archive / f"{name_of('Notes')}.txt").write_text(f"seen by {name_of('Reader')}\n")
    return changed
