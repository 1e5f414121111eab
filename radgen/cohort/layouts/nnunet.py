"""Medical Segmentation Decathlon (MSD) and nnU-Net raw data: `imagesTr`, `labelsTr`, `imagesTs`, `dataset.json`.

An archive is one data set, or a folder of several (`Task04_Hippocampus`, `Dataset001_BrainTumour`). The channel at the
end of an image's name (`_0000`, `_0001`, ...) is one where a label map or `dataset.json` says so; MSD keeps channels
in one 4-D file, of which `inventory.repeats` uses the first or all. `dataset.json` names channels (`channel_names`, or
`modality`), which tell the modality; its `dataset` may name files outside these folders. Fold 0 of a
`splits_final.json` beside it makes train and val, `imagesTs` is test. Labels keep their numbers. Nobody is named: who
is a patient, another setting must say (`inventory.patient_from: table` or `regex`).

Source: Antonelli et al., Nature Communications 2022, doi 10.1038/s41467-022-30695-9 (MSD, medicaldecathlon.com, licence
CC BY-SA 4.0); Isensee et al., Nature Methods 2021 (nnU-Net; its documentation describes the format).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_json

ENDINGS = r"(?:\.nii\.gz|\.nii|\.nrrd|\.png|\.tiff?|\.bmp|\.jpe?g)"
FILE = re.compile(rf"(?P<set>(?:.*/)?)(?P<kind>images|labels)(?P<part>Tr|Ts)/(?P<name>[^/]+?){ENDINGS}")
CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
# What channels are called in dataset.json, in lower case.
MR_NAMES = re.compile(r"(mr.*|.*t1.*|.*t2.*|flair|adc|dwi|dce.*|pd)")
MODALITIES = {"ct": "CT", "pet": "PT", "suv": "PT", "us": "US", "ultrasound": "US"}


@dataclass
class _DataSet:
    """What is known of one data set: its folder with a slash at the end, or nothing."""

    folder: str
    channels: Mapping[str, object] = field(default_factory=dict)
    name: str = ""
    files: Mapping[str, object] = field(default_factory=dict)
    split_of: Mapping[str, str] = field(default_factory=dict)
    labelled: set[str] = field(default_factory=set)


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say what each file is; patients stay unknown.

    Parameters
    ----------
    root
        For `dataset.json` and `splits_final.json`.
    paths
        Of the archive's files.

    Raises
    ------
    InputError
        One of those is no JSON.
    """
    known = set(paths)
    found = {path: match for path in paths if (match := FILE.fullmatch(path))}
    folders = {match["set"] for match in found.values()} | {
        path.removesuffix("dataset.json") for path in paths if PurePosixPath(path).name == "dataset.json"
    }
    sets = {folder: _read_set(root, folder, known) for folder in folders}
    for match in found.values():
        if match["kind"] == "labels":
            sets[match["set"]].labelled.add(match["name"])
    facts = {path: _of_match(match, sets[match["set"]]) for path, match in found.items()}
    for data_set in sets.values():
        facts |= {path: fact for path, fact in _listed(data_set) if path in known}
    return facts


def _read_set(root: Path, folder: str, known: Iterable[str]) -> _DataSet:
    about = read_json(root, f"{folder}dataset.json") if f"{folder}dataset.json" in known else {}
    folds = read_json(root, f"{folder}splits_final.json") if f"{folder}splits_final.json" in known else []
    about = about if isinstance(about, dict) else {}
    return _DataSet(
        folder=folder,
        channels=_mapping(about.get("channel_names")) or _mapping(about.get("modality")),
        name=str(about.get("name") or PurePosixPath(folder).name),
        files=_mapping(about.get("dataset")),
        split_of=_first_fold(folds),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _first_fold(folds: object) -> dict[str, str]:
    fold = _mapping(folds[0]) if isinstance(folds, list) and folds else {}
    lists = {split: fold.get(split) for split in ("train", "val")}
    return {str(case): split for split, cases in lists.items() if isinstance(cases, list) for case in cases}


def _of_match(match: re.Match[str], data_set: _DataSet) -> FileFacts:
    name, part = match["name"], match["part"]
    if match["kind"] == "labels":
        return FileFacts(role="mask", case=f"{data_set.folder}{part}/{name}")
    case, channel = _case_and_channel(name, data_set)
    split = "test" if part == "Ts" else data_set.split_of.get(case, "" if data_set.split_of else "train")
    return _image(data_set, f"{data_set.folder}{part}/{case}", channel, split)


def _case_and_channel(name: str, data_set: _DataSet) -> tuple[str, int | None]:
    """Tell case and channel apart: `x_0001` is a channel of `x`, unless there is a label map `x_0001`."""
    found = CHANNEL.fullmatch(name)
    if found is None or name in data_set.labelled:
        return name, None
    is_channel = found["case"] in data_set.labelled or str(int(found["channel"])) in data_set.channels
    return (found["case"], int(found["channel"])) if is_channel else (name, None)


def _listed(data_set: _DataSet) -> Iterable[tuple[str, FileFacts]]:
    """Describe the files that `dataset` in dataset.json names one by one, relative to its folder."""
    for case, entry in data_set.files.items():
        images, label = _mapping(entry).get("images"), _mapping(entry).get("label")
        key = f"{data_set.folder}listed/{case}"
        split = data_set.split_of.get(case, "" if data_set.split_of else "train")
        for channel, image in enumerate(images if isinstance(images, list) else ()):
            yield posixpath.normpath(data_set.folder + str(image)), _image(data_set, key, channel, split)
        if label:
            yield posixpath.normpath(data_set.folder + str(label)), FileFacts(role="mask", case=key)


def _image(data_set: _DataSet, case: str, channel: int | None, split: str) -> FileFacts:
    called = str(data_set.channels.get(str(channel or 0), "")).strip().lower()
    modality = "MR" if MR_NAMES.fullmatch(called) else MODALITIES.get(called, "")
    words = [word for word in (modality, data_set.name.strip().lower()) if word]
    return FileFacts(case=case, channel=channel, modality=modality, class_value="/".join(words), split=split)
