"""What a reader of annotations hands on: per image and annotator, the painted regions in the order they were painted.

Readers keep regions apart, because formats of shapes let them overlap: which one wins is decided in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.schema import Label
from radgen.errors import AnnotationError


@dataclass(frozen=True)
class Layer:
    """One painted region: the label's id and its pixels, bool [H, W]."""

    label_id: int
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class Returned:
    """What one annotator painted on one image.

    Attributes
    ----------
    image_id
        Of the pack's image.
    layers
        Regions in the order they were painted; none for an image that was looked at and left empty.
    shape
        (rows, columns).
    file
        Name of the file it came from, for messages.
    annotator
        As the tool names the person; empty where it names none.
    seconds
        Time spent on the image, where the tool keeps it.
    """

    image_id: str
    layers: tuple[Layer, ...]
    shape: tuple[int, int]
    file: str
    annotator: str = ""
    seconds: float | None = None


Sizes = Mapping[str, tuple[int, int]]  # rows and columns of each image of the pack, by image id
Reader = Callable[[Path, Sizes, Sequence[Label]], Iterable[Returned]]


def label_named(name: str, labels: Sequence[Label], file: str) -> Label:
    """Return the label of a name as a tool wrote it; letters' case and spaces at the ends do not matter.

    Raises
    ------
    AnnotationError
        No label has this name.
    """
    wanted = name.strip().casefold()
    for label in labels:
        if label.name.casefold() == wanted:
            return label
    known = ", ".join(label.name for label in labels)
    msg = f"{file}: unknown label {name!r}; labels.json knows {known}"
    raise AnnotationError(msg)


def image_named(name: str, sizes: Sizes, file: str) -> str:
    """Return the image id that a picture's name (with folders and suffix, as tools write it) belongs to.

    Raises
    ------
    AnnotationError
        The pack has no such image.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    for candidate in (last, last.split(".", 1)[0]):
        if candidate in sizes:
            return candidate
    msg = f"{file}: no image of this pack is called {last}; keep the pack's own file names"
    raise AnnotationError(msg)


def check_size(found: tuple[int, int], image_id: str, sizes: Sizes, file: str) -> None:
    """Refuse annotations made on a picture of another size than the pack's.

    Raises
    ------
    AnnotationError
        With both sizes, rows x columns.
    """
    wanted = sizes[image_id]
    if found != wanted:
        msg = (
            f"{file}: {image_id} is {found[0]} rows x {found[1]} columns there, but {wanted[0]} x {wanted[1]} in the "
            "pack; masks are never resized, so paint on the image's own grid"
        )
        raise AnnotationError(msg)


def layers_of(mask: NDArray[np.int64]) -> tuple[Layer, ...]:
    """Return the regions of a mask of label ids [H, W], background left out."""
    return tuple(Layer(int(label_id), mask == label_id) for label_id in np.unique(mask) if label_id != 0)
