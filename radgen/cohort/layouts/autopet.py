"""AutoPET: whole-body FDG and PSMA PET/CT with outlines of tumour lesions.

Two releases are told apart by their names.

- FDG-PET-CT-Lesions as NIfTI: `PETCT_<patient>/<study>/{CT,CTres,PET,SUV,SEG}.nii.gz`. CTres (the CT on the grid of the
  PET) and SUV are images, SEG is the mask of both. CT and PET show the same again, on another grid and in raw counts:
  they are set aside.
- The nnU-Net-like release of later challenges: `imagesTr/<tracer>_<patient>_<study>_0000.nii.gz` is the CT, `_0001`
  the SUV, `labelsTr/<tracer>_<patient>_<study>.nii.gz` the mask.

The one label of a mask is called lesion. Of a flat release `inventory.channel` chooses the channel.

Source: The Cancer Imaging Archive, collections FDG-PET-CT-Lesions and PSMA-PET-CT-Lesions (Gatidis et al., Scientific
Data 2022); the flat release is PSMA-FDG-PET-CT-Lesions of the University of Tuebingen's archive FDAT. Licences are on
the collections' pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radgen.cohort.layouts import FileFacts

LESION = "lesion"
ANATOMY = "WHOLEBODY"
STUDY_FILE = re.compile(r"(?:.*/)?(?P<case>(?P<patient>PETCT_[^/]+)/[^/]+)/(?P<name>CTres|SUV|SEG)\.nii(?:\.gz)?")
FLAT_FILE = re.compile(
    r"(?:.*/)?(?P<kind>images|labels)(?P<part>Tr|Ts)/"
    r"(?P<case>(?P<patient>(?:fdg|psma|PETCT)_[^_/]+)_[^/]+?)(?:_(?P<channel>\d{4}))?\.nii(?:\.gz)?"
)
MODALITIES = {"CTres": "CT", "SUV": "PT", "0000": "CT", "0001": "PT"}


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say what each file is; who is a patient is in the names.

    Parameters
    ----------
    root
        Not looked at: names say everything.
    paths
        Of the archive's files.
    """
    del root
    facts = {path: _of_study(found) for path in paths if (found := STUDY_FILE.fullmatch(path))}
    flat = {path: _of_flat(found) for path in paths if (found := FLAT_FILE.fullmatch(path))}
    return facts | {path: fact for path, fact in flat.items() if fact is not None}


def _of_study(found: re.Match[str]) -> FileFacts:
    patient, case, name = found["patient"], found["case"], found["name"]
    if name == "SEG":
        return FileFacts(role="mask", patient=patient, case=case, label=LESION)
    return _image(MODALITIES[name], patient, case)


def _of_flat(found: re.Match[str]) -> FileFacts | None:
    patient, case, channel = found["patient"], found["case"], found["channel"]
    if found["kind"] == "labels" and channel is None:
        return FileFacts(role="mask", patient=patient, case=case, label=LESION)
    if found["kind"] == "images" and channel in MODALITIES:
        image = _image(MODALITIES[channel], patient, case)
        return replace(image, channel=int(channel), split="test" if found["part"] == "Ts" else "train")
    return None


def _image(modality: str, patient: str, case: str) -> FileFacts:
    return FileFacts(
        patient=patient, case=case, modality=modality, anatomy=ANATOMY, class_value=f"{modality}/{ANATOMY.lower()}"
    )
