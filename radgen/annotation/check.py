"""Masks that came back, against the pack that went out: every problem is named before anything is used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers import read_mask
from radgen.annotation.pack import GENERATOR_FILE, Pack
from radgen.annotation.waiting import MASKS_FOLDER, mask_files, mask_stem
from radgen.errors import AnnotationError

SHOWN_PROBLEMS = 8  # a longer list is not read


def collect_masks(folder: Path, pack: Pack) -> dict[str, NDArray[np.uint8]]:
    """Read all masks of a pack's folder.

    Parameters
    ----------
    folder
        The pack's folder, in which `masks` lies.
    pack
        What went out.

    Returns
    -------
    Image id to mask (uint8 [H, W] of label ids), sorted by id; images without a mask are left out.

    Raises
    ------
    AnnotationError
        The folder is empty, belongs to another generator, or a mask cannot be used. All unusable files are named.
    """
    files = mask_files(folder)
    if not files:
        msg = f"{folder / MASKS_FOLDER}: no masks yet; paint the images of {folder / 'images'} as its README.txt says"
        raise AnnotationError(msg)
    _check_generator(folder, pack)
    masks: dict[str, NDArray[np.uint8]] = {}
    problems: list[str] = []
    for path in files:
        try:
            image_id, mask = _read_one(path, pack, masks)
        except AnnotationError as error:
            problems.append(str(error))
        else:
            masks[image_id] = mask
    if problems:
        rest = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        listed = "; ".join(problems[:SHOWN_PROBLEMS])
        msg = f"{folder / MASKS_FOLDER}: {len(problems)} of {len(files)} masks cannot be used: {listed}{rest}"
        raise AnnotationError(msg)
    return dict(sorted(masks.items()))


def check_labels(pack: Pack, structures: Sequence[str]) -> None:
    """Refuse a pack whose labels are not the study's structures.

    Raises
    ------
    AnnotationError
        With both lists.
    """
    painted = [label.name for label in pack.labels[1:]]
    if painted != list(structures):
        msg = (
            f"{pack.folder / 'labels.json'}: names {', '.join(painted)}, but the study's structures are "
            f"{', '.join(structures)}; run annotate-pack again"
        )
        raise AnnotationError(msg)


def _check_generator(folder: Path, pack: Pack) -> None:
    path = folder / MASKS_FOLDER / GENERATOR_FILE
    try:
        painted_for = str(json.loads(path.read_text(encoding="utf-8"))["generator"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"{path}: missing or unreadable, so it is not known for which generator these masks were painted "
            f"(this pack's is {pack.generator}); put back the file that came with the pack the masks were painted from"
        )
        raise AnnotationError(msg) from error
    if painted_for != pack.generator:
        msg = (
            f"{path.parent}: these masks were painted for images of generator {painted_for}, but this pack is of "
            f"generator {pack.generator}; move them away and paint this pack, or bring that generator back"
        )
        raise AnnotationError(msg)


def _read_one(path: Path, pack: Pack, seen: dict[str, NDArray[np.uint8]]) -> tuple[str, NDArray[np.uint8]]:
    image_id = mask_stem(path)
    if image_id not in pack.rows:
        msg = f"{path.name}: no image of this pack is called {image_id}; name a mask after its image"
        raise AnnotationError(msg)
    if image_id in seen:
        msg = f"{path.name}: a second mask for {image_id}; keep one of them"
        raise AnnotationError(msg)
    height, width = pack.image(image_id).shape
    mask = read_mask(path, (height, width), pack.labels)
    known = {label.id for label in pack.labels}
    unknown = sorted(set(np.unique(mask).tolist()) - known)
    if unknown:
        listed = ", ".join(str(number) for number in unknown[:SHOWN_PROBLEMS]) + (", ..." if len(unknown) > 8 else "")
        msg = f"{path.name}: unknown label ids {listed}; labels.json knows {', '.join(map(str, sorted(known)))}"
        raise AnnotationError(msg)
    return image_id, mask.astype(np.uint8)
