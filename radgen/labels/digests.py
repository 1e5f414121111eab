"""Digest of chosen rows of an image set, pixels and masks included: what a keyed job really rests on."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from radgen.imageset.core import ImageSet

CHUNK = 256  # rows in memory at a time


def rows_digest(images: ImageSet, positions: NDArray[np.int64], *, with_masks: bool, with_images: bool = True) -> str:
    """Return 32 hexadecimal digits that change with any id, class, patient, pixel or mask of the rows."""
    state = hashlib.sha256()
    columns = [images.column(name) for name in ("image_id", "class_name", "patient", "split")]
    for start in range(0, len(positions), CHUNK):
        part = positions[start : start + CHUNK]
        for position in part.tolist():
            state.update(repr([column[position] for column in columns]).encode())
        if with_images:
            state.update(images.images(part).tobytes())
        if with_masks:
            state.update(images.masks(part).tobytes())
    return state.hexdigest()[:32]
