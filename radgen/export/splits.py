"""Train, val and test of exported images, and folds of a cross-validation: always whole groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radgen.seeds import stable_unit

SPLITS = ("train", "val", "test")
# Real images set apart for a generator or a simulated annotator are training images to anybody else.
SET_APART = ("generator", "annotator")
FOLDS = 5


def assign_splits(rows: Sequence[Mapping[str, Any]], shares: tuple[float, float, float]) -> tuple[list[str], list[str]]:
    """Return split and group of every row.

    A real image keeps its split. The others are ranked by a stable number of their group, and take the shares in this
    order, so that the counts are those asked for, and a set that is exported again is split in the same way.

    Parameters
    ----------
    rows
        With image_id, split and patient.
    shares
        Of train, val and test; they add up to 1.

    Examples
    --------
    >>> rows = [{"image_id": f"i{n}", "split": "synthetic", "patient": None} for n in range(10)]
    >>> sorted(assign_splits(rows, (0.8, 0.1, 0.1))[0])
    ['test', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'val']
    """
    groups = [str(row["patient"] or row["image_id"]) for row in rows]
    own = {group: _own(row["split"]) for row, group in zip(rows, groups, strict=True)}
    free = sorted((group for group, split in own.items() if split is None), key=lambda group: _rank("split", group))
    held_out = [round(share * len(free)) for share in shares[1:]]
    ends = (len(free) - sum(held_out), len(free) - held_out[1], len(free))
    for place, group in enumerate(free):
        own[group] = next(split for split, end in zip(SPLITS, ends, strict=True) if place < end)
    return [str(own[group]) for group in groups], groups


def _own(split: str | None) -> str | None:
    if split in SET_APART:
        return "train"
    return split if split in SPLITS else None


def _rank(*parts: str) -> tuple[float, str]:
    return stable_unit("export", *parts), parts[-1]


def cross_validation(cases: Sequence[str], groups: Sequence[str], splits: Sequence[str]) -> list[dict[str, list[str]]]:
    """Return folds in which every case is validated once: fold 0 validates val, the others a part of train each.

    Parameters
    ----------
    cases, groups, splits
        Of all cases that are not test; a group lies in one split.

    Returns
    -------
    list of dict
        `train` and `val` of each fold, sorted; as many folds as there are parts with cases, five at most.

    Examples
    --------
    >>> cross_validation(["a", "b", "c"], ["p", "p", "q"], ["train", "train", "val"])
    [{'train': ['a', 'b'], 'val': ['c']}, {'train': ['c'], 'val': ['a', 'b']}]
    """
    fixed = {group for group, split in zip(groups, splits, strict=True) if split == "val"}
    ranked = sorted(set(groups) - fixed, key=lambda group: _rank("fold", group))
    count = FOLDS - 1 if fixed else FOLDS
    parts = [fixed, *(set(ranked[number::count]) for number in range(count))]
    pairs = list(zip(cases, groups, strict=True))
    return [
        {
            "train": sorted(case for case, group in pairs if group not in part),
            "val": sorted(case for case, group in pairs if group in part),
        }
        for part in parts
        if part and len(part) < len(set(groups))
    ]
