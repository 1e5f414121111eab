"""BIDS, the Brain Imaging Data Structure: anatomical MR and PET, and label maps among the derivatives.

- Images: `sub-*/[ses-*/]anat/*.nii.gz` of any suffix (T1w, T2w, FLAIR, ...) and `pet/*_pet.nii.gz`. Functional,
  diffusion and field map series are set aside, and so are images among the derivatives.
- Label maps: `derivatives/**/sub-*/**/*_dseg.nii.gz` hold numbers; `*_label-<name>_mask.nii.gz` and
  `*_desc-<name>_mask.nii.gz` show one structure, called name. Where an image has a dseg its masks are not used, and of
  several dseg the only one without `desc`. Maps in a template's space (`space-MNI...`) are set aside.
- A map belongs to the image of its subject and session that shares its other entities: to the suffix that its `space`
  names, else to the T1w, else to the only image.

A subject is a patient. The class is MR/<suffix>, and after it the subject's `group` or `diagnosis` in
`participants.tsv`, where it has such a column.

Source: Gorgolewski et al., Scientific Data 2016, doi 10.1038/sdata.2016.44; bids-specification.readthedocs.io. The
licence is in each data set's `dataset_description.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_lines

FILE = re.compile(
    r"(?P<before>(?:.*/)?)(?P<patient>sub-[A-Za-z0-9]+)/(?:ses-[A-Za-z0-9]+/)?(?:(?P<kind>[a-z]+)/)?"
    r"(?P<entities>sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9+]+)*)_(?P<suffix>[A-Za-z0-9]+)\.nii(?:\.gz)?"
)
MODALITIES = {"anat": "MR", "pet": "PT"}
LABELS = ("dseg", "mask")
# Entities that tell label maps of one image apart, or are about the map alone.
ABOUT_MAPS = frozenset({"space", "desc", "label", "res", "den", "atlas", "seg", "hemi"})
OWN_SPACES = frozenset({"orig", "individual", "native", "scanner", "subject"})
GROUPS = ("group", "diagnosis")


@dataclass(frozen=True)
class _File:
    """One name of the archive, taken apart."""

    path: str
    patient: str
    kind: str
    entities: Mapping[str, str]
    suffix: str

    @property
    def shared(self) -> frozenset[tuple[str, str]]:
        """What an image and its label maps have in common."""
        return frozenset(pair for pair in self.entities.items() if pair[0] not in ABOUT_MAPS)


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say what each file is.

    Parameters
    ----------
    root
        For `participants.tsv`.
    paths
        Of the archive's files.

    Raises
    ------
    InputError
        `participants.tsv` is no table.
    """
    images, maps = [], []
    for path in paths:
        found = FILE.fullmatch(path)
        if found is None:
            continue
        derived = "derivatives" in PurePosixPath(path).parts
        file = _File(path, found["patient"], found["kind"] or "", _entities(found["entities"]), found["suffix"])
        if file.suffix in LABELS:
            maps.append(file)
        elif file.kind in MODALITIES and not derived:
            images.append(file)
    groups = _groups(root) if "participants.tsv" in paths else {}
    facts = {file.path: _image(file, groups) for file in images}
    alike: dict[frozenset[tuple[str, str]], list[_File]] = {}
    for file in images:
        alike.setdefault(file.shared, []).append(file)
    of_image: dict[str, list[_File]] = {}
    for file in maps:
        image = _image_of(file, alike.get(file.shared, []))
        if image is not None:
            of_image.setdefault(image, []).append(file)
    for image, found_maps in of_image.items():
        facts |= {file.path: _map(file, image) for file in _chosen(found_maps)}
    return facts


def _entities(text: str) -> dict[str, str]:
    pairs = (part.split("-", 1) for part in text.split("_"))
    return {pair[0]: pair[1] for pair in pairs}


def _groups(root: Path) -> dict[str, str]:
    """Return what participants.tsv says of each subject."""
    rows = read_lines(root, "participants.tsv", separators="\t")
    head = [cell.lower() for cell in rows[0]] if rows else []
    columns = [head.index(name) for name in GROUPS if name in head]
    if "participant_id" not in head or not columns:
        return {}
    who, what = head.index("participant_id"), columns[0]
    pairs = [(row[who], row[what]) for row in rows[1:] if len(row) > max(who, what)]
    return {patient: group.lower() for patient, group in pairs if group and group.lower() != "n/a"}


def _image(file: _File, groups: Mapping[str, str]) -> FileFacts:
    modality = MODALITIES[file.kind]
    words = [modality, file.suffix, groups.get(file.patient, "")]
    return FileFacts(
        patient=file.patient,
        modality=modality,
        case=PurePosixPath(file.path).name.partition(".")[0],
        class_value="/".join(word for word in words if word),
    )


def _image_of(file: _File, alike: Sequence[_File]) -> str | None:
    """Return the path of the image, of those with the same entities, that a label map belongs to."""
    space = file.entities.get("space", "orig")
    fits = [image for image in alike if space in OWN_SPACES or image.suffix == space]
    fits = [image for image in fits if image.suffix == "T1w"] or fits
    return fits[0].path if len(fits) == 1 else None


def _chosen(maps: Sequence[_File]) -> Sequence[_File]:
    """Return the label maps of one image that may be laid over each other."""
    numbered = [file for file in maps if file.suffix == "dseg"]
    if not numbered:
        return [file for file in maps if _label(file)]
    plain = [file for file in numbered if "desc" not in file.entities]
    best = numbered if len(numbered) == 1 else plain
    return best if len(best) == 1 else ()


def _label(file: _File) -> str:
    return file.entities.get("label") or file.entities.get("desc") or ""


def _map(file: _File, image: str) -> FileFacts:
    return FileFacts(
        role="mask", patient=file.patient, mask_of=image, label=_label(file) if file.suffix == "mask" else ""
    )
