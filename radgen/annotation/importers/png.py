"""Masks as PNG: indexed (palette) or 8-bit grey, whose pixel values are label ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.annotation.schema import Label
from radgen.errors import AnnotationError

ID_MODES = ("P", "L", "1")


def read_png_mask(path: Path, shape: tuple[int, int], labels: Sequence[Label]) -> NDArray[np.int64]:
    """Read a PNG mask; see `radgen.annotation.importers.read_mask`."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            mode, colours = picture.mode, picture.getpalette("RGB")
            mask = np.asarray(picture).astype(np.int64)
    except (OSError, ValueError, SyntaxError) as error:
        msg = f"{path.name}: not a readable PNG ({error}); save it again"
        raise AnnotationError(msg) from error
    if mode not in ID_MODES:
        msg = (
            f"{path.name}: is a {mode} picture, but a mask holds label ids, not colours; "
            "save it as indexed PNG or as 8-bit grey with values of labels.json"
        )
        raise AnnotationError(msg)
    if mask.shape != shape:
        msg = (
            f"{path.name}: is {mask.shape[0]} rows x {mask.shape[1]} columns, but its image is "
            f"{shape[0]} x {shape[1]}; masks are never resized, so paint on the image's own grid"
        )
        raise AnnotationError(msg)
    if mode == "P":
        _check_palette(path, mask, colours or [], labels)
    return mask


def _check_palette(path: Path, mask: NDArray[np.int64], colours: list[int], labels: Sequence[Label]) -> None:
    """Refuse a palette that a painting program has put in another order: ids would silently change their meaning."""
    owner = {label.colour: label for label in labels}
    for number in np.unique(mask).tolist():
        shown = tuple(colours[3 * number : 3 * number + 3])
        meant = owner.get(shown)  # type: ignore[arg-type]
        if meant is not None and meant.id != number:
            msg = (
                f"{path.name}: pixel value {number} is shown in the colour of {meant.name} (id {meant.id}), so the "
                "palette was re-ordered in saving; save it with the palette of labels.json or as 8-bit grey of ids"
            )
            raise AnnotationError(msg)
