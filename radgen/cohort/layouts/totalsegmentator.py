"""TotalSegmentator: the data set, and what the program writes, as label maps of other archives.

- Data set: `<case>/{ct,mri}.nii.gz` and `<case>/segmentations/<structure>.nii.gz`, one binary file per structure.
  `meta.csv` (semicolons) gives the split and the kind of study of each case.
- Output of the program: one file of label numbers per case (`<case>.nii.gz`, or any name in a folder of the case), a
  folder of the case with one binary file per structure, or a DICOM SEG.

A folder holds one file per structure if one of its files is called as a structure of the tasks total or total_mr.

Source: Wasserthal et al., Radiology: Artificial Intelligence 2023, doi 10.1148/ryai.230024; Zenodo record 10047292.
Licence: CC BY 4.0 (data set), Apache 2.0 (program; some tasks need a licence of their own).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_lines

SIDED = (
    "kidney adrenal_gland kidney_cyst subclavian_artery common_carotid_artery brachiocephalic_vein iliac_artery "
    "iliac_vena humerus scapula clavicula femur hip gluteus_maximus gluteus_medius gluteus_minimus autochthon "
    "iliopsoas lung lung_upper_lobe lung_middle_lobe lung_lower_lobe"
)
SINGLE = (
    "spleen gallbladder liver stomach pancreas esophagus trachea thyroid_gland small_bowel duodenum colon "
    "urinary_bladder prostate sacrum heart aorta pulmonary_vein brachiocephalic_trunk atrial_appendage_left "
    "superior_vena_cava inferior_vena_cava portal_vein_and_splenic_vein spinal_cord brain skull sternum "
    "costal_cartilages vertebrae intervertebral_discs vertebrae_S1"
)
NUMBERED = {"vertebrae_L": 5, "vertebrae_T": 12, "vertebrae_C": 7, "rib_left_": 12, "rib_right_": 12}
# Names that stand for structures, never for cases.
STRUCTURES = frozenset(
    [
        *SINGLE.split(),
        *(f"{name}_{side}" for name in SIDED.split() for side in ("left", "right")),
        *(f"{name}{number}" for name, count in NUMBERED.items() for number in range(1, count + 1)),
    ]
)
IMAGE = re.compile(r"(?:.*/)?(?P<case>[^/]+)/(?P<name>ct|mri)\.nii(?:\.gz)?")
MASK = re.compile(r"(?P<folder>(?:.*/)?)(?P<name>[^/]+?)\.(?:nii(?:\.gz)?|nrrd|dcm)")
MODALITIES = {"ct": "CT", "mri": "MR"}
SPLITS = ("train", "val", "test")


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say what each file is; the data set names no persons, so each of its cases counts as one.

    Parameters
    ----------
    root
        For its `meta.csv`.
    paths
        Of the archive's files.
    """
    tables = [read_lines(root, path, separators=";,") for path in paths if PurePosixPath(path).name == "meta.csv"]
    rows = [dict(zip(table[0], row, strict=False)) for table in tables if table for row in table[1:]]
    about = {row.get("image_id", ""): row for row in rows}
    # A file `ct.nii.gz` without structures beside it is no image of the data set but somebody's label map of one.
    cases = {str(folder.parent) for path in paths if (folder := PurePosixPath(path).parent).name == "segmentations"}
    facts = {
        path: _image(found, about)
        for path in paths
        if (found := IMAGE.fullmatch(path)) and str(PurePosixPath(path).parent) in cases
    }
    others = {path: found for path in paths if path not in facts and (found := MASK.fullmatch(path))}
    binary = {found["folder"] for found in others.values() if found["name"] in STRUCTURES}
    return facts | {path: _mask(found, binary) for path, found in others.items()}


def _image(found: re.Match[str], about: Mapping[str, Mapping[str, str]]) -> FileFacts:
    case, modality = found["case"], MODALITIES[found["name"]]
    row = about.get(case, {})
    split = row.get("split", "")
    study = row.get("study_type", "").strip().lower()
    return FileFacts(
        patient=case,
        case=case,
        modality=modality,
        class_value="/".join(part for part in (modality, study) if part),
        split=split if split in SPLITS else "",
    )


def _mask(found: re.Match[str], binary: set[str]) -> FileFacts:
    folder = PurePosixPath(found["folder"])
    case = folder.parent.name if folder.name == "segmentations" else folder.name
    return FileFacts(role="mask", case=case, label=found["name"] if found["folder"] in binary else "")
