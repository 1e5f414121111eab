"""Masks as PNG whose pixel values are label ids: indexed (palette) or grey of 1, 8 or 16 bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.annotation.importers.label_ids import layers_of_ids
from radgen.annotation.returned import Returned, Sizes, check_size, image_named
from radgen.annotation.schema import Label
from radgen.cohort.pictures import refuse_damaged_png
from radgen.cohort.refusal import RefusalError, distrusting
from radgen.errors import AnnotationError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPE_AT = 25  # byte of the file; 2 and 6 are red, green, blue without and with transparency
COLOUR_TYPES = (2, 6)
ID_MODES = ("P", "L", "1", "I;16", "I")


def recognise(path: Path) -> bool:
    """Tell whether a file is a PNG of anything but colours."""
    return path.name.lower().endswith(".png") and not has_colours(path)


def has_colours(path: Path) -> bool:
    """Tell whether a file is a PNG of red, green and blue, by its header."""
    with path.open("rb") as file:
        head = file.read(COLOUR_TYPE_AT + 1)
    return head.startswith(SIGNATURE) and len(head) > COLOUR_TYPE_AT and head[COLOUR_TYPE_AT] in COLOUR_TYPES


def read(path: Path, sizes: Sizes, labels: Sequence[Label]) -> Iterator[Returned]:
    """Read one mask, named after its image; see `radgen.annotation.returned`."""
    image_id = image_named(path.name, sizes, path.name)
    mode, colours, pixels = read_pixels(path, image_id, sizes)
    if mode not in ID_MODES:
        msg = (
            f"{path.name}: is a {mode} picture, but a mask holds label ids or the colours of labels.json; "
            "save it as indexed PNG, as 8-bit grey with values of labels.json, or as RGB"
        )
        raise AnnotationError(msg)
    if mode == "P":
        _check_palette(path, pixels, colours, labels)
    yield Returned(image_id, layers_of_ids(pixels, labels, path.name), sizes[image_id], path.name)


def read_pixels(path: Path, image_id: str, sizes: Sizes) -> tuple[str, list[int], NDArray[Any]]:
    """Return mode, flat palette and pixels of a PNG; its size is checked before a pixel is decoded.

    Raises
    ------
    AnnotationError
        The file is damaged, or of another size than its image.
    """
    try:
        with distrusting(what="the file"), Image.open(path, formats=("PNG",)) as picture:
            check_size((picture.height, picture.width), image_id, sizes, path.name)
            refuse_damaged_png(path)
            return picture.mode, picture.getpalette("RGB") or [], np.asarray(picture)
    except (OSError, RefusalError) as error:
        msg = f"{path.name}: not a readable PNG ({error}); save it again"
        raise AnnotationError(msg) from error


def _check_palette(path: Path, mask: NDArray[Any], colours: list[int], labels: Sequence[Label]) -> None:
    """Refuse a palette that a painting program has put in another order: ids would silently change their meaning."""
    owner = {label.colour: label for label in labels}
    for number in np.unique(mask).tolist():
        shown = tuple(colours[3 * number : 3 * number + 3])
        meant = owner.get(shown)  # type: ignore[arg-type]
        if meant is not None and meant.id != number:
            msg = (
                f"{path.name}: pixel value {number} is shown in the colour of {meant.name} (id {meant.id}), so the "
                "palette was re-ordered in saving; save it as RGB colours, with the palette of labels.json, or as "
                "8-bit grey of ids"
            )
            raise AnnotationError(msg)
