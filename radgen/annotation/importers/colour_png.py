"""Masks as colour PNG: every pixel in exactly the colour of a label, or transparent where nothing is painted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.importers.png import has_colours, read_pixels
from radgen.annotation.returned import Returned, Sizes, image_named, layers_of
from radgen.annotation.schema import Label
from radgen.errors import AnnotationError

OPAQUE = 255
SHOWN_COLOURS = 4


def recognise(path: Path) -> bool:
    """Tell whether a file is a PNG of red, green and blue."""
    return path.name.lower().endswith(".png") and has_colours(path)


def read(path: Path, sizes: Sizes, labels: Sequence[Label]) -> Iterator[Returned]:
    """Read one mask, named after its image; see `radgen.annotation.returned`.

    A colour between two labels is refused, not rounded: where a soft brush has mixed them, the border is nobody's.
    """
    image_id = image_named(path.name, sizes, path.name)
    _, _, pixels = read_pixels(path, image_id, sizes)
    mask = np.full(pixels.shape[:2], -1, dtype=np.int64)
    numbers = _packed(pixels[..., :3])
    for label in reversed(labels):  # of two labels of one colour the first is meant
        mask[numbers == _packed(np.array(label.colour, dtype=np.uint8))] = label.id
    if pixels.shape[2] == 4:
        mask[pixels[..., 3] == 0] = 0
        mask[(pixels[..., 3] > 0) & (pixels[..., 3] < OPAQUE)] = -1
    if bool(np.any(mask < 0)):
        raise AnnotationError(_unknown(path, numbers[mask < 0], labels))
    yield Returned(image_id, layers_of(mask), sizes[image_id], path.name)


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return colours [..., 3] as numbers 0xrrggbb."""
    packed: NDArray[np.int64] = colours.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return packed


def _unknown(path: Path, numbers: NDArray[np.int64], labels: Sequence[Label]) -> str:
    values, counts = np.unique(numbers, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    listed = ", ".join(f"#{values[at]:06x} ({counts[at]} pixels)" for at in order[:SHOWN_COLOURS])
    rest = f" and {len(values) - SHOWN_COLOURS} more" if len(values) > SHOWN_COLOURS else ""
    known = ", ".join(f"#{bytes(label.colour).hex()} {label.name}" for label in labels)
    return (
        f"{path.name}: {len(numbers)} pixels are half transparent or of no label's colour: {listed}{rest}; "
        f"labels.json knows {known}; paint with a hard brush, antialiasing off, in exactly these colours"
    )
