"""From the labels of a source (numbers, segment names) to the ids of the study's structures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.settings import StructureSettings
from radgen.errors import InputError

LARGEST_LABEL = 65535


def map_numbers(labels: NDArray[Any], structures: StructureSettings) -> NDArray[np.uint8]:
    """Turn label numbers into structure ids.

    Parameters
    ----------
    labels
        Whole numbers in any dtype, any shape.
    structures
        Which numbers make up which structure.

    Returns
    -------
    array of uint8
        Same shape: 0 is background, then 1..K.

    Raises
    ------
    InputError
        A label is named by no structure, or is not a whole number from 0 to 65535.
    """
    low, high = float(labels.min()), float(labels.max())
    whole = labels if np.issubdtype(labels.dtype, np.integer) else labels.astype(np.int64)
    if low < 0 or high > LARGEST_LABEL or (whole is not labels and bool(np.any(whole != labels))):
        msg = (
            f"labels run from {low:g} to {high:g}, but must be whole numbers from 0 to {LARGEST_LABEL}; "
            "is this an image instead of a mask?"
        )
        raise InputError(msg)
    table = np.zeros(int(high) + 1, dtype=np.uint8)
    named = {0}
    for name in structures.names:
        for source in structures.sources_of(name):
            if isinstance(source, int):
                named.add(source)
                if source < len(table):
                    table[source] = structures.id_of(name)
    present = np.flatnonzero(np.bincount(whole.ravel(order="K"), minlength=1))
    refuse_unknown((int(label) for label in present if int(label) not in named), structures)
    return np.asarray(table[whole])


def show_one(mask: NDArray[Any], label: str, structures: StructureSettings) -> NDArray[np.uint8]:
    """Paint the one structure that a whole mask file shows, wherever the mask is not 0.

    Raises
    ------
    InputError
        No structure is called so, and such labels are not to become background.
    """
    number = structure_of(label, structures)
    refuse_unknown([label] if number == 0 else [], structures)
    return np.where(mask != 0, np.uint8(number), np.uint8(0))


def structure_of(label: str, structures: StructureSettings) -> int:
    """Return the structure id that a segment label stands for, 0 when no structure names it; case does not matter."""
    for name in structures.names:
        if any(isinstance(source, str) and source.lower() == label.lower() for source in structures.sources_of(name)):
            return structures.id_of(name)
    return 0


def refuse_unknown(labels: Iterable[int | str], structures: StructureSettings) -> None:
    """Raise InputError if there are labels that no structure names, unless they are to become background."""
    unknown = list(labels)
    if unknown and structures.others == "refuse":
        known = ", ".join(structures.names) or "none"
        msg = (
            f"unknown labels {', '.join(str(label) for label in unknown[:12])} (structures: {known}); "
            "name them in structures.map or set structures.others to background"
        )
        raise InputError(msg)
