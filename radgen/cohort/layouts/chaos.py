"""CHAOS: abdominal CT and MR of healthy people as DICOM, with the labels of each slice in a picture.

- CT: `<Train_Sets|Test_Sets>/CT/<n>/DICOM_anon/*.dcm`, labels `CT/<n>/Ground/*.png`. A picture belongs to the slice of
  the same place in the order of file names. White is the liver.
- MR: `MR/<n>/T1DUAL/DICOM_anon/{InPhase,OutPhase}/*.dcm` with `T1DUAL/Ground/*.png`, and `T2SPIR/DICOM_anon/*.dcm` with
  `T2SPIR/Ground/*.png`. A picture belongs to the slice of the same name, else of the same place in the order. Both
  phases of a T1 were taken at once and share the labels. Grey 63 is the liver, 126 the right and 189 the left kidney,
  252 the spleen.

A picture's rows and columns are those of the DICOM image. Each folder is one series, whatever UIDs the anonymiser left.
CT and MR are of different people, so patients are called CT-<n> and MR-<n>. The test part has no labels.

Source: Kavur et al., Medical Image Analysis 2021, doi 10.1016/j.media.2020.101950; Zenodo record 3431873. Licence: CC
BY-NC-SA 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts

ANATOMY = "ABDOMEN"
SPLITS = {"Train_Sets": "train", "Test_Sets": "test"}
FILE = re.compile(
    r"(?P<stack>(?:.*?/)??(?:(?P<part>Train_Sets|Test_Sets)/)?(?P<modality>CT|MR)/(?P<number>\d+)"
    r"(?:/(?P<sequence>T1DUAL|T2SPIR))?)/"
    r"(?:DICOM_anon/(?:(?P<phase>InPhase|OutPhase)/)?[^/]+\.dcm|(?P<ground>Ground)/[^/]+\.png)"
)


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say what each file is, and which slice each picture of labels belongs to.

    Parameters
    ----------
    root
        Not looked at: names say everything.
    paths
        Of the archive's files.
    """
    del root
    facts: dict[str, FileFacts] = {}
    slices: dict[str, dict[str, list[str]]] = {}
    grounds: dict[str, list[str]] = {}
    for path in sorted(paths):
        found = FILE.fullmatch(path)
        if found is None:
            continue
        if found["ground"]:
            grounds.setdefault(found["stack"], []).append(path)
        else:
            slices.setdefault(found["stack"], {}).setdefault(found["phase"] or "", []).append(path)
        facts[path] = _facts(found, path)
    for stack, pictures in grounds.items():
        facts |= _placed(facts, pictures, slices.get(stack, {}))
    return facts


def _facts(found: re.Match[str], path: str) -> FileFacts:
    patient, modality = f"{found['modality']}-{found['number']}", found["modality"]
    if found["ground"]:
        label = "liver" if modality == "CT" else ""
        return FileFacts(role="mask", patient=patient, mask_kind="picture_stack", label=label)
    kind = "-".join(word.lower() for word in (found["sequence"], found["phase"]) if word)
    return FileFacts(
        patient=patient,
        modality=modality,
        anatomy=ANATOMY,
        series=str(PurePosixPath(path).parent),
        class_value="/".join(word for word in (modality, ANATOMY.lower(), kind) if word),
        split=SPLITS.get(found["part"] or "", ""),
    )


def _placed(
    facts: Mapping[str, FileFacts], pictures: Sequence[str], phases: Mapping[str, Sequence[str]]
) -> dict[str, FileFacts]:
    """Give each picture of labels its slice in every phase."""
    matched = [pairs for phase in phases.values() if (pairs := _matched(pictures, phase)) is not None]
    if not matched:
        counts = ", ".join(str(len(phase)) for phase in phases.values()) or "no"
        text = f"{len(pictures)} pictures of labels for {counts} slices, with no names in common"
        return {path: replace(facts[path], problem=text) for path in pictures}
    return {
        path: replace(facts[path], mask_of=matched[0][path], also_of=tuple(pairs[path] for pairs in matched[1:]))
        for path in pictures
    }


def _matched(pictures: Sequence[str], slices: Sequence[str]) -> dict[str, str] | None:
    """Pair pictures and slices by name, else by order; None where their counts differ."""
    if len(pictures) != len(slices):
        return None
    by_name = {PurePosixPath(path).stem: path for path in slices}
    stems = [PurePosixPath(path).stem for path in pictures]
    if set(stems) == set(by_name):
        return {path: by_name[stem] for path, stem in zip(pictures, stems, strict=True)}
    return dict(zip(pictures, slices, strict=True))
