"""A folder of slices that is split already: {train,val,test}/{images,labels}, label maps of the images' names.

::

    train/images/slice_17.png           train/labels/slice_17.png         label ids
    test/images/slice_0031_5.png        test/labels/slice_0031_5.png      patient 0031, slice 5

This is how nnU-Net's derivatives for semantic image synthesis are laid out. Pictures and NIfTI files are read. Names of
`test` hold the patient; those of `train` and `val` count slices and name nobody. `test1` is the split test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts

SPLITS = {"train": "train", "val": "val", "test": "test", "test1": "test"}
PATIENT_AND_SLICE = re.compile(r"slice_(.+)_\d+")


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Describe images and label maps; a label map belongs to the image of its name, whatever their formats."""
    image_of = {_case(path): path for path in paths if _folder(path) == "images"}
    found = {}
    for path in paths:
        split, stem = _split(path), _stem(path)
        if not split:
            continue
        if _folder(path) == "images":
            patient = PATIENT_AND_SLICE.fullmatch(stem)
            found[path] = FileFacts(patient=patient[1] if patient and split == "test" else None, split=split)
        elif _folder(path) == "labels":
            found[path] = FileFacts(role="mask", mask_of=image_of.get(_case(path), _beside(path)))
    return found


def _folder(path: str) -> str:
    return PurePosixPath(path).parent.name


def _split(path: str) -> str:
    return SPLITS.get(PurePosixPath(path).parent.parent.name, "")


def _stem(path: str) -> str:
    return PurePosixPath(path).name.removesuffix(".gz").rpartition(".")[0]


def _beside(path: str) -> str:
    """Return where a label map's image would be."""
    return str(PurePosixPath(path).parent.parent / "images" / PurePosixPath(path).name)


def _case(path: str) -> tuple[PurePosixPath, str]:
    return PurePosixPath(path).parent.parent, _stem(path)
