"""Check an nnU-Net raw data set by the rules that nnU-Net applies before it plans.

Those are: dataset.json names channels, labels, file ending and the number of training cases; label ids run from 0
(background) without a gap; every case has all its channels and one mask; all of them agree in shape, spacing, origin
and direction; masks hold known ids only; images hold no NaN. And of folds: known cases, none in both parts, and all of
a patient's images in one part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its usual name

from radgen.errors import InputError

REQUIRED = ("channel_names", "labels", "numTraining", "file_ending")
TOLERANCE = 1e-5


def check_dataset(folder: Path, groups: Mapping[str, str] | None = None) -> None:
    """Refuse a data set that nnU-Net would refuse, or learn the wrong thing from.

    Parameters
    ----------
    folder
        DatasetNNN_Name.
    groups
        Patient (or whatever must not be torn apart) of each training case; None checks no groups.

    Raises
    ------
    InputError
        Names the file, what it holds and what was expected.
    """
    facts = _facts(folder / "dataset.json")
    ending = str(facts["file_ending"])
    cases = _cases(folder, "imagesTr", ending, len(facts["channel_names"]))
    if len(cases) != facts["numTraining"]:
        _fail(folder / "imagesTr", f"{len(cases)} cases, but dataset.json says numTraining {facts['numTraining']}")
    masks = {path.name.removesuffix(ending) for path in (folder / "labelsTr").glob(f"*{ending}")}
    for name in sorted(cases ^ masks):
        lacks = "mask" if name in cases else "image"
        _fail(folder / "labelsTr", f"case {name} has no {lacks}")
    ids = set(facts["labels"].values())
    for name in sorted(cases):
        _check_case(folder, name, ending, len(facts["channel_names"]), ids)
    _cases(folder, "imagesTs", ending, len(facts["channel_names"]))
    splits = folder / "splits_final.json"
    if splits.is_file():
        _check_folds(splits, cases, groups or {})


def _fail(path: Path, text: str) -> None:
    msg = f"{path}: {text}; nnU-Net would refuse it, mend it or export again"
    raise InputError(msg)


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in REQUIRED if key not in facts]
    except (OSError, ValueError, TypeError) as error:
        msg = f"{path}: not a readable dataset.json ({error}); export the data set again"
        raise InputError(msg) from error
    if missing:
        _fail(path, f"key {missing[0]!r} is missing")
    ids = sorted(facts["labels"].values())
    if facts["labels"].get("background") != 0:
        _fail(path, f"background is label {facts['labels'].get('background')}, but must be 0")
    if ids != list(range(len(ids))):
        _fail(path, f"label ids are {ids}, but must be consecutive from 0")
    channels = sorted(facts["channel_names"])
    if channels != sorted(str(number) for number in range(len(channels))):
        _fail(path, f"channels are {channels}, but must be numbered from 0")
    return facts


def _cases(folder: Path, part: str, ending: str, channels: int) -> set[str]:
    found: dict[str, set[str]] = {}
    for path in sorted((folder / part).glob(f"*{ending}")):
        case, _, channel = path.name.removesuffix(ending).rpartition("_")
        found.setdefault(case, set()).add(channel)
    expected = {f"{number:04d}" for number in range(channels)}
    for case, present in found.items():
        if present != expected:
            _fail(folder / part, f"case {case} has channels {sorted(present)}, but {sorted(expected)} are expected")
    return set(found)


def _check_case(folder: Path, case: str, ending: str, channels: int, ids: set[int]) -> None:
    mask_path = folder / "labelsTr" / f"{case}{ending}"
    mask = _read(mask_path)
    for number in range(channels):
        path = folder / "imagesTr" / f"{case}_{number:04d}{ending}"
        image = _read(path)
        for what, one, two in _geometry(image, mask):
            if len(one) != len(two) or not np.allclose(one, two, rtol=0, atol=TOLERANCE):
                _fail(path, f"{what} is {one}, but its mask has {two}")
        if not np.isfinite(sitk.GetArrayViewFromImage(image).astype(np.float64)).all():
            _fail(path, "holds values that are no numbers")
    strange = sorted(set(np.unique(sitk.GetArrayViewFromImage(mask)).tolist()) - ids)
    if strange:
        _fail(mask_path, f"holds label {strange[0]}, but dataset.json names {sorted(ids)}")


def _geometry(image: Any, mask: Any) -> Iterator[tuple[str, tuple[float, ...], tuple[float, ...]]]:  # noqa: ANN401
    for what in ("Size", "Spacing", "Origin", "Direction"):
        yield what.lower(), getattr(image, f"Get{what}")(), getattr(mask, f"Get{what}")()


def _read(path: Path) -> Any:  # noqa: ANN401 - SimpleITK is untyped
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        msg = f"{path}: SimpleITK cannot read it; nnU-Net would refuse it, export the data set again"
        raise InputError(msg) from error


def _check_folds(path: Path, cases: set[str], groups: Mapping[str, str]) -> None:
    try:
        folds = [(set(fold["train"]), set(fold["val"])) for fold in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{path}: not a list of folds with train and val ({error}); export the data set again"
        raise InputError(msg) from error
    for number, (train, val) in enumerate(folds):
        for case in sorted((train | val) - cases):
            _fail(path, f"fold {number} names case {case}, which imagesTr lacks")
        for case in sorted(train & val):
            _fail(path, f"fold {number} has case {case} in train and in val")
        torn = {groups[case] for case in train if case in groups} & {groups[case] for case in val if case in groups}
        if torn:
            _fail(path, f"fold {number} has images of {len(torn)} patients in train and in val")
