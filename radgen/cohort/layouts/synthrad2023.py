"""SynthRAD2023: MR or cone-beam CT with the CT of the same patient on one grid, for making the CT from the other.

`Task1/<brain|pelvis>/<patient>/{mr,ct,mask}.nii.gz` and `Task2/<brain|pelvis>/<patient>/{cbct,ct,mask}.nii.gz`; the
patients of the challenge's validation and test parts lack the CT. The mask is the outline of the body: its one label is
called body. Folders `overview` hold tables and pictures, which are set aside.

Source: Thummerer et al., Medical Physics 2023, doi 10.1002/mp.16529; Zenodo record 7260705. Licence: CC BY-NC 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from radgen.cohort.layouts import FileFacts

BODY = "body"
FILE = re.compile(
    r"(?:.*/)?(?:Task(?P<task>[12])/)?(?P<anatomy>brain|pelvis)/(?P<patient>[^/]+)/(?P<name>ct|mr|cbct|mask)\.nii(?:\.gz)?"
)
# A cone-beam CT is a CT to DICOM; its values are not Hounsfield units one can rely on.
MODALITIES = {"ct": "CT", "mr": "MR", "cbct": "CBCT"}


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say what each file is; a patient's folder is the patient and the case.

    Parameters
    ----------
    root
        Its name says the anatomy where the archive is a folder `brain` or `pelvis` itself.
    paths
        Of the archive's files.
    """
    return {path: _facts(found) for path in paths if (found := FILE.fullmatch(f"{root.name}/{path}"))}


def _facts(found: re.Match[str]) -> FileFacts:
    patient, name, anatomy = found["patient"], found["name"], found["anatomy"].upper()
    if name == "mask":
        return FileFacts(role="mask", patient=patient, case=patient, label=BODY)
    modality = MODALITIES[name]
    return FileFacts(
        patient=patient, case=patient, modality=modality, anatomy=anatomy, class_value=f"{modality}/{anatomy.lower()}"
    )
