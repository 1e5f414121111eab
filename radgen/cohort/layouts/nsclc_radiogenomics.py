"""NSCLC-Radiogenomics, and any collection of The Cancer Imaging Archive (TCIA) as its downloader leaves it.

`<collection>/<patient>/<study>/<series>/*.dcm`, whatever the folders of study and series are called: UIDs, or the
classic names of the NBIA Data Retriever (date, description, last digits of the UID). CT, PET and DICOM SEG lie side by
side: a SEG goes to the series it references. `metadata.csv` is set aside, because the headers say the same. A clinical
table with the columns `Case ID` and `Histology ` (as `NSCLCR01Radiogenomic_DATA_LABELS_*.csv`) in the archive gives the
classes, such as CT/lung/adenocarcinoma.

Source: Bakr et al., Scientific Data 2018, doi 10.1038/sdata.2018.202; TCIA collection NSCLC Radiogenomics, doi
10.7937/K9/TCIA.2017.7hs46erv. Licence: CC BY 3.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_lines

ANATOMY = "LUNG"
PATIENT, CLASS = "case id", "histology"
UNKNOWN = ("", "not collected", "not recorded in database")
# Folders above a file: series, study, patient.
LEVELS = 3


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say whose each DICOM file is: the folder above study and series is the patient.

    Parameters
    ----------
    root
        For the clinical table.
    paths
        Of the archive's files.

    Raises
    ------
    InputError
        A CSV file of the archive is no table.
    """
    classes: dict[str, str] = {}
    for path in paths:
        if path.lower().endswith(".csv"):
            classes |= _read_classes(root, path)
    facts = {}
    for path in paths:
        folders = PurePosixPath(path).parts[:-1]
        if len(folders) >= LEVELS and path.lower().endswith(".dcm"):
            patient = folders[-LEVELS]
            facts[path] = FileFacts(
                patient=patient,
                anatomy=ANATOMY,
                class_value=f"/{ANATOMY.lower()}/{classes[patient]}" if patient in classes else "",
            )
    return facts


def _read_classes(root: Path, path: str) -> dict[str, str]:
    """Return patient to class, nothing where the table is another."""
    rows = read_lines(root, path)
    head = [cell.lower() for cell in rows[0]] if rows else []
    if PATIENT not in head or CLASS not in head:
        return {}
    who, what = head.index(PATIENT), head.index(CLASS)
    pairs = [(row[who], row[what].lower()) for row in rows[1:] if len(row) > max(who, what)]
    return {patient: name for patient, name in pairs if name not in UNKNOWN}
